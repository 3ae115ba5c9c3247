"""Find requests that were sent again, word for word, within an hour, and got the same answer."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from typing_extensions import override

from src.insight.advice.amounts import Daily, saving
from src.insight.advice.finding import Finding, Withheld, evidence, newest_traces, results_of
from src.insight.advice.past import Search
from src.insight.advice.texts import Place, texts_at
from src.judging.statistics import wilson

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from src.insight.advice.finding import Results
    from src.insight.advice.past import Past
    from src.insight.advice.texts import Texts
    from src.insight.facts.records import CallFact

NAME: Final = "identical"
WINDOW_NS: Final = 3_600 * 1_000_000_000
SAME: Final = 0.95  # of the repeats, in the first part of the past; the second must not be below 0.9 at 95%
SAME_LATER: Final = 0.9


class _Call(NamedTuple):
    """One call that may be a repeat."""

    start_ns: int
    place: Place
    trace_id: str
    usd: float
    vote: str | None


class _Key(NamedTuple):
    """What identical requests have in common without a look at their texts."""

    agent: str | None
    provider: str | None
    model: str | None
    input_tokens: int | None


_Group = tuple[str | None, str | None, str | None, str]  # agent, provider, model, temperature


@dataclass(slots=True)
class _Repeats:
    """The repeats of one group."""

    daily: Daily = field(default_factory=Daily)
    n: list[int] = field(default_factory=lambda: [0, 0])
    same: list[int] = field(default_factory=lambda: [0, 0])
    traces: deque[str] = field(default_factory=newest_traces)


class Identical(Search):
    """Compares the texts of calls that have the same model and number of input tokens within an hour by the clock."""

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._textless = 0
        self._hour = -1
        self._of_hour: defaultdict[tuple[str | None, str | None, str | None, int], list[CallFact]] = defaultdict(list)
        self._units: list[tuple[_Key, list[_Call]]] = []  # calls of one hour that may be repeats
        self._groups: defaultdict[_Group, _Repeats] = defaultdict(_Repeats)

    @override
    def call(self, call: CallFact) -> None:
        if call.error or not call.cost_nano or call.input_tokens is None:
            return
        key = (call.agent, call.provider, call.model, call.input_tokens)
        if call.start_ns // WINDOW_NS != self._hour:
            self._end_hour()
            self._hour = call.start_ns // WINDOW_NS
        self._of_hour[key].append(call)

    def _end_hour(self) -> None:
        """Keep those calls of the hour that have the model and the number of tokens of another one."""
        self._units += [(_Key(*key), list(map(_call, calls))) for key, calls in self._of_hour.items() if len(calls) > 1]
        self._of_hour.clear()

    @override
    def results(self) -> Results:
        self._end_hour()
        units = self._units
        # In an order that has nothing to do with time, so that a part of them is a sample of the whole past.
        units.sort(key=lambda item: _order(item[0], item[1][0]))
        candidates, looked_at = sum(len(calls) for _, calls in units), 0
        for key, calls in units:
            if looked_at + len(calls) > self.past.most_texts:
                break
            looked_at += len(calls)
            self._compare(key, calls)
        items = [self._judged(group, repeats) for group, repeats in sorted(self._groups.items(), key=str)]
        remarks: tuple[str, ...] = ()
        if looked_at < candidates:
            remarks = (
                f"Of {candidates:,} calls that may be repeats the texts of {looked_at:,} were compared (--texts sets "
                "how many): identical requests among the others come on top.",
            )
        if self._textless:
            remarks += (f"{self._textless:,} calls that may be repeats have no recorded texts (MOONDEV_CAPTURE).",)
        return results_of(items, remarks=remarks)

    def _compare(self, key: _Key, calls: Sequence[_Call]) -> None:
        texts = dict(texts_at(self.past.store, [call.place for call in calls]))
        first: dict[bytes, str | None] = {}
        for call in sorted(calls):
            text = texts.get(call.place.span_id)
            if text is None:
                self._textless += 1
                continue
            answer = call.vote or _answer(text)
            if text.request not in first:
                first[text.request] = answer
                continue
            repeats = self._groups[key.agent, key.provider, key.model, temperature_of(text.parameters)]
            part = int(call.start_ns >= self.past.middle_ns)
            repeats.n[part] += 1
            repeats.same[part] += answer is not None and answer == first[text.request]
            repeats.daily.add(call.start_ns, call.usd)
            repeats.traces.append(call.trace_id)

    def _judged(self, group: _Group, repeats: _Repeats) -> Finding | Withheld:
        agent, provider, model, temperature = group
        n = sum(repeats.n)
        scope = {"agent": agent or "no agent", "model": model or "no model", "temperature": temperature}
        title = f"{agent or 'no agent'}, {model or 'no model'}: ask once what is asked again within an hour"
        saved = saving(repeats.daily, self.past, what="repeats")
        reason = saved.problem or _difference(repeats)
        if reason is not None or saved.check is None:
            return Withheld(kind=NAME, title=title, scope=scope, n=n, of="repeats", reason=reason or "")
        whole = wilson(sum(repeats.same), n)
        return Finding(
            kind=NAME,
            title=title,
            scope=scope,
            n=n,
            of="repeats",
            estimate=saved.estimate,
            unit="usd_per_30_days",
            evidence=evidence({"agent": agent, "provider": provider, "model": model}, repeats.traces),
            how=(
                "Ask only once there is something new: skip a round whose last closed bar is that of the round before.",
                "Or keep the reply by its messages and parameters for as long as the data in them holds.",
            ),
            check=saved.check,
            details=(
                f"{n:,} requests repeated an earlier one within an hour, word for word and with the same parameters "
                f"(temperature {temperature}); {whole.value or 0:.1%} ({whole.low or 0:.1%} to {whole.high or 0:.1%}) "
                "got its answer again.",
            ),
        )


def _call(call: CallFact) -> _Call:
    return _Call(call.start_ns, Place(call.seq, call.span_id), call.trace_id, (call.cost_nano or 0) / 1e9, call.vote)


def _order(key: _Key, call: _Call) -> bytes:
    return hashlib.blake2b(f"{key}/{call.place.span_id}".encode(errors="surrogatepass"), digest_size=8).digest()


def _difference(repeats: _Repeats) -> str | None:
    """Return why the first answer may not stand for the later ones; None where it may."""
    first, second = (wilson(same, n) for same, n in zip(repeats.same, repeats.n, strict=True))
    if (first.value or 0.0) < SAME:
        return f"the repeats get other answers: {first.value or 0:.0%} of {repeats.n[0]:,} were the same at first"
    if (second.low or 0.0) < SAME_LATER:
        return (
            f"failed the back-check: {second.value or 0:.0%} of {repeats.n[1]:,} later repeats got the same answer, "
            f"which may be {second.low or 0:.0%}"
        )
    return None


def _answer(text: Texts) -> str | None:
    return None if text.output is None else " ".join(text.output.split())


def temperature_of(parameters: str) -> str:
    """Return the temperature that a call's parameters set; `not set` leaves it to the provider."""
    try:
        values: Any = orjson.loads(parameters) if parameters else {}
    except ValueError:
        return "unknown"
    value = values.get("temperature") if isinstance(values, dict) else None
    return "not set" if value is None else str(value)
