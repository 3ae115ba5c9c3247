"""Read decisions out of recorded calls by rules; whatever is not beyond doubt is none, with its reason."""

from __future__ import annotations

import json
import math
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.agents.market.symbols import same_symbol
from src.judging.rules.definitions import ACTIONS
from src.judging.rules.patterns import LONGEST_TEXT
from src.observability.ledger import are_in_order, book_of, misleading, parse_horizons
from src.observability.store.ledger_records import DecisionRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from src.judging.rules.definitions import Rule, Rules
    from src.observability.ledger.recorded_calls import RecordedCall

FAILED: Final = "the call failed"
BACKTEST: Final = "it belongs to a back-test"
HAS_DECISION: Final = "its run wrote its own decision"
NO_TEXTS: Final = "its texts were not recorded"
NO_REPLY: Final = "it has no reply"
TOO_LONG: Final = f"it is longer than {LONGEST_TEXT:,} characters"
OTHER_QUESTION: Final = "no rule is about its question"
NO_MATCH: Final = "the reply does not match"
AMBIGUOUS: Final = "the reply says two things"
NO_SYMBOL: Final = "its market is not known"
TWO_SYMBOLS: Final = "it names several markets"
TWO_VALUES: Final = "its prompt says two things"
NO_ACTION: Final = "the action is none of the rule's"
WRONG_SIDE: Final = "its target or stop lies on the wrong side"
BAD_NUMBER: Final = "a number in it cannot be"
LOOKS_ALIKE: Final = "its symbol has letters that look like others"

_NAMESPACE: Final = uuid.UUID("8f2f3a0e-93c5-4f5c-8ac6-2f0b3a1d7f54")
_QUOTED: Final = re.compile(r"[-/_:]|(?<=[A-Z0-9])(?:USDT|USDC|USD|EUR|PERP)$")
_LONG_ADDRESS: Final = 26  # an address of a token has no quote; tickers are shorter
_NUMBER: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a call says: a decision by a rule, or why there is none."""

    call: RecordedCall
    rule: Rule | None = None
    decision: DecisionRecord | None = None
    reason: str | None = None


class _NoDecision(Exception):
    """A call is no decision; its text is the reason."""


def decision_id(call: RecordedCall) -> str:
    """Return the id of the decision that a call may be: always the same."""
    return uuid.uuid5(_NAMESPACE, f"{call.trace_id}/{call.observation_id}").hex


def read_page(calls: Sequence[RecordedCall], rules: Rules, deciding: frozenset[bytes]) -> list[Reading]:
    """Return what each call says, in their order.

    Args:
        calls: The calls.
        rules: The rules.
        deciding: The traces that wrote decisions themselves.
    """
    readings: dict[str, Reading] = {}
    open_calls: list[RecordedCall] = []
    for call in calls:
        reason = _unusable(call, deciding)
        if reason is None:
            open_calls.append(call)
        else:
            readings[decision_id(call)] = Reading(call=call, reason=reason)
    for rule in rules.rules:
        own = [call for call in open_calls if call.agent in rule.agents]
        for reading in _by_rule(own, rule):
            readings[decision_id(reading.call)] = reading
        open_calls = [call for call in open_calls if decision_id(call) not in readings]
    for call in open_calls:
        readings[decision_id(call)] = Reading(call=call, reason=OTHER_QUESTION)
    return [readings[decision_id(call)] for call in calls]


def _unusable(call: RecordedCall, deciding: frozenset[bytes]) -> str | None:
    """Return why a call can be no decision whatever it says."""
    if bytes.fromhex(call.trace_id) in deciding:
        return HAS_DECISION
    if call.environment == "backtest":
        return BACKTEST
    if call.failure is not None:
        return FAILED
    if not call.has_texts:
        return NO_TEXTS
    if not call.reply or not call.reply.strip():
        return NO_REPLY
    return TOO_LONG if max(map(len, (call.reply, call.prompt, call.system))) > LONGEST_TEXT else None


def _by_rule(calls: Sequence[RecordedCall], rule: Rule) -> Iterator[Reading]:
    """Yield what the calls say that a rule is about."""
    if not calls:
        return
    system = rule.system.search([call.system for call in calls]) if rule.system else [{}] * len(calls)
    prompt = rule.prompt.search([call.prompt for call in calls]) if rule.prompt else [{}] * len(calls)
    rows = [row for row in zip(calls, system, prompt, strict=True) if row[1] is not None and row[2] is not None]
    replies = [call.reply or "" for call, _, _ in rows]
    matches = rule.reply.whole(replies)
    doubts = rule.unless.search(replies) if rule.unless else [None] * len(rows)
    stated = rule.confidence.search(replies) if rule.confidence else [None] * len(rows)
    for (call, of_system, of_prompt), groups, doubt, confidence in zip(rows, matches, doubts, stated, strict=True):
        reason = NO_MATCH if groups is None else AMBIGUOUS if doubt is not None else None
        if groups is None or reason is not None:
            yield Reading(call=call, rule=rule, reason=reason)
            continue
        try:
            values = _Values(groups, (of_system or {}, of_prompt or {}), confidence)
            yield Reading(call=call, rule=rule, decision=_decision(call, rule, values))
        except _NoDecision as error:
            yield Reading(call=call, rule=rule, reason=str(error))


@dataclass(frozen=True, slots=True)
class _Values:
    """What the groups of a rule's patterns say of one call."""

    reply: Mapping[str, str]
    questions: tuple[Mapping[str, frozenset[str]], ...]
    confidences: Mapping[str, frozenset[str]] | None

    def asked(self, name: str) -> str | None:
        """Return what the prompts say of a group; None where they say nothing."""
        values = frozenset().union(*(groups.get(name, frozenset()) for groups in self.questions))
        if len(values) > 1:
            raise _NoDecision(TWO_SYMBOLS if name == "symbol" else TWO_VALUES)
        return next(iter(values), None)

    def text(self, name: str) -> str | None:
        """Return what the reply says of a group, or else the prompts."""
        return self.reply.get(name) or self.asked(name)

    def number(self, name: str) -> float | None:
        """Return a price above 0; None where it is not stated."""
        text = self.text(name)
        if text is None:
            return None
        value = _number(text)
        if value is None or value <= 0:
            raise _NoDecision(BAD_NUMBER)
        return value


