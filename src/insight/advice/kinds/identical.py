"""Find requests that were sent again, word for word, within an hour, and got the same answer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from typing_extensions import override

from src.insight.advice.amounts import Daily, saving
from src.insight.advice.finding import Finding, Withheld, evidence, newest_traces, results_of
from src.insight.advice.past import Search
from src.insight.advice.texts import texts_at
from src.insight.facts.day_columns import NONE, groups_of
from src.insight.facts.extremes import Mark
from src.insight.facts.rows import number_of_id
from src.insight.facts.schema import NANO
from src.judging.statistics import wilson

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator, Sequence

    from src.insight.advice.finding import Results
    from src.insight.advice.past import Past
    from src.insight.advice.texts import Texts
    from src.insight.facts.call_columns import Calls

NAME: Final = "identical"
WINDOW_NS: Final = 3_600 * 1_000_000_000
SAME: Final = 0.95  # of the repeats, in the first part of the past; the second must not be below 0.9 at 95%
SAME_LATER: Final = 0.9


# What identical requests have in common without a look at their texts.
_KEY: Final = ("agent", "provider", "model", "input_tokens")


class _Units(NamedTuple):
    """Calls of one day that may be repeats, those of one hour and key beside one another in the order of their starts.

    Attributes:
        calls: The calls.
        starts: Where each unit, the calls of one hour and key, begins among them; and where the last one ends.
    """

    calls: Calls
    starts: Any

    def __len__(self) -> int:
        """Return how many units there are."""
        return len(self.starts) - 1


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
        self._units: list[_Units] = []
        self._groups: defaultdict[_Group, _Repeats] = defaultdict(_Repeats)

    @override
    def calls(self, calls: Calls) -> None:
        """Keep those calls that have the model and the number of tokens of another one of their hour."""
        import numpy

        costs = calls["cost_nano"]
        is_fit = (calls["error"] == 0) & (costs != NONE) & (costs != 0) & (calls["input_tokens"] != NONE)
        rows = numpy.flatnonzero(is_fit)
        if not len(rows):
            return
        hours = calls["start_ns"][rows] // WINDOW_NS
        _, places = groups_of([hours, *(calls[name][rows] for name in _KEY)], len(rows))
        counts = numpy.bincount(places)
        may_repeat = counts[places] > 1
        order = numpy.argsort(places[may_repeat], kind="stable")
        ends = numpy.cumsum(counts[counts > 1])
        if len(ends):
            self._units.append(_Units(calls.take(rows[may_repeat][order]), numpy.concatenate([[0], ends])))

    @override
    def results(self) -> Results:
        candidates, looked_at = sum(len(units.calls) for units in self._units), 0
        for units, number in _in_random_order(self._units):
            start, end = units.starts[number : number + 2].tolist()
            if looked_at + end - start > self.past.most_texts:
                break
            looked_at += end - start
            self._compare(units.calls.take(slice(start, end)))
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

    def _compare(self, calls: Calls) -> None:
        """Count the repeats among calls of one hour and key, by what they asked and what they were answered."""
        marks = list(map(Mark, calls["start_ns"].tolist(), calls["span"].tolist()))
        places = {number_of_id(place.span_id): place for place in self.past.reader.located(marks)}
        texts = dict(texts_at(self.past.store, list(places.values())))
        agent, provider, model = (calls.text(int(calls[name][0])) for name in _KEY[:3])
        first: dict[bytes, str | None] = {}
        for mark, vote, nano in zip(marks, calls["vote"].tolist(), calls["cost_nano"].tolist(), strict=True):
            place = places.get(mark.span)
            text = None if place is None else texts.get(place.span_id)
            if place is None or text is None:
                self._textless += 1
                continue
            answer = calls.text(vote) or _answer(text)
            if text.request not in first:
                first[text.request] = answer
                continue
            repeats = self._groups[agent, provider, model, temperature_of(text.parameters)]
            part = int(mark.start_ns >= self.past.middle_ns)
            repeats.n[part] += 1
            repeats.same[part] += answer is not None and answer == first[text.request]
            repeats.daily.add(mark.start_ns, nano / NANO)
            repeats.traces.append(place.trace_id)

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


def _in_random_order(parts: Sequence[_Units]) -> Iterator[tuple[_Units, int]]:
    """Yield units, each the place of one among those of its day, in an order that has nothing to do with time.

    So a part of them is a sample of the whole past. The order is that of a hash of their first calls' ids.
    """
    import numpy

    if not parts:
        return
    first = numpy.concatenate([units.calls["span"][units.starts[:-1]] for units in parts]).astype("uint64")
    of_part = numpy.repeat(numpy.arange(len(parts)), [len(units) for units in parts])
    of_unit = numpy.concatenate([numpy.arange(len(units)) for units in parts])
    # The mixing of SplitMix64 (Steele, Lea, Flood 2014), for ids that are not random themselves.
    mixed = first + numpy.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    for place in numpy.argsort(mixed ^ (mixed >> numpy.uint64(31)), kind="stable"):
        yield parts[of_part[place]], int(of_unit[place])


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
