"""Judge a portfolio: `moondev risk`."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from src.cli.delivery import finish
from src.observability.commands.console import escape, escape_lines, money, note, out, print_json

if TYPE_CHECKING:
    from src.agents.risk_agent import RiskVerdict

_EXAMPLE = {
    "equity_usd": 9500.0,
    "start_equity_usd": 10000.0,
    "positions": [
        {"symbol": "BTC-USD", "value_usd": 4200.0, "pnl_usd": -310.0},
        {"symbol": "EURUSD", "value_usd": -800.0, "pnl_usd": 25.0},
    ],
}
_STYLES = {"WITHIN_LIMITS": "bold green", "REDUCE": "bold yellow", "CLOSE_ALL": "bold red"}


def risk(
    portfolio: Annotated[
        Path | None, typer.Argument(help="A JSON file; - reads standard input.", show_default=False)
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print an example portfolio file.")] = False,
    max_loss: Annotated[float | None, typer.Option(help="Close all at this loss, in USD.")] = None,
    max_gain: Annotated[float | None, typer.Option(help="Close all at this gain, in USD.")] = None,
    min_equity: Annotated[float | None, typer.Option(help="Close all below this equity, in USD.")] = None,
    max_share: Annotated[float | None, typer.Option(help="Reduce positions above this share of equity.")] = 0.3,
    model: Annotated[str | None, typer.Option(help="The model that comments, as provider:model.")] = None,
    rules_only: Annotated[bool, typer.Option("--rules-only", help="Ask no model.")] = False,
    allow_override: Annotated[
        bool, typer.Option("--allow-override", help="Let the model argue a breach away (never the minimum equity).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON, and nothing else.")] = False,
) -> None:
    """Judge a portfolio against its limits. The rules decide; a model comments. No order is placed."""
    if example:
        typer.echo(json.dumps(_EXAMPLE, indent=2))
        return
    if portfolio is None:
        raise ValueError("Name a portfolio file. `moondev risk --example > portfolio.json` makes one to start from.")
    from src.agents.risk_agent import RiskAgent
    from src.agents.risk_rules import Limits, Portfolio

    agent = RiskAgent(model, allow_override=allow_override, rules_only=rules_only)
    limits = Limits(
        max_loss_usd=max_loss, max_gain_usd=max_gain, min_equity_usd=min_equity, max_position_share=max_share
    )
    verdict = agent.assess(Portfolio.from_dict(_read(portfolio)), limits)
    if as_json:
        print_json(verdict.to_dict())
    else:
        _show(verdict)
    finish()


def _read(path: Path) -> dict[str, object]:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        data = json.loads(text)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}. `moondev risk --example` shows the form.") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} holds {type(data).__name__}, not an object. `moondev risk --example` shows the form.")
    return data


def _show(verdict: RiskVerdict) -> None:
    action = str(verdict.action)
    out().print(f"[{_STYLES[action]}]{action}[/]" + (" (overridden by the model)" if verdict.overridden else ""))
    for breach in verdict.breaches:
        out().print(f"  - {escape(breach.detail)}")
    for item in verdict.reductions:
        out().print(f"  -> {escape(item.symbol)}: from {item.from_usd:,.2f} to {item.to_usd:,.2f} USD")
    if verdict.comment:
        out().print(f"[dim]model:[/] {escape_lines(verdict.comment)} [dim]({money(verdict.cost_usd)})[/]")
    if verdict.model_error:
        note(f"The model gave no comment; the verdict stands by the rules. {verdict.model_error}")
    if verdict.trace_id:
        note(f"trace {verdict.trace_id}")
