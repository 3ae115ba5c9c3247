"""Judge replies by their texts: whether numbers in the reasoning stand in the prompt, and whether repeats agree."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.insight.figures.groups import key_text
from src.insight.quality.forms import Form, form_of
from src.insight.quality.grounding import Grounding, grounding
from src.judging.statistics import wilson
from src.observability.search.records import decoded, observations_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from src.insight.facts.filters import Filter
    from src.insight.facts.reader import FactsReader
    from src.judging.statistics import Interval
    from src.observability.search.records import StoredObservation
    from src.observability.store.reader import StoreReader

# The fields of a structured reply in which a model gives its reasons.
_REASONING: Final = ("reasoning", "reason", "reasons", "rationale", "explanation", "analysis", "thesis")
_LONGEST: Final = 200_000  # characters of a prompt whose numbers are read
_MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedReply:
    """One reply with what its texts say of it.

    Attributes:
        trace_id: Its trace.
        observation_id: Its observation.
        end_ns: When it ended, in nanoseconds since 1970.
        environment: Where it was asked for.
        key: Its prompt with the version, and the model.
        form: How it came out.
        grounding: What became of the numbers in its reasoning; None where there is no reasoning.
        request: A digest of the exact request; None where it is not stored.
        answer: Its action, or else a digest of its text; None where there is no reply.
    """

    trace_id: str
    observation_id: str
    end_ns: int
    environment: str | None
    key: str | None
    form: Form
    grounding: Grounding | None
    request: str | None
    answer: str | None


def judged_replies(reader: FactsReader, store: StoreReader, filter_: Filter, sample: int) -> Iterator[JudgedReply]:
    """Yield the newest calls of a filter, at most so many, each with what its texts say."""
    facts = reader.rows(filter_, "start", sample)
    places = [(fact.seq, fact.trace_id, fact.span_id) for fact in facts]
    yield from (judge(item) for item in observations_at(store, places))


def judge(item: StoredObservation) -> JudgedReply:
    """Return what the texts of an observation say of it."""
    columns, facts = item.columns, item.facts
    has_failed = columns["level"] == "ERROR"
    reasoning = None if has_failed else reasoning_of(item.output)
    texts = list(texts_of(decoded(item.input)))
    is_short = sum(map(len, texts)) <= _LONGEST
    return JudgedReply(
        trace_id=columns["trace_id"],
        observation_id=columns["span_id"],
        end_ns=columns["end_ns"],
        environment=facts.environment,
        key=key_text((facts.prompt_name, facts.prompt_version, columns["model"])),
        form=form_of(
            category=columns["error_category"],
            has_failed=has_failed,
            finish_reason=facts.finish_reason,
            is_repaired=bool(facts.repaired),
        ),
        grounding=grounding(texts, reasoning) if reasoning is not None and texts and is_short else None,
        request=_request(item),
        answer=None if has_failed else _answer(item),
    )


def reasoning_of(output: str | None) -> str | None:
    """Return the reasons in a reply: those fields of a structured one, else the whole text; None without any."""
    if not output:
        return None
    reply = _object(output)
    if reply is None:
        return output
    parts = [
        str(value) for name, value in reply.items() if str(name).lower() in _REASONING and isinstance(value, str | list)
    ]
    return "\n".join(parts) or None


def _object(output: str) -> dict[str, Any] | None:
    """Return the JSON object that a reply is; None where it is plain text."""
    reply = decoded(output)
    if isinstance(reply, dict) and isinstance(reply.get("content"), str):  # beside thoughts or tool calls
        reply = decoded(reply["content"])
    if isinstance(reply, str):
        begin, end = reply.find("{"), reply.rfind("}")
        reply = decoded(reply[begin : end + 1]) if begin >= 0 and end > begin else None
    return reply if isinstance(reply, dict) else None


def texts_of(value: object) -> Iterator[str]:
    """Yield the texts and numbers in a request's messages."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
        elif item is not None and not isinstance(item, bool):
            yield str(item)


def _request(item: StoredObservation) -> str | None:
    """Return a digest of what was sent: the model and the messages, exactly."""
    if not item.input:
        return None
    model = item.facts.requested_model or item.columns["model"]
    content = json.dumps([item.columns["provider"], model, item.input])
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _answer(item: StoredObservation) -> str | None:
    if item.facts.vote is not None:
        return item.facts.vote
    if not item.output:
        return None
    return hashlib.sha256(" ".join(item.output.split()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Grounded:
    """How the numbers in the reasoning of a group's replies are grounded.

    Attributes:
        key: The prompt with its version, and the model.
        replies: How many replies cite numbers that were judged.
        numbers: How many numbers were judged.
        stated: How many of them stand in the prompt.
        derived: How many are a difference or a percentage of two there.
        absent: How many are neither.
        with_absent: The share of the replies that have a number which is neither, with Wilson's interval.
        examples: Replies that have one, with those numbers: trace, observation, numbers.
    """

    key: str | None
    replies: int
    numbers: int
    stated: int
    derived: int
    absent: int
    with_absent: Interval
    examples: Sequence[tuple[str, str, tuple[str, ...]]]


def grounded(replies: Iterable[JudgedReply]) -> list[Grounded]:
    """Return how numbers are grounded, by prompt and model; the group with most replies first."""
    groups: defaultdict[str | None, list[tuple[JudgedReply, Grounding]]] = defaultdict(list)
    for reply in replies:
        if reply.grounding is not None and reply.grounding.judged:
            groups[reply.key].append((reply, reply.grounding))
    result = []
    for key, items in groups.items():
        bad = [(reply, ground) for reply, ground in items if ground.absent]
        result.append(
            Grounded(
                key=key,
                replies=len(items),
                numbers=sum(ground.judged for _, ground in items),
                stated=sum(ground.stated for _, ground in items),
                derived=sum(ground.derived for _, ground in items),
                absent=sum(len(ground.absent) for _, ground in items),
                with_absent=wilson(len(bad), len(items)),
                examples=[(reply.trace_id, reply.observation_id, ground.absent) for reply, ground in bad[:_MOST_SHOWN]],
            )
        )
    return sorted(result, key=lambda item: (-item.replies, str(item.key)))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether repeated answers to exactly the same request agree.

    Attributes:
        key: The prompt with its version, and the model.
        requests: How many requests were answered more than once.
        answers: How many answers they have together.
        agreement: The chance that two answers to one request are the same, each request counted once; None without any.
        unanimous: The share of the requests whose answers are all the same, with Wilson's interval.
    """

    key: str | None
    requests: int
    answers: int
    agreement: float | None
    unanimous: Interval


def agreements(replies: Iterable[JudgedReply]) -> list[Agreement]:
    """Return how far repeats agree, by prompt and model; those with most repeated requests first."""
    answers: defaultdict[str | None, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for reply in replies:
        if reply.request is not None and reply.answer is not None:
            answers[reply.key][reply.request].append(reply.answer)
    result = []
    for key, requests in answers.items():
        repeated = [items for items in requests.values() if len(items) > 1]
        if repeated:
            same = [_same_pairs(items) for items in repeated]
            result.append(
                Agreement(
                    key=key,
                    requests=len(repeated),
                    answers=sum(map(len, repeated)),
                    agreement=sum(same) / len(same),
                    unanimous=wilson(sum(len(set(items)) == 1 for items in repeated), len(repeated)),
                )
            )
    return sorted(result, key=lambda item: (-item.requests, str(item.key)))


def _same_pairs(items: Sequence[str]) -> float:
    pairs = len(items) * (len(items) - 1)
    return sum(count * (count - 1) for count in Counter(items).values()) / pairs
