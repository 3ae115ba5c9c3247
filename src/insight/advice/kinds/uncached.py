"""Find prompts that begin similar, at length and often, without that beginning being read from the provider's cache."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from typing_extensions import override

from src.insight.advice.amounts import FEWEST, Daily, saving
from src.insight.advice.cache_rules import CacheRule, rule_of
from src.insight.advice.finding import Finding, NewestCalls, Withheld, evidence, results_of
from src.insight.advice.past import Search
from src.insight.advice.texts import texts_at
from src.insight.facts.day_columns import NONE
from src.insight.facts.extremes import Mark
from src.insight.facts.rows import number_of_id
from src.judging.statistics import wilson
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.insight.advice.finding import Results
    from src.insight.advice.past import Past
    from src.insight.facts.call_columns import Calls
    from src.judging.statistics import Interval

NAME: Final = "uncached"
SHARE: Final = 0.9  # of the prompts must begin so, at 95% also in the second part of the past
_MOST_OF_A_GROUP: Final = 120  # texts, half of them of each part of the past
_LOOKED_AT: Final = 1_000  # characters by which prompts that begin otherwise are told apart
_MARGIN: Final = 0.9  # of the tokens that a beginning is estimated to have
_NS: Final = 1_000_000_000
_ENDS: Final = ("\\n", ". ", '"}')  # of a line, a sentence, a message


@dataclass(slots=True)
class _Long:
    """The calls of a group with prompts long enough to be cached: arrays by day, and the last few of the calls."""

    parts: list[tuple[Any, ...]] = field(default_factory=list)
    n: int = 0
    newest: NewestCalls = field(default_factory=NewestCalls)

    def joined(self) -> LongCalls:
        """Return all of them, in the order of their starts."""
        import numpy

        columns = [numpy.concatenate(column) for column in zip(*self.parts, strict=True)]
        order = numpy.lexsort(columns[::-1])
        return LongCalls(*(column[order] for column in columns))


class LongCalls(NamedTuple):
    """Calls in the order of their starts: arrays of one length; `span` has the numbers of their ids."""

    start_ns: Any
    end_ns: Any
    input_tokens: Any
    cached_tokens: Any
    span: Any


class _Group(NamedTuple):
    """Calls that may begin similar."""

    agent: str | None
    provider: str | None
    model: str | None
    prompt: str | None


class Beginning(NamedTuple):
    """How prompts begin, as the first part of the past has it.

    Attributes:
        text: The beginning.
        tokens: About how many tokens it has: its share of the prompts' characters.
        n: Of how many prompts of the first part it was learnt.
        share: The share of prompts of the second part that begin so.
        n_second: Of how many prompts of the second part that is.
    """

    text: str
    tokens: float
    n: int
    share: Interval
    n_second: int


class Uncached(Search):
    """Learns how prompts begin from samples, and plays the provider's cache over the times of all calls."""

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._calls: defaultdict[_Group, _Long] = defaultdict(_Long)
        self._unknown: Counter[str] = Counter()
        self._texts_left = past.most_texts
        self._textless = 0

    @override
    def calls(self, calls: Calls) -> None:
        import numpy

        is_fit = (calls["error"] == 0) & (calls["input_tokens"] != NONE)
        # What is written to a cache is marked already.
        is_open = (calls["cached_tokens"] != NONE) & (
            (calls["written_tokens"] == NONE) | (calls["written_tokens"] == 0)
        )
        for (provider, model), rows in calls.groups(("provider", "model"), numpy.flatnonzero(is_fit)):
            rule = rule_of(provider, model)
            if rule is None:
                self._unknown[provider or "no provider"] += len(rows) * (provider not in ("local", "ollama"))
                continue
            long = rows[is_open[rows] & (calls["input_tokens"][rows] >= rule.least_tokens)]
            for (agent, prompt), own in calls.groups(("agent", "prompt_name"), long):
                group = self._calls[_Group(agent, provider, model, prompt)]
                starts = calls["start_ns"][own]
                numbers = [calls[name][own] for name in ("input_tokens", "cached_tokens", "span")]
                group.parts.append((starts, starts + calls["duration_us"][own] * 1_000, *numbers))
                group.n += len(own)
                group.newest.add(calls, own)

    @override
    def results(self) -> Results:
        items = []
        skipped = 0
        for group, calls in sorted(self._calls.items(), key=lambda item: (-item[1].n, str(item[0]))):
            if calls.n < FEWEST:
                continue
            if self._texts_left < _MOST_OF_A_GROUP:
                skipped += 1
                continue
            self._texts_left -= _MOST_OF_A_GROUP
            item = self._judged(group, calls.joined())
            if item is not None:
                items.append(item)
        remarks = [
            f"How {provider} caches prompts is not known here: {counted(n, 'calls were', 'call was')} not looked at."
            for provider, n in self._unknown.most_common(3)
            if n
        ]
        if self._textless:
            remarks.append(
                counted(self._textless, "calls with long prompts have", "call with a long prompt has")
                + " no recorded texts (MOONDEV_CAPTURE)."
            )
        if skipped:
            remarks.append(
                f"Not looked at: {counted(skipped, 'smaller groups')} of prompts; --texts sets how many are read."
            )
        return results_of(items, remarks=remarks)

    def _judged(self, group: _Group, calls: LongCalls) -> Finding | Withheld | None:
        rule = rule_of(group.provider, group.model)
        beginning = self._beginning(calls)
        if rule is None or beginning is None or beginning.tokens * _MARGIN < rule.least_tokens:
            return None
        scope = {name: value for name, value in group._asdict().items() if value}
        title = f"{group.agent or 'no agent'}, {group.model}: cache the beginning that its prompts share"
        n = len(calls.start_ns)
        share = int(calls.cached_tokens.sum()) / (beginning.tokens * n)
        rates = self.past.today.rates(group.provider, group.model, int(calls.input_tokens[0])) or {}
        reason: str | None = None
        result = None
        if not rule.is_marked:
            reason = (
                f"its prompts begin with about {beginning.tokens:,.0f} equal tokens, {min(share, 1):.0%} of which came "
                "from the cache. This provider caches by itself, and the past cannot tell what would make it do so "
                "more often: try `prompt_cache_key=` and equal parts first"
            )
        elif (beginning.share.low or 0.0) < SHARE:
            reason = (
                f"failed the back-check: {beginning.share.value or 0:.0%} of {beginning.n_second:,} later prompts "
                f"begin as the first ones did, which may be {beginning.share.low or 0:.0%}"
            )
        elif "input_cached_tokens" not in rates or "input_cache_creation" not in rates:
            reason = "the price of its cache is not known"
        else:
            daily, reads = played(calls, rule, beginning, rates)
            result = saving(daily, self.past)
            reason = result.problem
        if reason is not None or result is None or result.check is None:
            return Withheld(kind=NAME, title=title, scope=scope, n=n, of="calls", reason=reason or "")
        return Finding(
            kind=NAME,
            title=title,
            scope=scope,
            n=n,
            of="calls",
            estimate=result.estimate,
            unit="usd_per_30_days",
            evidence=evidence(
                {"agent": group.agent, "provider": group.provider, "model": group.model},
                self.past.traces(self._calls[group].newest.marks),
            ),
            how=_how(beginning),
            check=result.check,
            details=_details(beginning, rule, n, reads, share),
        )

    def _beginning(self, calls: LongCalls) -> Beginning | None:
        """Return how the prompts of the first part begin, and how many of the second do; None where they differ."""
        middle, n = int((calls.start_ns < self.past.middle_ns).sum()), len(calls.start_ns)
        samples = [_spread(part, _MOST_OF_A_GROUP // 2) for part in (range(middle), range(middle, n))]
        texts = [self._texts(calls, sample) for sample in samples]
        learnt = [(int(calls.input_tokens[place]), text) for place, text in texts[0].items()]
        if not learnt or not texts[1]:
            self._textless += n if all(samples) else 0
            return None
        heads = Counter(text[:_LOOKED_AT] for _, text in learnt)
        head, count = heads.most_common(1)[0]
        if count < SHARE * len(learnt):
            return None
        similar = [(count, text) for count, text in learnt if text.startswith(head)]
        beginning = whole_lines(common_beginning([text for _, text in similar]))
        tokens = statistics.median(count * len(beginning) / len(text) for count, text in similar)
        later = texts[1].values()
        begin_so = sum(text.startswith(beginning) for text in later)
        return Beginning(beginning, tokens, len(similar), wilson(begin_so, len(later)), len(later))

    def _texts(self, calls: LongCalls, sample: Sequence[int]) -> dict[int, str]:
        """Return the prompts of the calls at some places, by these; those without texts, or that are gone, lack."""
        marks = {place: Mark(int(calls.start_ns[place]), int(calls.span[place])) for place in sample}
        of_spans = {number_of_id(row.span_id): row for row in self.past.reader.located(marks.values())}
        texts = dict(texts_at(self.past.store, list(of_spans.values())))
        rows = ((place, of_spans.get(mark.span)) for place, mark in marks.items())
        return {place: texts[row.span_id].input for place, row in rows if row is not None and row.span_id in texts}


def common_beginning(texts: Sequence[str]) -> str:
    """Return the longest text that all of some texts begin with."""
    least, greatest = min(texts), max(texts)  # what these two share, those between them share too
    for place, (sign, other) in enumerate(zip(least, greatest, strict=False)):
        if sign != other:
            return least[:place]
    return least


def whole_lines(beginning: str) -> str:
    """Return a beginning up to its last whole line, sentence or message, as JSON writes them.

    What follows is equal by chance: the month of a date, the first digits of a price.
    """
    end = max(beginning.rfind(mark) + len(mark) for mark in _ENDS if mark in beginning or mark == _ENDS[0])
    return beginning[:end] if 2 * end > len(beginning) else beginning


def _spread(places: Sequence[int], most: int) -> Sequence[int]:
    """Return at most so many of the places, evenly over them."""
    if len(places) <= most:
        return places
    return [places[number * len(places) // most] for number in range(most)]


def played(calls: LongCalls, rule: CacheRule, beginning: Beginning, rates: dict[str, float]) -> tuple[Daily, int]:
    """Return what a cache would have saved by day, what it costs to write to included, and how often it is read.

    A beginning can be read once the call that wrote it has ended, and for the provider's lifetime after its last use.
    It is taken for a tenth shorter than it seems to be, and as often as is certain at 95%.
    """
    import numpy

    tokens, share = beginning.tokens * _MARGIN, beginning.share.low or 0.0
    saved = share * tokens * (rates["input"] - rates["input_cached_tokens"])
    extra = share * beginning.tokens * (rates["input_cache_creation"] - rates["input"])
    # Every call uses the beginning or writes it, so it is lost where two calls lie further apart than its lifetime; the
    # next one then writes it again.
    is_lost = numpy.diff(calls.start_ns, prepend=calls.start_ns[0]) > rule.lifetime_s * _NS
    is_lost[0] = True
    places = numpy.arange(len(is_lost))
    writers = numpy.maximum.accumulate(numpy.where(is_lost, places, 0))
    is_read = ~is_lost & (calls.start_ns >= calls.end_ns[writers])
    new_share = 1 - numpy.minimum(calls.cached_tokens / tokens, 1.0)
    daily = Daily()
    daily.add_all(calls.start_ns, numpy.where(is_read, saved * new_share, -extra))
    return daily, int(is_read.sum())


def _how(beginning: Beginning) -> tuple[str, ...]:
    return (
        "Mark where the equal beginning ends: make its last part the first of the user's content, "
        '`[{"type": "text", "text": EQUAL, "cache_control": {"type": "ephemeral"}}, the rest]`. What stands before the '
        "mark, the system prompt included, is cached with it.",
        "A client that stays an SDK's, under `ModelFactory.traced`, takes `cache_control` on the same block.",
        f"Keep what changes (times, prices) behind it. As recorded, the equal beginning has {len(beginning.text):,} "
        "characters.",
    )


def _details(beginning: Beginning, rule: CacheRule, n: int, reads: int, share: float) -> tuple[str, ...]:
    return (
        f"About {beginning.tokens:,.0f} tokens at the beginning are equal, in {beginning.n:,} prompts that were read "
        f"of the first part of the past and {beginning.share.value or 0:.0%} of {beginning.n_second:,} of the second. "
        f"Tokens are estimated by characters and counted a tenth lower. {min(share, 1):.0%} of them came from a cache.",
        f"Of {n:,} calls {reads:,} would have read the cache: they began after the one that wrote it had ended, within "
        f"{rule.lifetime_s // 60} minutes of its last use; the others would have paid to write it.",
        f"At least {rule.least_tokens:,} tokens are cached ({rule.source}, as quoted on {rule.checked_on}), at today's "
        "prices.",
    )
