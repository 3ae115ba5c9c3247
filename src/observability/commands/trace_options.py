"""Read the options that choose traces: names, times, amounts, scores."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, TypedDict

import typer

if TYPE_CHECKING:
    from src.observability.search.conditions import Comparison, ScoreCondition, TraceFilter


def _option(help_text: str, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=help_text, show_default=False, metavar=metavar)
    return option


Since = Annotated[str | None, _option("Began then or later: 7d, 24h, 2026-11-01, 2026-11-01T12:00.", "TIME")]
Until = Annotated[str | None, _option("Began before then.", "TIME")]


class CallOptions(TypedDict, total=False):
    """The options that name calls, as a command takes them by `**options: Unpack[CallOptions]`."""

    agent: Annotated[str | None, _option("Of this agent.", "NAME")]
    model: Annotated[str | None, _option("Answered by this model, or asked of it: gpt-4o, openai:gpt-4o.", "NAME")]
    provider: Annotated[str | None, _option("Of this provider.", "NAME")]
    symbol: Annotated[str | None, _option("About this market.", "NAME")]
    session: Annotated[str | None, _option("Of this session.", "ID")]
    user: Annotated[str | None, _option("Of this user.", "ID")]
    environment: Annotated[str | None, _option("Of this environment: paper, live, ...", "NAME")]


class TraceOptions(CallOptions, total=False):
    """The options that choose traces, or single observations."""

    prompt: Annotated[str | None, _option("With the prompt of this name.", "NAME")]
    status: Annotated[str | None, _option("error: something in it failed; ok: nothing did.", "ok|error")]
    category: Annotated[str | None, _option("With an error of this category, such as rate_limit.", "NAME")]
    tag: Annotated[str | None, _option("With this tag.", "NAME")]
    since: Since
    until: Until
    min_cost: Annotated[str | None, _option("Cost at least so many US dollars, as far as that is known.", "USD")]
    min_latency: Annotated[str | None, _option("Took at least so long: 2.5 (seconds), 800ms, 2m.", "TIME")]
    score: Annotated[str | None, _option("Has a score: 'pnl', 'pnl>=0.5', 'decision=BUY'.", "NAME[<=>VALUE]")]
    search: Annotated[str | None, _option("Text in an input, an output or an error.", "TEXT")]


_SCORE: Final = re.compile(r"(?P<name>.+?)\s*(?:(?P<comparison><=|>=|!=|==|=|<|>)\s*(?P<value>.*))?", re.DOTALL)
_PERIOD: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LATENCY: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ms|s|m|h)?")
_MS: Final = {"ms": 1.0, "s": 1000.0, None: 1000.0, "m": 60_000.0, "h": 3_600_000.0}
_TRUTH: Final = {"true": 1.0, "false": 0.0}


def trace_filter(options: TraceOptions) -> TraceFilter:
    """Return the filter of some options.

    Raises:
        ValueError: one of them makes no sense; the message says which, and what would.
    """
    from src.observability.search.conditions import TraceFilter

    for name, value in options.items():
        if isinstance(value, str) and not value.strip():
            raise ValueError(f"--{name.replace('_', '-')} is empty: give a value, or leave the option out.")
    now_ns = time.time_ns()
    since, until, status, score = (
        options.get("since"),
        options.get("until"),
        options.get("status"),
        options.get("score"),
    )
    if status not in (None, "ok", "error"):
        raise ValueError(f"--status is {status!r:.40}: give ok or error.")
    chosen = TraceFilter(
        agent=options.get("agent"),
        model=options.get("model"),
        provider=options.get("provider"),
        symbol=options.get("symbol"),
        session_id=options.get("session"),
        user_id=options.get("user"),
        environment=options.get("environment"),
        category=options.get("category"),
        prompt=options.get("prompt"),
        tag=options.get("tag"),
        text=options.get("search"),
        status="error" if status == "error" else "ok" if status else None,
        since_ns=None if since is None else moment_ns("--since", since, now_ns),
        until_ns=None if until is None else moment_ns("--until", until, now_ns),
        min_cost_usd=_amount(options.get("min_cost")),
        min_latency_ms=_latency_ms(options.get("min_latency")),
        score=None if score is None else score_condition(score),
    )
    check_period(chosen.since_ns, chosen.until_ns)
    return chosen


def check_period(since_ns: int | None, until_ns: int | None) -> None:
    """Raise ValueError where a period ends before it begins."""
    if since_ns is not None and until_ns is not None and since_ns >= until_ns:
        raise ValueError("--since is not before --until: nothing can have begun between them.")


def moment_ns(option: str, text: str, now_ns: int) -> int:
    """Return the moment that an option names, in nanoseconds since 1970.

    Args:
        option: The option's name, for the error.
        text: How long ago (7d, 24h), or a date with or without a time; without a zone it is UTC.
        now_ns: The present.

    Raises:
        ValueError: it names none.
    """
    period = _PERIOD.fullmatch(text.strip())
    if period is not None:
        return max(0, now_ns - int(period[1]) * _SECONDS[period[2]] * 1_000_000_000)
    try:
        moment = datetime.fromisoformat(text.strip())
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0, round(aware.timestamp() * 1_000_000) * 1_000)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{option} is {text!r:.40}: give how long ago, such as 7d or 24h, or a date, such as 2026-11-01 or "
            "2026-11-01T12:00 (UTC)."
        ) from error


def score_condition(text: str) -> ScoreCondition:
    """Return the condition that a text states: a score's name, with a comparison and a value or without.

    Raises:
        ValueError: it states none.
    """
    from src.observability.search.conditions import ScoreCondition

    match = _SCORE.fullmatch(text.strip())
    if match is None or (match["comparison"] and not match["value"].strip()):
        raise ValueError(f"--score is {text!r:.60}: give a name, or a comparison such as 'pnl>=0.5' or 'decision=BUY'.")
    if match["comparison"] is None:
        return ScoreCondition(match["name"].strip())
    comparison: Comparison = "=" if match["comparison"] == "==" else match["comparison"]  # type: ignore[assignment] # the pattern's own words
    value = match["value"].strip()
    number = _TRUTH.get(value.lower())
    if number is None:
        try:
            number = float(value)
        except ValueError:
            if comparison not in ("=", "!="):
                raise ValueError(
                    f"--score is {text!r:.60}: {comparison} compares numbers, and {value!r:.40} is none; texts can be "
                    "compared with = and !=."
                ) from None
            return ScoreCondition(match["name"].strip(), comparison, value)
    if not math.isfinite(number):
        raise ValueError(f"--score is {text!r:.60}: {value} is no number that a score can have.")
    return ScoreCondition(match["name"].strip(), comparison, number)


def _amount(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        amount = float(text.strip().removeprefix("$"))
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount >= 0):
        raise ValueError(f"--min-cost is {text!r:.40}: give US dollars, such as 0.05.")
    return amount


def _latency_ms(text: str | None) -> float | None:
    if text is None:
        return None
    match = _LATENCY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"--min-latency is {text!r:.40}: give seconds, such as 2.5, or 800ms, 2m.")
    return float(match[1]) * _MS[match[2]]
