"""Judge a portfolio: `moondev risk`."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.cli.delivery import finish
from src.observability.commands.console import escape, escape_lines, money, note, out, print_json

if TYPE_CHECKING:
    from src.agents.risk_agent import RiskVerdict
    from src.agents.risk_rules import Limits

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


# Amounts are read as they are written, so they come as texts.
_Portfolio = Annotated[Path | None, typer.Argument(help="A JSON file; - reads standard input.", show_default=False)]
_Share = Annotated[str, typer.Option(help="Reduce symbols above this share of equity, 0 to 1.", metavar="SHARE")]
_Model = Annotated[str | None, typer.Option(help="The model that comments, as provider:model.", show_default=False)]
_Override = Annotated[
    bool, typer.Option("--allow-override", help="Let the model argue a breach away (never the minimum equity or 0).")
]
_Timeout = Annotated[float, typer.Option(help="Seconds until the verdict is out, with the model's comment or without.")]
_ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with 3 for REDUCE and 4 for CLOSE_ALL.")]


def _usd(help_text: str) -> Any:
    return typer.Option(help=help_text, metavar="USD", show_default=False)


def risk(
    portfolio: _Portfolio = None,
    example: Annotated[bool, typer.Option("--example", help="Print an example portfolio file.")] = False,
    max_loss: Annotated[str | None, _usd("Close all at this loss.")] = None,
    max_gain: Annotated[str | None, _usd("Close all at this gain.")] = None,
    min_equity: Annotated[str | None, _usd("Close all below this equity.")] = None,
    max_share: _Share = "0.3",
    max_gross: Annotated[str | None, _usd("Reduce where all positions together are above this.")] = None,
    max_net: Annotated[str | None, _usd("Reduce where long and short positions differ by more.")] = None,
    max_long: Annotated[str | None, _usd("Reduce where the long positions are above this.")] = None,
    max_short: Annotated[str | None, _usd("Reduce where the short positions are above this.")] = None,
    model: _Model = None,
    rules_only: Annotated[bool, typer.Option("--rules-only", help="Ask no model.")] = False,
    allow_override: _Override = False,
    timeout: _Timeout = 30.0,
    exit_code: _ExitCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON, and nothing else.")] = False,
) -> None:
    """Judge a portfolio against its limits. The rules decide; a model comments. No order is placed."""
    if example:
        typer.echo(json.dumps(_EXAMPLE, indent=2))
        return
    if portfolio is None:
        raise ValueError("Name a portfolio file. `moondev risk --example > portfolio.json` makes one to start from.")
    account = {"max_loss": max_loss, "max_gain": max_gain, "min_equity": min_equity}
    sides = {"max_gross": max_gross, "max_net": max_net, "max_long": max_long, "max_short": max_short}
    limits = _limits(max_share, {**account, **sides})
    _check_timeout(timeout)
    from src.agents.risk_agent import RiskAgent
    from src.agents.risk_rules import Portfolio

    agent = RiskAgent(model, allow_override=allow_override, rules_only=rules_only, timeout_s=timeout)
    verdict = agent.assess(Portfolio.from_dict(_read(portfolio)), limits)
    if as_json:
        print_json(verdict.to_dict())
    else:
        _show(verdict)
    finish()
    if exit_code:
        raise typer.Exit(_EXIT_CODES[str(verdict.action)])


def _limits(max_share: str, amounts: dict[str, str | None]) -> Limits:
    """Return the limits; an error names the option."""
    from src.agents.risk import money
    from src.agents.risk_rules import Limits

    fields = {
        f"{name}_usd": money.amount_from_zero(text, f"--{name.replace('_', '-')}")
        for name, text in amounts.items()
        if text is not None
    }
    return Limits(max_position_share=money.share(max_share, "--max-share"), **fields)


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
        out().print(f"[dim]model:[/] {escape_lines(verdict.comment)} [dim]({money(verdict.cost_usd)})[/]")
    if verdict.model_error:
        note(f"The model gave no comment; the verdict stands by the rules. {verdict.model_error}")
    if verdict.trace_id:
        note(f"trace {verdict.trace_id}")
