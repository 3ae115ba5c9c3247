"""Write a message as Slack, Discord, Telegram and plain webhooks take it.

docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, docs.discord.com/developers/resources/webhook and
core.telegram.org/bots/api#sendmessage state the fields and the most characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.observability.alerts.messages import body, title

if TYPE_CHECKING:
    from src.observability.alerts.rules import Destination

_MOST_DISCORD: Final = 2_000
_MOST_TELEGRAM: Final = 4_096
_MOST_SLACK_SECTION: Final = 3_000
_MOST_SLACK_HEADER: Final = 150
_CUT: Final = "…"


def payload(destination: Destination, document: dict[str, Any], sent_at: float) -> dict[str, Any]:
    """Return the JSON body of a message.

    Args:
        destination: Where it goes.
        document: What it says.
        sent_at: When it is sent, in seconds since 1970.
    """
    text = body(document, sent_at)
    if destination.kind == "slack":
        return _slack(document, text)
    if destination.kind == "discord":  # no name in a text may call anybody
        return {"content": shortened(text, _MOST_DISCORD), "allowed_mentions": {"parse": []}}
    if destination.kind == "telegram":
        return {
            "chat_id": destination.chat_id,
            "text": shortened(text, _MOST_TELEGRAM),
            "link_preview_options": {"is_disabled": True},
        }
    return {**document, "message": text}


def _slack(document: dict[str, Any], text: str) -> dict[str, Any]:
    header, _, rest = text.partition("\n")
    section = {"type": "mrkdwn", "text": shortened(_escaped(rest), _MOST_SLACK_SECTION), "verbatim": True}
    return {
        "text": shortened(_escaped(f"{title(document)}: {document['text']}"), _MOST_SLACK_SECTION),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": shortened(header, _MOST_SLACK_HEADER)}},
            {"type": "section", "text": section},
        ],
    }


def _escaped(text: str) -> str:
    """Return a text in which nothing is a link or a mention to Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters, counted as UTF-16 does, which is how JavaScript counts them."""
    if _length(text) <= most:
        return text
    text = text[:most]
    while _length(text) > most - len(_CUT):
        text = text[:-1]
    return text + _CUT


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2
