"""Start Python programs in processes of their own that have other people's libraries loaded already.

A program begins in a fork of a process that has imported large libraries, but neither Langfuse's SDK nor anything of
this project: which of those comes first, and what the environment says then, is what such programs test. It gets the
signals' default actions, and ends as an interpreter does but for one thing: what is left in memory is not taken
apart, which would copy all of it. All processes that run the tests share the one that forks.

What an interpreter reads from its environment as it starts (its locale, PYTHONHASHSEED and the like) is not read again:
a test of that starts an interpreter.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LIBRARIES = (
    "openai", "openai.resources.chat", "openai.resources.responses", "anthropic", "httpx", "numpy", "pydantic.v1",
    "rich.console", "typer", "opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "tenacity", "jsonschema", "sqlite3", "tomllib", "multiprocessing", "concurrent.futures", "httpcore", "httpcore2",
    "h11", "anyio", "genai_prices", "platformdirs", "lz4.frame", "orjson", "mnemonic", "hyperscan", "truststore",
    "backoff", "packaging.version", "libcst", "libcst.matchers", "ollama", "groq", "asyncio",
)  # fmt: skip
# What may be set for a program, and means the same in a fork.
_KNOWN_VARIABLES = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
# As all programs here inherit them: a user's PYTHONHASHSEED, or PYTHON_VERSION of a container.
_INHERITED = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
_LENGTH_BYTES = 4


class Program(subprocess.Popen[Any]):
    """A program that is started as `subprocess.Popen([sys.executable, ...])` starts it, after the libraries.

    The words after the interpreter are `-c SCRIPT`, `-m MODULE` or a path, and arguments.
    """

    def _execute_child(self, args: Sequence[str | Path], *settings: Any) -> None:
        """Start it; `subprocess` offers no other place where a descendant might start it in another way."""
        executable, preexec_fn, _, pass_fds, cwd, env, _, _, shell, *pipes = settings
        read_in, write_in, read_out, write_out, read_err, write_err, *rest = pipes
        environment = dict(os.environ if env is None else env)
        words = [str(word) for word in args]
        variables = {name for name, value in environment.items() if _INHERITED.get(name) != value}
        unknown = {name for name in variables if name.startswith("PYTHON")} - _KNOWN_VARIABLES
        if unknown or words[0] != sys.executable or preexec_fn or pass_fds or shell or executable:
            raise ValueError(f"such a program must be started by an interpreter: {words} {unknown}")
        order = {"words": words[1:], "environment": environment, "folder": str(cwd or Path.cwd()), "session": rest[5]}
        streams = [number if number != -1 else own for own, number in enumerate((read_in, write_out, write_err))]
        self._connection = _connect()
        socket.send_fds(self._connection, [b"."], streams)
        text = json.dumps(order).encode()
        self._connection.sendall(len(text).to_bytes(_LENGTH_BYTES, "big") + text)
        self._replies = self._connection.makefile("r")
        line = self._replies.readline()
        if not line.startswith("pid "):
            raise RuntimeError(f"the program could not be started: {words}")
        self.pid = int(line.removeprefix("pid "))
        self._child_created = True
        self._close_pipe_fds(read_in, write_in, read_out, write_out, read_err, write_err)  # type: ignore[attr-defined]

    def _internal_poll(self, *_: object, **__: object) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._wait(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        with self._waitpid_lock:  # type: ignore[attr-defined]
            if self.returncode is None:
                if not select.select([self._connection], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                self.returncode = os.waitstatus_to_exitcode(int(self._replies.readline()))
                self._replies.close()
                self._connection.close()
        return self.returncode


def run(
    words: Sequence[str | Path],
    *,
    capture_output: bool = False,
    check: bool = False,
    timeout: float = 120,
    input: Any = None,  # noqa: A002 - as `subprocess.run` names it
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a program to its end, as `subprocess.run` does."""
    if capture_output:
        options.update(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if input is not None:
        options["stdin"] = subprocess.PIPE
    with Program(words, **options) as program:
        try:
            out, err = program.communicate(input, timeout)
        except BaseException:
            program.kill()
            raise
    done = subprocess.CompletedProcess(program.args, program.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def run_program(
    script: str, *arguments: str, environment: Mapping[str, str], timeout_s: int = 120
) -> subprocess.CompletedProcess[str]:
    """Run a text as `python -c` does."""
    words = [sys.executable, "-c", script, *arguments]
    return run(words, env=environment, timeout=timeout_s, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def _connect() -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(_address(os.getpid()))
    return connection


@functools.cache
def _address(_process: int) -> str:
    """Return where the process that forks listens; start it where no process of this run of the tests has yet."""
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()  # the latter lives as long as the run
    address = Path(tempfile.gettempdir(), f"programs-{os.getuid()}-{owner}.socket")
    with address.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not address.exists():
            environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "OPENBLAS_NUM_THREADS": "1"}
            process = subprocess.Popen(
                [sys.executable, __file__, str(address), str(owner)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                env=environment,
            )
            assert process.stdout is not None
            assert process.stdout.read() == b"ready"
            process.stdout.close()
            threading.Thread(target=process.wait, name="forker", daemon=True).start()  # it ends by itself
    return str(address)


# In the process that forks.


def _serve(address: Path, owner: int) -> dict[str, Any]:
    """Fork a child for each order until the owner has ended, and report its status; return the order in it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen(64)
    wakes, woken = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    os.write(1, b"ready")
    os.dup2(0, 1)
    running: dict[int, socket.socket] = {}
    while _is_alive(owner):
        waiting: list[Any] = [listener, wakes]
        ready = select.select(waiting, [], [], 1.0)[0]
        if wakes in ready:
            os.read(wakes, 4096)
            _report_ends(running)
        if listener in ready:
            connection, _ = listener.accept()
            _, streams, _, _ = socket.recv_fds(connection, 1, 3)
            order = _receive(connection)
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                for item in (listener, *running.values()):
                    item.close()
                os.close(wakes)
                os.close(woken)
                return order | {"streams": streams, "connection": connection}
            for number in streams:
                os.close(number)
            running[child] = connection
    for child in running:
        os.kill(child, signal.SIGKILL)
    address.unlink()
    address.with_suffix(".lock").unlink()
    sys.exit()


def _receive(connection: socket.socket) -> dict[str, Any]:
    with connection.makefile("rb") as file:
        order: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(_LENGTH_BYTES), "big")))
    return order


def _report_ends(running: dict[int, socket.socket]) -> None:
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        connection = running.pop(child)
        with contextlib.suppress(OSError):  # its test has given up
            connection.sendall(f"{status}\n".encode())
        connection.close()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


# In a program's process.


def _become(order: dict[str, Any]) -> None:
    """Give this process the program's session, folder, environment, streams and signals."""
    if order["session"]:
        os.setsid()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    for number, stream in enumerate(order["streams"]):
        os.dup2(stream, number)
    for stream in order["streams"]:
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _text_stream(1)
    sys.stderr = _text_stream(2, errors="backslashreplace", line_buffering=True)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(words: list[str]) -> int:
    """Run a program, and all that an interpreter runs at its end; return the exit code."""
    code = _code_of(functools.partial(_run, words))
    at_end = _code_of(threading._shutdown)  # type: ignore[attr-defined] # waits for threads
    atexit._run_exitfuncs()  # both are what the interpreter calls
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120  # as the interpreter ends where its output cannot be written
    return code or at_end


def _code_of(call: Callable[[], object]) -> int:
    try:
        call()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        sys.stderr.write(f"{error.code}\n")
        return 1
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        return -signal.SIGINT
    except BaseException:  # noqa: BLE001 - reported as the interpreter reports it
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _text_stream(number: int, **options: Any) -> io.TextIOWrapper:
    """Return a stream as an interpreter makes it at its start."""
    if os.environ.get("PYTHONUNBUFFERED"):
        raw = open(number, "wb", buffering=0, closefd=False)  # noqa: SIM115
        return io.TextIOWrapper(raw, encoding="utf-8", write_through=True, **options)
    buffered = open(number, "wb", closefd=False)  # noqa: SIM115
    options.setdefault("line_buffering", os.isatty(number))
    return io.TextIOWrapper(buffered, encoding="utf-8", **options)


def _run(words: list[str]) -> None:
    """Run what follows an interpreter's name on a command line."""
    paths = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    main = sys.modules["__main__"] = ModuleType("__main__")
    if words[0] == "-c":
        sys.path[:0] = ["", *paths]
        sys.argv[:] = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), vars(main))  # noqa: S102 - a test's program
    elif words[0] == "-m":
        sys.path[:0] = [str(Path.cwd()), *paths]
        sys.argv[:] = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0].startswith("-"):
        raise ValueError(f"such a program must be started by an interpreter: {words}")
    else:
        sys.path[:0] = [str(Path(words[0]).resolve().parent), *paths]
        sys.argv[:] = words
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert not {"src", "langfuse"} & sys.modules.keys()
    tasks = Path("/proc/self/task")
    assert not tasks.exists() or len(list(tasks.iterdir())) == 1  # a fork has but the thread that forked
    gc.collect()
    gc.freeze()  # a fork then copies little
    program = _serve(Path(sys.argv[1]), int(sys.argv[2]))
    with program["connection"] as starter:
        _become(program)
        starter.sendall(f"pid {os.getpid()}\n".encode())  # its session, folder and streams are its own from here on
    code = _end(program["words"])
    if code == -signal.SIGINT:  # as the interpreter ends: a shell then sees that it was interrupted
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)
