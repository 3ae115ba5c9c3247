"""Run Python programs in processes of their own that have other people's libraries loaded already.

A program begins in a fork of a process that has imported large libraries, but neither Langfuse's SDK nor anything of
this project: which of those comes first, and what the environment says then, is what such programs test. It ends as
any interpreter does.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARIES = (
    "openai", "openai.resources.chat", "openai.resources.responses", "anthropic", "httpx", "numpy", "pydantic.v1",
    "rich.console", "typer", "opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "tenacity", "jsonschema", "sqlite3", "tomllib", "multiprocessing", "concurrent.futures", "httpcore", "httpcore2",
    "h11", "anyio", "genai_prices", "platformdirs", "lz4.frame", "orjson", "mnemonic", "hyperscan", "truststore",
    "backoff", "packaging.version",
)  # fmt: skip


class _Forker:
    """The process that forks."""

    def __init__(self) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        atexit.register(self._process.communicate)  # the end of its orders ends it

    def run(self, order: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@functools.cache
def _forker(_process: int) -> _Forker:
    return _Forker()


def run_program(
    script: str, *arguments: str, environment: Mapping[str, str], timeout_s: int = 120
) -> subprocess.CompletedProcess[str]:
    """Run a program as `python -c` does, and return its exit code and what it printed."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")) as folder:
        texts = [Path(folder) / "out", Path(folder) / "err"]
        order = {"script": script, "arguments": arguments, "environment": dict(environment), "timeout": timeout_s,
                 "folder": str(Path.cwd()), "texts": [str(path) for path in texts]}  # fmt: skip
        code = _forker(os.getpid()).run(order)
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in texts)
    if code == -signal.SIGKILL and "timeout" in err[-20:]:
        raise subprocess.TimeoutExpired(script, timeout_s, out, err)
    return subprocess.CompletedProcess([sys.executable, "-c", script, *arguments], code, out, err)


def _orders() -> dict[str, Any]:
    """Fork a child for each order, and write its exit code; return the order in the child."""
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        child = os.fork()
        if child == 0:
            return order
        signal.signal(signal.SIGALRM, functools.partial(_give_up, child, order["texts"][1]))
        signal.alarm(order["timeout"])
        _, status = os.waitpid(child, 0)
        signal.alarm(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    sys.exit()


def _give_up(child: int, errors: str, *_: object) -> None:
    with Path(errors).open("a", encoding="utf-8") as file:
        file.write("\ntimeout")
    os.kill(child, signal.SIGKILL)


def _become(order: dict[str, Any]) -> None:
    """Give this process the program's folder, environment, arguments and output."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[:0] = ["", *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[:] = ["-c", *order["arguments"]]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(order["texts"], 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    sys.modules["__main__"] = ModuleType("__main__")


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert not {"src", "langfuse"} & sys.modules.keys()
    gc.freeze()  # a fork then copies little
    program = _orders()
    _become(program)
    exec(compile(program["script"], "<string>", "exec"), vars(sys.modules["__main__"]))  # noqa: S102 - a test's program