def _decision(call: RecordedCall, rule: Rule, values: _Values) -> DecisionRecord:
    horizons = parse_horizons(rule.horizons)
    symbol, action = _symbol(call, rule, values), _action(rule, values)
    price, target, stop = (values.number(name) for name in ("price", "target", "stop"))
    if not are_in_order(action, price, target, stop):
        raise _NoDecision(WRONG_SIDE)
    return DecisionRecord(
        id=decision_id(call),
        time_ns=call.end_ns,
        as_of_ns=call.end_ns,  # whatever it saw was there by then, and no trade can begin before
        symbol=symbol,
        action=action,
        confidence=_confidence(rule, values),
        price=price,
        target=target,
        stop=stop,
        venue=rule.venue,
        timeframe=rule.timeframe,
        horizons=rule.horizons,
        agent=call.agent,
        prompt_name=call.prompt_name or rule.name,
        prompt_version=call.prompt_version,
        models=json.dumps([call.model]),
        environment=call.environment,
        book=book_of(call.end_ns, call.end_ns, horizons),
        trace_id=call.trace_id,
        observation_id=call.observation_id,
        session_id=call.session_id,
        cost_usd=call.cost_usd,
        cost_unknown=call.cost_unknown,
        derived=True,
        metadata=json.dumps({"rule": rule.name, "rule_digest": rule.digest}),
    )


def _action(rule: Rule, values: _Values) -> str:
    word = " ".join(values.reply["action"].split()).upper()
    action = rule.actions.get(word)
    if action is not None and action.startswith("$"):
        action = (values.text(action[1:]) or "").strip().upper()
    if action not in ACTIONS:
        raise _NoDecision(NO_ACTION)
    return action


def _confidence(rule: Rule, values: _Values) -> float | None:
    """Return the confidence in percent; None where the reply states none, or several."""
    text = values.reply.get("confidence")
    if not text and values.confidences is not None:
        candidates = values.confidences["confidence"]
        text = next(iter(candidates)) if len(candidates) == 1 else None
    if not text:
        return None
    value = _number(text)
    is_share = value is not None and 0 < value < 1 < rule.confidence_of  # 0.85 means 85%, not 0.85%
    if value is None or is_share or value > rule.confidence_of:
        raise _NoDecision(BAD_NUMBER)
    return round(100 * value / rule.confidence_of, 6)


def _number(text: str) -> float | None:
    """Return a plain number with a decimal point, commas at its thousands allowed; None for anything else."""
    match = _NUMBER.fullmatch(text.strip())
    value = float(match[0].replace(",", "")) if match else math.nan
    return value if math.isfinite(value) else None


def _symbol(call: RecordedCall, rule: Rule, values: _Values) -> str:
    """Return the market: that of the reply, the record, the prompt or the rule, where none contradicts another."""
    names = [values.reply.get("symbol"), *call.symbols, values.asked("symbol"), rule.symbol]
    symbols = [name.strip() for name in names if name and name.strip()]
    if not symbols:
        raise _NoDecision(NO_SYMBOL)
    whole = next((symbol for symbol in symbols if _QUOTED.search(symbol.upper())), None)
    symbol = whole or symbols[0]
    if not all(_is_one_market(symbol, other) for other in symbols):
        raise _NoDecision(TWO_SYMBOLS)
    if misleading(symbol) is not None:
        raise _NoDecision(LOOKS_ALIKE)
    if whole is not None or rule.quote is None or len(symbol) >= _LONG_ADDRESS:
        return symbol
    return f"{symbol}-{rule.quote}"


def _is_one_market(first: str, second: str) -> bool:
    """Tell whether two names are of one market, as they are written or by what is traded: BTC and BTC-USD."""
    if same_symbol(first, second):
        return True
    bases = [_QUOTED.split(symbol.upper(), maxsplit=1)[0] for symbol in (first, second)]
    is_bare = [not _QUOTED.search(symbol.upper()) for symbol in (first, second)]
    return any(is_bare) and bases[0] == bases[1]
