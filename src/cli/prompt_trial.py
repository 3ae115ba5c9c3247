"""Try a version of a prompt on past decisions: `moondev prompts try`."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from src.cli.price_remarks import print_remarks
from src.observability.commands.console import note, print_json, problem
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.insight.prompt_trials.asking import Asker
    from src.insight.prompt_trials.comparing import Comparison
    from src.insight.prompt_trials.frozen import Chosen
    from src.insight.prompt_trials.trial import Plan
    from src.judging.backtest.plan import Estimate
    from src.observability.ledger import Entry
    from src.observability.store.spool import Spool
    from src.prompts import Prompt

_LOOKED_AT: Final = 5  # times as many decisions are read as are wanted, newest first


def try_version(
    name: Annotated[str, typer.Argument(help="The prompt's name.")],
    version: Annotated[str, typer.Option(help="What is tried: a number, a version as listed, or a label.")] = "latest",
    against: Annotated[
        str | None, typer.Option(help="The old version; that of the newest decision.", show_default=False)
    ] = None,
    decisions: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 100,
    models: Annotated[
        str | None, typer.Option(help="Models that decide alone, provider:model,...", show_default=False)
    ] = None,
    csv: Annotated[list[Path] | None, typer.Option(help="Prices of what followed.", show_default=False)] = None,
    both: Annotated[bool, typer.Option("--both", help="Ask the old version anew too.")] = False,
    threads: Annotated[int, typer.Option(help="Decisions asked for at once.", min=1, max=64)] = 4,
    budget: Annotated[float | None, typer.Option(help="The most US dollars to spend.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before money is spent.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Try a version on past decisions, in pairs with what the old one replied: actions, hits, cost, latency.

    Its calls stand apart in the environment `evaluation`; the same command goes on, and pays for nothing twice.

    Example: `moondev prompts try trading --version 2 --decisions 50 --budget 1`
    """
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise ValueError(f"--budget is {budget}: give US dollars above 0.")
    names = _models(models)
    trial = _Trial.of(name, version, against, decisions, names, csv or [], both=both, budget=budget)
    figures = trial.estimate()
    if not as_json or dry_run:
        trial.show_plan(figures)
    if dry_run:
        if as_json:
            print_json({**trial.data(), "estimate": _estimate_data(figures)})
        return
    trial.refuse_unavailable()
    if not yes and figures.calls and figures.cost_usd != 0 and not _agreed(figures):
        raise typer.Exit(1)
    trial.finish(threads, as_json=as_json)


def _models(text: str | None) -> list[str]:
    from src.models.model_factory import ModelFactory

    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not names:
        raise ValueError("--models names no model: give provider:model, separated by commas.")
    for name in names:
        ModelFactory.why_unavailable(name)  # raises for a provider that does not exist
    return list(dict.fromkeys(names))


def _agreed(figures: Estimate) -> bool:
    from src.cli.backtest_screen import agreed

    return agreed(figures, "this trial")


