"""Run a program against the loopback server, and record its requests, output and exit code."""

from __future__ import annotations

import json
import os
import select
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.observability.store.spool import Spool
from tests.contract.dialects.base import Says
from tests.migration.behaviour.answers import answering
from tests.migration.behaviour.normal_form import normalize

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.migration.behaviour.loopback import Loopback
    from tests.servers import Received, Reply

# Each provider under the name that Moon Dev's agents use and under its SDK's own.
KEYS = {
    "OPENAI_KEY": "key-openai", "OPENAI_API_KEY": "key-openai", "ANTHROPIC_KEY": "key-anthropic",
    "ANTHROPIC_API_KEY": "key-anthropic", "DEEPSEEK_KEY": "key-deepseek", "DEEPSEEK_API_KEY": "key-deepseek",
    "GROK_API_KEY": "key-xai", "XAI_API_KEY": "key-xai", "OPENROUTER_API_KEY": "key-openrouter",
    "GROQ_API_KEY": "key-groq", "GEMINI_KEY": "key-gemini", "GOOGLE_API_KEY": "key-gemini",
}  # fmt: skip
_PATIENCE_AT_START_S = 600  # it imports all SDKs, on a machine that may be busy
ZYGOTE = Path(__file__).parent / "zygote.py"


@dataclass(frozen=True)
class Outcome:
    """The requests, output and exit code of one run; `traced` counts the generations in its store."""

    requests: list[dict[str, Any]]
    out: str
    code: int
    err: str = field(compare=False)
    traced: int = field(compare=False)
    scenario: str = field(compare=False)


class Runner:
    """Runs programs, one at a time, in forks of one process."""

    def __init__(self, loopback: Loopback, work: Path) -> None:
        self._loopback, self._work = loopback, work
        self._count = 0
        environment = {"PATH": os.environ["PATH"], "HOME": str(work), "MOONDEV_DOTENV": "off", **self._trust()}
        command = [sys.executable, "-B", str(ZYGOTE), *(str(port) for port in loopback.ports)]
        self._log = (work / "zygote.log").open("wb")
        self._empty_store = work / "empty.db"
        Spool(self._empty_store).close()
        loopback.answer = answering("reply", Says())  # to the calls that it rehearses
        self._zygote = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment, text=True
        )
        self._line(_PATIENCE_AT_START_S)

    def _trust(self) -> dict[str, str]:
        return {name: str(self._loopback.trusted) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}

    def _line(self, patience_s: int = 120) -> str:
        pipe = self._zygote.stdout
        assert pipe is not None
        assert select.select([pipe], [], [], patience_s)[0], "the process that forks does not answer"
        line = pipe.readline()
        assert line, (self._work / "zygote.log").read_text(encoding="utf-8")
        return line

    def run(self, program: Path, scenario: str, says: Says, environment: dict[str, str]) -> Outcome:
        """Run a program in its folder while the server does what the scenario says."""
        return self.execute(program, answering(scenario, says), {**KEYS, **environment}, scenario)

    def execute(
        self,
        program: Path,
        answer: Callable[[Received], Reply],
        environment: dict[str, str],
        scenario: str,
        patience_s: int = 90,
    ) -> Outcome:
        """Run a program in its folder with these variables, while the server answers so."""
        self._count += 1
        place = self._work / f"run{self._count}"
        place.mkdir()
        shutil.copy(self._empty_store, place / "traces.db")  # making one takes a process as long as its first call
        before = len(self._loopback.received)
        self._loopback.answer = answer
        order = {
            "program": str(program), "folder": str(program.parent), "out": str(place / "out"),
            "err": str(place / "err"), "seconds": patience_s,
            "environment": {
                "PATH": os.environ["PATH"], "HOME": str(place), "MOONDEV_DOTENV": "off", "PYTHONUTF8": "1",
                "MOONDEV_TRACE_DB": str(place / "traces.db"), **self._trust(), **environment,
            },
        }  # fmt: skip
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()
        code = json.loads(self._line())["code"]
        outcome = Outcome(
            [normalize(request) for request in self._loopback.received[before:]],
            (place / "out").read_text(encoding="utf-8"),
            code,
            (place / "err").read_text(encoding="utf-8"),
            _generations(place / "traces.db"),
            scenario,
        )
        shutil.rmtree(place)  # its store alone is larger than what a program can print
        return outcome

    def close(self) -> None:
        """End the process that forks, with a program that still runs in it."""
        assert self._zygote.stdin is not None
        self._zygote.stdin.close()
        try:
            self._zygote.wait(20)
        except subprocess.TimeoutExpired:
            self._zygote.kill()
            self._zygote.wait()
        self._log.close()


def _generations(store: Path) -> int:
    """Return how many model calls a program's store holds."""
    with sqlite3.connect(store) as connection:
        (count,) = connection.execute("select count(*) from observations where type = 'generation'").fetchone()
    return int(count)


def differences(before: Outcome, after: Outcome) -> list[str]:
    """Return how a migrated program's behaviour differs from before; empty where it does not."""
    lines = []
    if before.out != after.out:
        lines.append(f"printed {before.out!r}, now {after.out!r}")
    if before.code != after.code:
        lines.append(f"ended with {before.code}, now with {after.code}: {after.err[-3000:]}")
    # Threads and tasks ask in any order.
    if sorted(map(repr_of, before.requests)) != sorted(map(repr_of, after.requests)):
        numbers = f"{len(before.requests)} and {len(after.requests)} requests"
        lines.append(f"asked {before.requests}, now {after.requests} ({numbers})")
    if before.scenario == "reply" and after.traced == 0 and after.requests:
        lines.append("no call was traced")
    return [f"{before.scenario}: {text}" for text in lines]


def repr_of(request: dict[str, Any]) -> str:
    """Return one request as a text that is equal for equal ones."""
    return json.dumps(request, sort_keys=True)
