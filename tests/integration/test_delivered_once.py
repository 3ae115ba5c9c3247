"""A process that is killed while it delivers leaves behind what the next one needs to repeat nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests import warm
from tests.langfuse_server import LangfuseServer
from tests.servers import Received, Reply, eventually

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
from src.observability import flush, observe_agent, score
for number in range(20):
    with observe_agent("momentum", trading_pair="BTC-USD") as run:
        run.update(output="BUY")
    score("pnl", float(number), trace_id=run.trace_id)
flush(60)
"""


@pytest.mark.parametrize("stored", [True, False], ids=["after it was stored", "before it was stored"])
def test_a_request_that_dies_with_its_process_is_repeated_only_if_it_did_not_arrive(
    stored: bool, tmp_path: Path
) -> None:
    with LangfuseServer() as server:
        environ = {
            **os.environ, "LANGFUSE_HOST": server.url,
            "LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1",
            "MOONDEV_TRACE_DB": str(tmp_path / "t.db"), "MOONDEV_CONFIRM_AFTER_S": "0.1",
        }  # fmt: skip
        reached: list[str] = []

        def hang(request: Received) -> Reply | None:
            if request.path != "/api/public/otel/v1/traces":
                return None
            if stored:
                server._route(request)
            reached.append(request.path)
            return Reply(hang=True)

        server.answer = hang
        with warm.Program([sys.executable, "-c", PROGRAM], env=environ, cwd=ROOT) as program:
            assert eventually(lambda: bool(reached), 60)
            program.kill()
        server.answer = lambda _: None
        export = [sys.executable, "-m", "src.observability", "export"]
        done = warm.run(export, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, "Everything is delivered."), done.stderr
        assert server.counted() == len({span.span_id for span in server.spans}) == 20
        assert len(server.scores) == 20
