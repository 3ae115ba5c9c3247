"""`moondev risk` as scripts use it: one document, one error, an exit code that says what to do, at its deadline."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from src.cli import main
from tests import warm
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from pathlib import Path

PORTFOLIO = """{"equity_usd": 9500.10, "start_equity_usd": "10000.10", "positions": [
    {"symbol": "BTC-USD", "value_usd": 1000}, {"symbol": "BTC/USDC:USDC", "value_usd": 1100.55},
    {"symbol": "EURUSD", "value_usd": -800.0, "pnl_usd": 25}]}"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "portfolio.json"
    path.write_text(PORTFOLIO)
    return str(path)


class Command:
    """Runs `moondev risk` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["moondev", "risk", *words])
        code = 0
        try:
            main()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        out, err = self._capfd.readouterr()
        return code, out, err


@pytest.fixture
def risk(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capfd)


@pytest.mark.parametrize(
    ("limits", "action", "code"),
    [
        ((), "WITHIN_LIMITS", 0),
        (("--max-share", "0.2"), "REDUCE", 3),
        (("--max-gross", "2900.54"), "REDUCE", 3),
        (("--max-net", "1300"), "REDUCE", 3),
        (("--max-long", "2100.54"), "REDUCE", 3),
        (("--max-short", "799.99"), "REDUCE", 3),
        (("--max-loss", "500"), "CLOSE_ALL", 4),
        (("--max-loss", "500.01", "--max-long", "2100.55"), "WITHIN_LIMITS", 0),
        (("--min-equity", "9500.11"), "CLOSE_ALL", 4),
    ],
)
def test_the_exit_code_says_what_to_do_where_it_is_asked_for(
    risk: Command, file: str, limits: tuple[str, ...], action: str, code: int
) -> None:
    plain_code, out, _ = risk(file, "--rules-only", "--json", *limits)
    assert (json.loads(out)["action"], plain_code) == (action, 0)
    told_code, out, _ = risk(file, "--rules-only", "--exit-code", *limits)
    assert (out.split()[0], told_code) == (action, code)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-share", "30"), "--max-share is '30': give a share of equity from 0 to 1"),
        (("--max-share", "30%"), "--max-share is '30%': give a share of equity from 0 to 1"),
        (("--max-share=-0.1",), "--max-share is '-0.1': give a share of equity from 0 to 1"),
        (("--max-share", "nan"), "--max-share is 'nan': give a share of equity from 0 to 1"),
        (("--max-loss=-500",), "--max-loss is '-500': give an amount of at least 0"),
        (("--max-gain", "inf"), "--max-gain is 'inf': give an amount of at least 0"),
        (("--min-equity", "1,000"), "--min-equity is '1,000': give an amount of at least 0"),
        (("--max-gross=-1",), "--max-gross is '-1'"),
        (("--max-net=-1",), "--max-net is '-1'"),
        (("--max-long=-1",), "--max-long is '-1'"),
        (("--max-short=-1",), "--max-short is '-1'"),
        (("--timeout", "0"), "--timeout is 0: give seconds above 0"),
        (("--timeout", "nan"), "--timeout is nan: give seconds above 0"),
        (("--model", "bogus"), "There is no provider 'bogus'"),
        (("--model", ""), "There is no provider ''"),
        (("--model", "bogus", "--rules-only"), "There is no provider 'bogus'"),
    ],
)
def test_a_setting_without_sense_ends_in_one_line_before_anything(
    risk: Command, file: str, words: tuple[str, ...], message: str
) -> None:
    code, out, err = risk(file, "--json", "--exit-code", *words)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
    assert "keys are not set" not in err  # nothing was traced yet


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"equity_usd": 9000, "equity_usd": 90000, "start_equity_usd": 1}',
            'the key "equity_usd" occurs more than once',
        ),
        ('{"equity_usd": NaN, "start_equity_usd": 1}', "NaN"),
        ('{"equity_usd": -Infinity, "start_equity_usd": 1}', "-Infinity"),
        ('{"equity_usd": 1e999, "start_equity_usd": 1}', "equity_usd of the portfolio is"),
        ('{"equity_usd": 1, "start_equity_usd": "all"}', "start_equity_usd of the portfolio is 'all'"),
        ('{"equity_usd": 1, "start_equity_usd": 1, "positions": {}}', "positions must be a list"),
    ],
)
def test_a_portfolio_with_two_readings_or_none_is_refused(
    risk: Command, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    code, out, err = risk(str(path), "--rules-only", "--json")
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())


def test_what_is_printed_as_json_satisfies_the_limits_when_it_is_judged_again(risk: Command, tmp_path: Path) -> None:
    path = tmp_path / "portfolio.json"
    portfolio: dict[str, Any] = {
        "equity_usd": 10000.07,
        "start_equity_usd": 10000.07,
        "positions": [{"symbol": f"BTC{quote}", "value_usd": 1234.57} for quote in ("USD", "-USDT", "/USDC", "")],
    }
    path.write_text(json.dumps(portfolio))
    words = (str(path), "--rules-only", "--json", "--max-gross", "2999.99", "--max-net", "2500")
    for item in json.loads(risk(*words)[1])["reductions"]:
        assert portfolio["positions"][item["position"]]["symbol"] == item["symbol"]
        portfolio["positions"][item["position"]]["value_usd"] = item["to_usd"]
    assert sum(item["value_usd"] for item in portfolio["positions"]) == pytest.approx(2500)
    path.write_text(json.dumps(portfolio))
    assert json.loads(risk(*words)[1])["action"] == "WITHIN_LIMITS"


# The SDK is loaded before, so that what hangs is reached within the time of the verdict.
LOADED = "import openai, src.models.adapters.openai, src.observability.pipeline; "
HANGING_LOOK_UP = f"{LOADED}import socket, time; socket.getaddrinfo = lambda *a, **k: time.sleep(280); "


@pytest.mark.parametrize("prelude", [LOADED, HANGING_LOOK_UP], ids=["hanging server", "hanging look-up"])
def test_the_process_ends_at_the_deadline_whatever_the_model_does(file: str, prelude: str) -> None:
    release = threading.Event()

    def wait() -> None:
        release.wait(280)

    with Server(lambda _: Reply(before=wait)) as server:
        address = "http://never.resolved.test/v1" if prelude == HANGING_LOOK_UP else f"{server.url}/v1"
        done = warm.run(
            [sys.executable, "-c", f"{prelude}from src.cli import main; main()", "risk", file, "--max-loss", "500",
             "--model", "openai:gpt-4o", "--timeout", "2", "--json", "--exit-code"],
            capture_output=True,
            text=True,
            env={**os.environ, "OPENAI_KEY": "sk-test-0123456789abcdef", "OPENAI_BASE_URL": address},
            timeout=240,  # a program that waited for the model would take longer
            check=False,
        )  # fmt: skip
        release.set()
    verdict = json.loads(done.stdout)
    assert (done.returncode, verdict["action"], verdict["comment"]) == (4, "CLOSE_ALL", None)
    assert verdict["model_error"]
