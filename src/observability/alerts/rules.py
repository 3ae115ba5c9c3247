"""Say what a rule of the alerts file is, and where its messages go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

from src.observability.alerts import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from src.observability.alerts.quiet_hours import QuietHours

KindName = Literal["cost", "error_rate", "latency", "agreement", "no_decision", "no_call", "budget"]
Severity = Literal["info", "warning", "critical"]
Missing = Literal["hold", "resolve", "fire"]
DestinationKind = Literal["log", "command", "slack", "discord", "telegram", "webhook"]
SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
MISSING: Final[tuple[str, ...]] = get_args(Missing)
DESTINATION_KINDS: Final[tuple[str, ...]] = get_args(DestinationKind)
LOG: Final = "log"  # the destination that is always there
_CALL_FILTERS: Final = ("agent", "model", "provider", "symbol", "environment")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of rule measures.

    Attributes:
        label: Its name in messages.
        read: Reads a threshold of it.
        show: Writes a value of it.
        filters: The keys that `where` may have.
        window_s: The usual window in seconds; None where it has none.
        min_n: Of how many things a value must be, where the rule does not say so.
        things: What is counted.
        is_below: Whether it fires below its threshold; others fire at it and above.
    """

    label: str
    read: Callable[[Any], float]
    show: Callable[[float], str]
    filters: tuple[str, ...] = _CALL_FILTERS
    window_s: float | None = None
    min_n: int = 1
    things: str = "calls"
    is_below: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "cost": Kind(label="cost", read=fields.amount, show=fields.shown_amount, window_s=3_600),
    "error_rate": Kind(label="error rate", read=fields.share, show=fields.shown_share, window_s=900, min_n=20),
    "latency": Kind(label="latency", read=fields.duration, show=fields.shown_duration, window_s=900, min_n=20),
    "agreement": Kind(
        label="agreement", read=fields.share, show=fields.shown_share, filters=("agent", "symbol", "environment"),
        window_s=86_400, min_n=5, things="decisions", is_below=True,
    ),
    "no_decision": Kind(
        label="no decision", read=fields.duration, show=fields.shown_duration,
        filters=("agent", "symbol", "environment"), things="decisions",
    ),
    "no_call": Kind(label="no call", read=fields.duration, show=fields.shown_duration),
    "budget": Kind(
        label="budget", read=fields.share, show=fields.shown_share,
        filters=("agent", "provider", "model", "environment"), things="budgets",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Destination:
    """Where messages go. Secrets are named by the environment variables that hold them, never written here.

    Attributes:
        name: Its name in the file.
        kind: Which form it takes.
        url: An address that is no secret.
        url_env: The variable that holds the address.
        token_env: The variable that holds a token: Telegram's bot, or a webhook's bearer.
        chat_id: Telegram's chat.
        command: The program with its arguments.
        timeout_s: How long one message may take.
    """

    name: str
    kind: DestinationKind
    url: str | None = None
    url_env: str | None = None
    token_env: str | None = None
    chat_id: str | None = None
    command: tuple[str, ...] = ()
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: Its name, by which its state is kept.
        kind: What it measures.
        threshold: Where it fires: a share from 0 to 1, US dollars, or seconds.
        clear: Where it ends once it fires; the threshold where the file does not say so.
        window_s: Over how many seconds it measures.
        percentile: Of latencies, from 0 to 100.
        budget_window: Of budgets, which window's: run, hour, day or month; all where not set.
        for_s: How long the condition must hold before it fires.
        min_n: Of how many things a value must be.
        where: What is measured.
        repeat_s: After how long a rule that still fires says so again; None for never.
        quiet: When nothing is sent; None for never.
        missing: What becomes of it where there is too little to say: it holds its state, ends, or fires.
        severity: How grave it is.
        to: The names of its destinations.
    """

    name: str
    kind: KindName
    threshold: float
    clear: float
    window_s: float | None = None
    percentile: float = 95.0
    budget_window: str | None = None
    for_s: float = 0.0
    min_n: int = 1
    where: Mapping[str, str] = field(default_factory=dict)
    repeat_s: float | None = None
    quiet: QuietHours | None = None
    missing: Missing = "hold"
    severity: Severity = "warning"
    to: tuple[str, ...] = (LOG,)

    @property
    def measure(self) -> Kind:
        """Return what its kind measures."""
        return KINDS[self.kind]

    @property
    def subject(self) -> str:
        """Return what is measured, for people."""
        return f"p{self.percentile:g} latency" if self.kind == "latency" else self.measure.label

    @property
    def is_silence(self) -> bool:
        """Tell whether it measures for how long there was nothing."""
        return self.kind in ("no_decision", "no_call")

    @property
    def sign(self) -> str:
        """Return the comparison with the threshold at which it fires."""
        return "for" if self.is_silence else "<" if self.measure.is_below else ">="

    def is_met(self, value: float) -> bool:
        """Tell whether a value is one that the rule fires at."""
        return value < self.threshold if self.measure.is_below else value >= self.threshold

    def is_clear(self, value: float) -> bool:
        """Tell whether a value ends the rule: hysteresis lies between this and `is_met`."""
        if self.is_met(value):
            return False
        return value >= self.clear if self.measure.is_below else value <= self.clear or self.clear == self.threshold

    def condition(self) -> str:
        """Return at what it fires, for people: `error rate >= 20 %, 15 min, from 20 calls`."""
        parts = [f"{self.subject} {self.sign} {self.measure.show(self.threshold)}"]
        if self.window_s is not None:
            parts.append(fields.shown_duration(self.window_s))
        if self.budget_window is not None:
            parts.append(f"of the {self.budget_window}")
        if self.min_n > 1:
            parts.append(f"from {self.min_n} {self.measure.things}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A read alerts file.

    Attributes:
        path: The file; states are kept under its path.
        rules: The rules in their order.
        destinations: The destinations by name, the log among them.
        every_s: How often the rules are checked.
    """

    path: Path
    rules: tuple[Rule, ...]
    destinations: Mapping[str, Destination]
    every_s: float = 30.0
