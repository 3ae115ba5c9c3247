"""Find prompts that begin similar, at length and often, without that beginning being read from the provider's cache."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from typing_extensions import override

from src.insight.advice.amounts import FEWEST, Daily, saving
from src.insight.advice.cache_rules import CacheRule, rule_of
from src.insight.advice.finding import Finding, Withheld, evidence, newest_traces, results_of
from src.insight.advice.past import Search
from src.insight.advice.texts import Place, texts_at
from src.judging.statistics import wilson

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from src.insight.advice.finding import Results
    from src.insight.advice.past import Past
    from src.insight.facts.records import CallFact
    from src.judging.statistics import Interval

NAME: Final = "uncached"
SHARE: Final = 0.9  # of the prompts must begin so, at 95% also in the second part of the past
_MOST_OF_A_GROUP: Final = 120  # texts, half of them of each part of the past
_LOOKED_AT: Final = 1_000  # characters by which prompts that begin otherwise are told apart
_MARGIN: Final = 0.9  # of the tokens that a beginning is estimated to have
_NS: Final = 1_000_000_000
_ENDS: Final = ("\\n", ". ", '"}')  # of a line, a sentence, a message


class _Call(NamedTuple):
    """One call with a prompt long enough to be cached."""

    start_ns: int
    end_ns: int
    input_tokens: int
    cached_tokens: int
    place: Place


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
        self._calls: defaultdict[_Group, list[_Call]] = defaultdict(list)
        self._traces: defaultdict[_Group, deque[str]] = defaultdict(newest_traces)
        self._unknown: Counter[str] = Counter()
        self._texts_left = past.most_texts
        self._textless = 0

    @override
    def call(self, call: CallFact) -> None:
        rule = rule_of(call.provider, call.model)
        if call.error or call.input_tokens is None:
            return
        if rule is None:
            self._unknown[call.provider or "no provider"] += call.provider not in ("local", "ollama")
            return
        if call.input_tokens < rule.least_tokens or call.cached_tokens is None or call.written_tokens:
            return  # what is written to a cache is marked already
        group = _Group(call.agent, call.provider, call.model, call.prompt_name)
        self._traces[group].append(call.trace_id)
        self._calls[group].append(
            _Call(call.start_ns, call.start_ns + call.duration_us * 1_000, call.input_tokens, call.cached_tokens,
                  Place(call.seq, call.span_id))
        )  # fmt: skip

    @override
    def results(self) -> Results:
        items = []
        skipped = 0
        for group, calls in sorted(self._calls.items(), key=lambda item: (-len(item[1]), str(item[0]))):
            if len(calls) < FEWEST:
                continue
            if self._texts_left < _MOST_OF_A_GROUP:
                skipped += 1
                continue
            self._texts_left -= _MOST_OF_A_GROUP
            item = self._judged(group, sorted(calls))
            if item is not None:
                items.append(item)
        remarks = [
            f"How {provider} caches prompts is not known here: {n:,} calls were not looked at."
            for provider, n in self._unknown.most_common(3)
            if n
        ]
        if self._textless:
            remarks.append(f"{self._textless:,} calls with long prompts have no recorded texts (MOONDEV_CAPTURE).")
        if skipped:
            remarks.append(f"{skipped:,} smaller groups of prompts were not looked at: --texts sets how many are read.")
        return results_of(items, remarks=remarks)

    def _judged(self, group: _Group, calls: Sequence[_Call]) -> Finding | Withheld | None:
        rule = rule_of(group.provider, group.model)
        beginning = self._beginning(calls)
        if rule is None or beginning is None or beginning.tokens * _MARGIN < rule.least_tokens:
            return None
        scope = {name: value for name, value in group._asdict().items() if value}
        title = f"{group.agent or 'no agent'}, {group.model}: cache the beginning that its prompts share"
        share = sum(call.cached_tokens for call in calls) / (beginning.tokens * len(calls))
        rates = self.past.today.rates(group.provider, group.model, calls[0].input_tokens) or {}
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
            return Withheld(kind=NAME, title=title, scope=scope, n=len(calls), of="calls", reason=reason or "")
        return Finding(
            kind=NAME,
            title=title,
            scope=scope,
            n=len(calls),
            of="calls",
            estimate=result.estimate,
            unit="usd_per_30_days",
            evidence=evidence(
                {"agent": group.agent, "provider": group.provider, "model": group.model},
                self._traces[group],
            ),
            how=_how(beginning),
            check=result.check,
            details=_details(beginning, rule, len(calls), reads, share),
        )

    def _beginning(self, calls: Sequence[_Call]) -> Beginning | None:
        """Return how the prompts of the first part begin, and how many of the second do; None where they differ."""
        parts: tuple[list[_Call], list[_Call]] = ([], [])
        for call in calls:
            parts[int(call.start_ns >= self.past.middle_ns)].append(call)
        samples = [_spread(part, _MOST_OF_A_GROUP // 2) for part in parts]
        texts = [dict(texts_at(self.past.store, [call.place for call in sample])) for sample in samples]
        learnt = [(call, texts[0][call.place.span_id].input) for call in samples[0] if call.place.span_id in texts[0]]
        if not learnt or not texts[1]:
            self._textless += len(calls) if all(samples) else 0
            return None
        heads = Counter(text[:_LOOKED_AT] for _, text in learnt)
        head, count = heads.most_common(1)[0]
        if count < SHARE * len(learnt):
            return None
        similar = [(call, text) for call, text in learnt if text.startswith(head)]
        beginning = whole_lines(common_beginning([text for _, text in similar]))
        tokens = statistics.median(call.input_tokens * len(beginning) / len(text) for call, text in similar)
        later = [item.input for item in texts[1].values()]
        begin_so = sum(text.startswith(beginning) for text in later)
        return Beginning(beginning, tokens, len(similar), wilson(begin_so, len(later)), len(later))


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


def _spread(calls: Sequence[_Call], most: int) -> list[_Call]:
    """Return at most so many of the calls, evenly over them."""
    if len(calls) <= most:
        return list(calls)
    return [calls[place * len(calls) // most] for place in range(most)]


def played(calls: Sequence[_Call], rule: CacheRule, beginning: Beginning, rates: dict[str, float]) -> tuple[Daily, int]:
    """Return what a cache would have saved by day, what it costs to write to included, and how often it is read.

    A beginning can be read once the call that wrote it has ended, and for the provider's lifetime after its last use.
    It is taken for a tenth shorter than it seems to be, and as often as is certain at 95%.
    """
    tokens, share = beginning.tokens * _MARGIN, beginning.share.low or 0.0
    saved = share * tokens * (rates["input"] - rates["input_cached_tokens"])
    extra = share * beginning.tokens * (rates["input_cache_creation"] - rates["input"])
    daily, reads = Daily(), 0
    usable_ns = expires_ns = -1
    for call in calls:
        already = min(call.cached_tokens / tokens, 1.0)
        if usable_ns >= 0 and usable_ns <= call.start_ns <= expires_ns:
            reads += 1
            daily.add(call.start_ns, saved * (1 - already))
        else:
            daily.add(call.start_ns, -extra)
            if call.start_ns > expires_ns:
                usable_ns = call.end_ns
        expires_ns = max(expires_ns, call.start_ns + rule.lifetime_s * _NS)
    return daily, reads


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
