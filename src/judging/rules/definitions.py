r"""Read rules files: which agents decide, and how their replies say what.

A file is TOML, with a table for each rule:

    [[rule]]
    name = "whale"
    agent = "whale_agent"
    prompt = 'Analyze (?P<symbol>BTC) with'
    reply = '(?P<action>BUY|SELL|NOTHING)\n[^\n]+\nConfidence: (?P<confidence>\d{1,3})%\s*'
    horizon = "4h,24h"
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from src.judging.rules.patterns import Pattern, PatternError
from src.observability.ledger import HorizonError, parse_horizons

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIPPED: Final = Path(__file__).with_name("public_checkout.toml")
ACTIONS: Final = ("BUY", "SELL", "NOTHING")
_GROUPS: Final = frozenset({"action", "confidence", "symbol", "price", "target", "stop"})
_PATTERNS: Final = ("system", "prompt", "reply", "unless", "confidence")
_TEXTS: Final = ("name", "symbol", "quote", "horizon", "venue", "timeframe")
_KEYS: Final = frozenset({*_PATTERNS, *_TEXTS, "agent", "actions", "confidence_of"})
_MOST_RULES: Final = 1_000
_LARGEST_FILE: Final = 1_000_000  # bytes


class RulesError(ValueError):
    """A rules file cannot be used; the message names the file, the rule, the key and what to write."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the decisions of some agents are read.

    Attributes:
        name: Its name; each rule of a file has another.
        agents: The agents' names.
        reply: What the whole reply must be; its groups say what was decided.
        system: What the system messages must hold, for the rule to be about the call.
        prompt: The same of the user's messages; its groups say what the reply does not.
        unless: What makes a reply ambiguous wherever it stands.
        confidence: Where in the reply the confidence stands, if not in `reply`.
        confidence_of: The number that is full confidence: 100, or 1 where it is a fraction.
        actions: What each word for an action means: BUY, SELL, NOTHING, or `$group` for what a group says.
        symbol: The market, where it is always the same.
        quote: What a symbol without a quote is priced in: BTC becomes BTC-USD.
        horizons: After how long it is judged.
        venue: The exchange.
        timeframe: The length of the bars that it sees.
        digest: Digits of the SHA-256 of all this.
    """

    name: str
    agents: tuple[str, ...]
    reply: Pattern
    system: Pattern | None = None
    prompt: Pattern | None = None
    unless: Pattern | None = None
    confidence: Pattern | None = None
    confidence_of: float = 100.0
    actions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({word: word for word in ACTIONS}))
    symbol: str | None = None
    quote: str | None = None
    horizons: str = "24h"
    venue: str | None = None
    timeframe: str | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a file, in their order."""

    source: str
    rules: tuple[Rule, ...]

    @property
    def agents(self) -> tuple[str, ...]:
        """Return all agents that have rules."""
        return tuple(dict.fromkeys(agent for rule in self.rules for agent in rule.agents))

    def of(self, agent: str | None) -> tuple[Rule, ...]:
        """Return the rules of an agent."""
        return tuple(rule for rule in self.rules if agent in rule.agents)


