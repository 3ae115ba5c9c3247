"""Judge a portfolio: `moondev risk`."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.cli.delivery import finish
from src.observability.commands.console import escape, money, note, out

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


_LONGEST_TIMEOUT_S = 86_400
# The exit codes of --exit-code; 1 and 2 are taken by failures and bad input.
_EXIT_CODES = {"WITHIN_LIMITS": 0, "REDUCE": 3, "CLOSE_ALL": 4}


def _usd(help_text: str) -> Any:
    return typer.Option(help=help_text, metavar="USD", show_default=False)


def risk(
    portfolio: Annotated[
        Path | None, typer.Argument(help="A JSON file; - reads standard input.", show_default=False)
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print an example portfolio file.")] = False,
    max_loss: Annotated[str | None, _usd("Close all at this loss.")] = None,
    max_gain: Annotated[str | None, _usd("Close all at this gain.")] = None,
    min_equity: Annotated[str | None, _usd("Close all below this equity.")] = None,
    max_share: Annotated[
        str, typer.Option(help="Reduce symbols above this share of equity, 0 to 1.", metavar="SHARE")
    ] = "0.3",
    max_gross: Annotated[str | None, _usd("Reduce where all positions together are above this.")] = None,
    max_net: Annotated[str | None, _usd("Reduce where long and short positions differ by more.")] = None,
    max_long: Annotated[str | None, _usd("Reduce where the long positions are above this.")] = None,
    max_short: Annotated[str | None, _usd("Reduce where the short positions are above this.")] = None,
    model: Annotated[
        str | None, typer.Option(help="The model that comments, as provider:model.", show_default=False)
    ] = None,
    rules_only: Annotated[bool, typer.Option("--rules-only", help="Ask no model.")] = False,
    allow_override: Annotated[
        bool,
        typer.Option(
            "--allow-override", help="Let the model argue a breach away (never the minimum equity, never below 0)."
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds until the verdict is there, with the model's comment or without.")
    ] = 30.0,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 3 for REDUCE and 4 for CLOSE_ALL; 0 is within limits.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON, and nothing else.")] = False,
) -> None:
    """Judge a portfolio against its limits. The rules decide; a model comments. No order is placed."""
    if example:
        typer.echo(json.dumps(_EXAMPLE, indent=2))
        return
    if portfolio is None:
        raise ValueError("Name a portfolio file. `moondev risk --example > portfolio.json` makes one to start from.")
    from src.agents.risk import money
    from src.agents.risk_agent import RiskAgent
    from src.agents.risk_rules import Limits, Portfolio

    def usd(text: str | None, option: str) -> Decimal | None:
        return None if text is None else money.amount_from_zero(text, option)

    limits = Limits(
        max_loss_usd=usd(max_loss, "--max-loss"),
        max_gain_usd=usd(max_gain, "--max-gain"),
        min_equity_usd=usd(min_equity, "--min-equity"),
        max_position_share=money.share(max_share, "--max-share"),
        max_gross_usd=usd(max_gross, "--max-gross"),
        max_net_usd=usd(max_net, "--max-net"),
        max_long_usd=usd(max_long, "--max-long"),
        max_short_usd=usd(max_short, "--max-short"),
    )
    _check_timeout(timeout)
    agent = RiskAgent(model, allow_override=allow_override, rules_only=rules_only, timeout_s=timeout)
    verdict = agent.assess(Portfolio.from_dict(_read(portfolio)), limits)
    if as_json:
        typer.echo(json.dumps(verdict.to_dict()))
    else:
        _show(verdict)
    finish()
    if exit_code:
        raise typer.Exit(_EXIT_CODES[str(verdict.action)])


def _check_timeout(seconds: float) -> None:
    if not 0 < seconds <= _LONGEST_TIMEOUT_S:
        raise ValueError(f"--timeout is {seconds:g}: give seconds above 0, up to {_LONGEST_TIMEOUT_S:,}.")


def _read(path: Path) -> dict[str, object]:
    from src.models import strict_json

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        data = strict_json.loads(text, parse_float=Decimal)
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
        out().print(f"[dim]model:[/] {escape(verdict.comment)} [dim]({money(verdict.cost_usd)})[/]")
    if verdict.model_error:
        note(f"The model gave no comment; the verdict stands by the rules. {verdict.model_error}")
    if verdict.trace_id:
        note(f"trace {verdict.trace_id}")