def _estimate_data(figures: Estimate) -> dict[str, Any]:
    from src.judging.backtest.plan import as_data

    return as_data(figures)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A planned trial."""

    name: str
    old: Prompt
    new: Prompt
    chosen: Chosen
    plan: Plan
    asker: Asker
    csv: Sequence[Path]

    @classmethod
    def of(
        cls,
        name: str,
        version: str,
        against: str | None,
        decisions: int,
        models: Sequence[str],
        csv: Sequence[Path],
        *,
        both: bool,
        budget: float | None,
    ) -> _Trial:
        """Return the trial; what makes no sense is refused before anything is sent."""
        from src.cli.prompt_inventory import resolve
        from src.insight.prompt_trials.asking import Asker
        from src.insight.prompt_trials.frozen import choose
        from src.insight.prompt_trials.trial import lanes_of, make_plan
        from src.judging.backtest.allowance import Allowance
        from src.observability.store.reader import StoreReader

        spool = _spool()
        new = resolve(name, version)
        old, entries, other = _past_decisions(name, new, against, decisions, StoreReader(spool.path))
        chosen = choose(entries, old, StoreReader(spool.path), decisions)
        chosen.left_out.update(other)
        plan = make_plan(lanes_of(chosen.decisions, models, both=both), old, new)
        asker = Asker(spool=spool, allowance=Allowance(limit_usd=budget))
        return cls(name, old, new, chosen, plan, asker, csv)

    def estimate(self) -> Estimate:
        """Return what it takes."""
        from src.insight.prompt_trials.trial import estimate

        return estimate(self.plan, self.asker)

    def show_plan(self, figures: Estimate) -> None:
        """Say what it consists of, and what it takes."""
        from src.cli.backtest_screen import show_estimate

        note(
            f"{self.name}: version {self.new.version} against {self.old.version} on {len(self.chosen.decisions):,} "
            "past decisions."
        )
        for reason, count in self.chosen.left_out.items():
            note(f"{count:,} left out: {reason}.")
        show_estimate(figures)
        if not figures.calls and self.chosen.decisions:
            note("There is nothing to ask: an earlier trial has all replies.")

    def refuse_unavailable(self) -> None:
        """Raise where there is nothing to try, or a model cannot be asked."""
        from src.models.model_factory import ModelFactory

        if not self.chosen.decisions:
            raise ValueError(
                f"No past decision of {self.name!r}, version {self.old.version}, can be made again: "
                f"{'; '.join(self.chosen.left_out) or 'there is none'}."
            )
        for model in dict.fromkeys(request.call.model for request in self.plan.requests):
            reason = ModelFactory.why_unavailable(model)
            if reason:
                raise ValueError(f"{model} cannot be asked: {reason}")

    def finish(self, threads: int, *, as_json: bool) -> None:
        """Ask, compare and report."""
        from src.cli.delivery import finish
        from src.cli.prompt_trial_views import comparison_data, show_comparison
        from src.insight.prompt_trials.comparing import compare
        from src.insight.prompt_trials.pairs import outlooks_of
        from src.insight.prompt_trials.trial import make
        from src.prompts.lookup import current_copies

        current_copies().keep_used(self.new)
        outlooks = outlooks_of([item.entry for item in self.chosen.decisions], _candles(self.csv))
        with _progress(self.plan, hidden=as_json) as shown:
            self.asker.on_progress = shown
            results = make(self.plan, self.asker, outlooks, threads)
        finish()
        comparisons = [compare(lane.name, pairs) for lane, pairs in results]
        if as_json:
            print_json(
                self.data() | self._spending() | {"comparisons": [comparison_data(item) for item in comparisons]}
            )
        else:
            for item in comparisons:
                show_comparison(item, self.old.version, self.new.version)
            self._show_rest(comparisons)
        if self.asker.stopped:
            raise typer.Exit(1)

    def data(self) -> dict[str, Any]:
        """Return what is tried as plain data."""
        return {
            "name": self.name,
            "version": self.new.version,
            "against": self.old.version,
            "decisions": len(self.chosen.decisions),
            "left_out": dict(self.chosen.left_out),
            "inside": self._inside,
        }

    @property
    def _inside(self) -> int:
        """Return how many decisions are on a time that a model may have been trained on."""
        return sum(item.entry.decision.book == "inside" for item in self.chosen.decisions)

    def _spending(self) -> dict[str, Any]:
        asker = self.asker
        return {"calls": asker.calls, "cost_usd": asker.cost_usd, "unpriced": asker.unpriced,
                "failures": asker.failures, "stopped": asker.stopped}  # fmt: skip

    def _show_rest(self, comparisons: Sequence[Comparison]) -> None:
        from src.cli.prompt_trial_views import advice
        from src.observability.commands.console import money

        asker = self.asker
        note(f"{counted(asker.calls, 'calls')} for {money(asker.cost_usd, at_least=asker.unpriced > 0)}.")
        for category, count in asker.failures.items():
            problem(
                f"{counted(count, 'calls')} failed: {category}. "
                f"Their decisions are left out; the same command asks again."
            )
        if asker.stopped:
            problem(f"{asker.stopped} The same command with a higher --budget goes on.")
        if self._inside:
            note(f"{self._inside:,} decisions are on a time that a model may have been trained on: they show no skill.")
        for line in advice(comparisons, self.name, self.new, both=all(lane.asks_old for lane in self.plan.lanes)):
            note(line)


def _spool() -> Spool:
    from src.observability import get_tracker

    spool = get_tracker().spool
    if spool is None:
        raise ValueError("Tracing is off (MOONDEV_TRACING): a trial keeps its replies in the trace store.")
    return spool


def _past_decisions(
    name: str, new: Prompt, against: str | None, decisions: int, store: Any
) -> tuple[Prompt, list[Entry], dict[str, int]]:
    """Return the old version, the decisions with it, newest first, and how many were made with others.

    Raises:
        ValueError: there is no decision with another version than the new one.
    """
    from src.cli.prompt_inventory import resolve
    from src.observability.ledger import LedgerReader

    old = resolve(name, against) if against is not None else None
    newest: dict[str, deque[Entry]] = {}
    counts: dict[str, int] = {}
    last = None
    for entry in LedgerReader(store).entries():
        if entry.decision.prompt_name != name:
            continue
        key = _key(entry)
        newest.setdefault(key, deque(maxlen=decisions * _LOOKED_AT)).append(entry)
        counts[key] = counts.get(key, 0) + 1
        last = last if _is_of(entry, new) else key
    if not counts:
        raise ValueError(f"No recorded decision names the prompt {name!r}: there is nothing to try it on.")
    wanted = next((key for key, items in newest.items() if _is_of(items[-1], old)), None) if old is not None else last
    if wanted is None:
        made = ", ".join(sorted({items[-1].decision.prompt_version or key for key, items in newest.items()}))
        what = f"version {old.version}" if old is not None else f"another version than {new.version}"
        raise ValueError(f"No recorded decision was made with {what} of {name!r}; there are some of {made}.")
    if old is None:
        old = _recorded(name, newest[wanted][-1])
    if old.digest == new.digest:
        raise ValueError(f"Versions {old.version} and {new.version} of {name!r} say the same: name two that differ.")
    others = sum(counts.values()) - counts[wanted]
    return old, list(reversed(newest[wanted])), {"made with another version": others} if others else {}


def _recorded(name: str, entry: Entry) -> Prompt:
    """Return the version that a decision was made with; of several that say the same, the one that it names."""
    from src.cli.prompt_inventory import resolve, versions_of

    decision = entry.decision
    same = [prompt for prompt in versions_of(name) if _is_of(entry, prompt)]
    named = [prompt for prompt in same if prompt.version == decision.prompt_version]
    if named or same:
        return (named or same)[0]
    return resolve(name, decision.prompt_version or (decision.prompt_hash or "")[:8])


def _key(entry: Entry) -> str:
    """Return what tells the versions of decisions apart: the prompt's hash, whatever name the version had then."""
    decision = entry.decision
    return f"hash {decision.prompt_hash}" if decision.prompt_hash else f"version {decision.prompt_version}"


def _is_of(entry: Entry, prompt: Prompt) -> bool:
    """Tell whether a decision was made with what a prompt says."""
    decision = entry.decision
    if decision.prompt_hash:
        return prompt.digest.startswith(decision.prompt_hash)
    return decision.prompt_version == prompt.version


def _candles(files: Sequence[Path]) -> list[Any]:
    from src.agents.market import load_candles

    loaded = [load_candles(file) for file in files]
    for candles in loaded:
        print_remarks(candles)
    return loaded


def _progress(plan: Plan, *, hidden: bool) -> Any:
    """Show how many decisions are through, on a terminal."""
    from contextlib import contextmanager

    from src.observability.commands.console import err

    @contextmanager
    def bar() -> Any:
        if hidden or not err().is_terminal or err().is_dumb_terminal:
            yield None
            return
        from rich.progress import Progress

        with Progress(console=err(), transient=True) as progress:
            task = progress.add_task("Asking", total=sum(len(lane.decisions) for lane in plan.lanes))
            show: Callable[[int], None] = lambda _: progress.advance(task)  # noqa: E731 - a name for a lambda
            yield show

    return bar()