def read_rules(path: Path | None = None) -> Rules:
    """Return the rules of a file, or those that ship with the program.

    Raises:
        RulesError: the file cannot be read, or says what cannot be.
    """
    file = SHIPPED if path is None else path
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise RulesError(f"{file} is larger than a megabyte: name a rules file, in TOML.")
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RulesError(f"{file} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RulesError(f"{file} is no TOML: {error}. docs/decisions.md shows a rules file.") from error
    unknown = sorted(tables.keys() - {"rule"})
    rows = tables.get("rule")
    if unknown or not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        what = f"has {unknown[0]!r}" if unknown else "has no [[rule]]"
        raise RulesError(f"{file} {what}: a rules file is a list of tables named [[rule]].")
    if len(rows) > _MOST_RULES:
        raise RulesError(f"{file} has {len(rows):,} rules: at most {_MOST_RULES:,} are read.")
    rules = tuple(_Reader(file, number, row).rule() for number, row in enumerate(rows, start=1))
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise RulesError(f"{file} has two rules named {name!r}: give each a name of its own.")
    return Rules(source=file.name, rules=rules)


class _Reader:
    """Reads one table."""

    def __init__(self, file: Path, number: int, row: Mapping[str, Any]) -> None:
        self._row = row
        name = row.get("name")
        self._where = f"{file}: rule {name!r:.80}" if isinstance(name, str) else f"{file}: rule {number}"

    def rule(self) -> Rule:
        """Return the rule.

        Raises:
            RulesError: it says what cannot be.
        """
        unknown = sorted(self._row.keys() - _KEYS)
        if unknown:
            raise self._error(unknown[0], f"is no key of a rule: there are {', '.join(sorted(_KEYS))}")
        patterns = {key: self._pattern(key) for key in _PATTERNS}
        reply = patterns.pop("reply")
        if reply is None:
            raise self._error("reply", "is missing: give the pattern that the whole reply must match")
        rule = Rule(
            name=self._needed("name"),
            agents=self._agents(),
            reply=reply,
            **patterns,
            confidence_of=self._confidence_of(),
            actions=self._actions(),
            symbol=self._text("symbol"),
            quote=self._text("quote"),
            horizons=self._horizons(),
            venue=self._text("venue"),
            timeframe=self._text("timeframe"),
            digest=hashlib.sha256(json.dumps(self._row, sort_keys=True).encode()).hexdigest()[:16],
        )
        self._check_groups(rule)
        return rule

    def _error(self, key: str, problem: str) -> RulesError:
        return RulesError(f"{self._where}: {key} {problem}.")

    def _text(self, key: str) -> str | None:
        value = self._row.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 200:
            raise self._error(key, f"is {value!r:.60}: give a short text")
        return value.strip()

    def _needed(self, key: str) -> str:
        value = self._text(key)
        if value is None:
            raise self._error(key, "is missing: give a short text")
        return value

    def _agents(self) -> tuple[str, ...]:
        value = self._row.get("agent")
        names = [value] if isinstance(value, str) else value
        if (
            not isinstance(names, list)
            or not names
            or not all(isinstance(name, str) and name.strip() for name in names)
        ):
            raise self._error("agent", f"is {value!r:.60}: give an agent's name, or a list of names")
        return tuple(name.strip() for name in names)

    def _pattern(self, key: str) -> Pattern | None:
        value = self._row.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._error(key, f"is {value!r:.60}: give a pattern, as a text")
        try:
            return Pattern(value)
        except PatternError as error:
            raise self._error(key, f"is no pattern: {error}") from error

    def _confidence_of(self) -> float:
        value = self._row.get("confidence_of", 100)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e6:
            raise self._error(
                "confidence_of", f"is {value!r:.40}: give the number that is full confidence, such as 100"
            )
        return float(value)

    def _actions(self) -> Mapping[str, str]:
        value = self._row.get("actions", {word: word for word in ACTIONS})
        if not isinstance(value, dict) or not value:
            raise self._error("actions", 'is no table: write actions = { "DO NOTHING" = "NOTHING" }')
        for word, action in value.items():
            if not isinstance(action, str) or (action not in ACTIONS and not action.startswith("$")):
                raise self._error("actions", f"has {word!r:.40} = {action!r:.40}: give BUY, SELL, NOTHING or $group")
        return MappingProxyType({_plain(word): action for word, action in value.items()})

    def _horizons(self) -> str:
        try:
            return ",".join(horizon.name for horizon in parse_horizons(self._text("horizon") or "24h"))
        except HorizonError as error:
            raise self._error("horizon", f"cannot be read: {error}".rstrip(".")) from error

    def _check_groups(self, rule: Rule) -> None:
        """Refuse groups that nothing uses, which are misspelt, and a rule that never knows what was decided."""
        used = {action[1:] for action in rule.actions.values() if action.startswith("$")}
        sources = {key: getattr(rule, key) for key in _PATTERNS}
        groups = {name: key for key, pattern in sources.items() if pattern is not None for name in pattern.groups}
        for name, key in groups.items():
            if name not in _GROUPS | used:
                raise self._error(
                    key, f"has a group {name!r} that nothing uses: there are {', '.join(sorted(_GROUPS))}"
                )
        for name in sorted(used - groups.keys()):
            raise self._error("actions", f"name ${name}, and no pattern has such a group")
        if "action" not in rule.reply.groups:
            raise self._error("reply", "has no group (?P<action>...)")
        if rule.unless is not None and rule.unless.groups:
            raise self._error("unless", "has a group: it only says what must not be there")
        if rule.confidence is not None and rule.confidence.groups != {"confidence"}:
            raise self._error("confidence", "needs one group, (?P<confidence>...)")


def _plain(word: str) -> str:
    return " ".join(word.split()).upper()
