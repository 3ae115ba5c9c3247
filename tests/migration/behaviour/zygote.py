"""Run programs in processes of their own, forked from one that has imported the SDKs already.

Started as `python zygote.py TLS_PORT PLAIN_PORT`; it reads one JSON object a line, runs it, and answers with another.
Each program sees the real SDKs and the project's `src`. Three things of its world are ours:

- names resolve to the loopback server (port 443 to the one with TLS), so that programs ask their providers' real
  addresses and no SDK is configured with another;
- SDKs take what they took in the versions that agents were written for: see `restore_sampling`, `accept_empty_keys`,
  `rest_by_default`, and `legacy.py`;
- sleeping takes a hundredth of the time asked, so that back-offs between attempts do not make the tests slow.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import faulthandler
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SDKS = (
    "openai",
    "anthropic",
    "groq",
    "ollama",
    "google.genai",
    "google.generativeai",
    "requests",
    "httpx",
    "src.models",
)
_CHAT = "chat.completions.create(model='m', messages=[{'role': 'user', 'content': 'x'}])"
_CLAUDE = "messages.create(model='m', max_tokens=1, messages=[{'role': 'user', 'content': 'x'}])"
# What imports, beside the SDKs themselves, all that a first call imports.
KEYED = ("OPENAI", "ANTHROPIC", "GEMINI", "DEEPSEEK", "GROQ_API", "GROK_API", "OPENROUTER_API")
SDK_CALLS = (
    f"import openai; openai.OpenAI(api_key='x').{_CHAT}",
    f"import openai; list(openai.OpenAI(api_key='x').{_CHAT[:-1]}, stream=True))",
    "import openai; openai.OpenAI(api_key='x').responses.create(model='m', input='x')",
    f"import openai, asyncio; asyncio.run(openai.AsyncOpenAI(api_key='x').{_CHAT})",
    f"import anthropic; anthropic.Anthropic(api_key='x').{_CLAUDE}",
    f"import anthropic; list(anthropic.Anthropic(api_key='x').{_CLAUDE[:-1]}, stream=True))",
    f"import anthropic, asyncio; asyncio.run(anthropic.AsyncAnthropic(api_key='x').{_CLAUDE})",
    f"import groq; groq.Groq(api_key='x').{_CHAT}",
    "from google import genai; c = genai.Client(api_key='x'); c.models.generate_content(model='m', contents='x')",
    "import ollama; ollama.chat(model='m', messages=[])",
)
FIRST_CALLS = (
    *SDK_CALLS,
    *(
        f"from src.models import ModelFactory; ModelFactory.get_model('{name}', 'm').chat('x')"
        for name in ("openai", "claude", "gemini", "ollama", "groq", "deepseek", "xai", "openrouter")
    ),
)
_FASTER = 100


def redirect(tls: int, plain: int) -> None:
    """Send every connection of this process to the loopback server."""
    real_lookup, real_connect = socket.getaddrinfo, socket.socket.connect

    def ours(port: Any) -> int:
        return {"443": tls, "https": tls, str(tls): tls}.get(str(port), plain)

    def lookup(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        return real_lookup("127.0.0.1", ours(port), *rest, **options)

    def connect(self: socket.socket, address: Any) -> None:
        return real_connect(self, ("127.0.0.1", ours(address[1])) if self.family == socket.AF_INET else address)

    socket.getaddrinfo = lookup
    socket.socket.connect = connect  # type: ignore[method-assign,assignment] # for this process alone


def hurry() -> None:
    """Make sleeping short, for programs, SDKs and the factory alike."""
    real_sleep, real_asleep = time.sleep, asyncio.sleep

    def sleep(seconds: float) -> None:
        real_sleep(seconds / _FASTER)

    async def asleep(delay: float, result: Any = None) -> Any:
        return await real_asleep(delay / _FASTER, result)

    time.sleep, asyncio.sleep = sleep, asleep  # type: ignore[assignment] # with fewer overloads


def restore_sampling() -> None:
    """Let `messages.create` take the sampling parameters that version 2 of anthropic has dropped from its signature.

    Agents that were written for earlier versions pass them, and there they went to the wire as they are.
    """
    from anthropic.resources.messages import AsyncMessages, Messages

    for owner, name in (
        (Messages, "create"),
        (Messages, "stream"),
        (AsyncMessages, "create"),
        (AsyncMessages, "stream"),
    ):
        real = getattr(owner, name)

        @functools.wraps(real)
        def take(self: Any, *, real: Any = real, **options: Any) -> Any:
            sampling = {key: options.pop(key) for key in ("temperature", "top_p", "top_k") if key in options}
            if sampling:
                options["extra_body"] = {**sampling, **(options.get("extra_body") or {})}
            return real(self, **options)

        setattr(owner, name, take)


def accept_empty_keys() -> None:
    """Let the openai SDK take an empty key, with which versions 1 and 2 sent none; version 3 raises."""
    import openai

    for owner in (openai.OpenAI, openai.AsyncOpenAI):
        real: Any = owner.__init__

        @functools.wraps(real)
        def make(self: Any, *, real: Any = real, **options: Any) -> None:
            is_empty = options.get("api_key") == ""
            real(self, **options, **({"_enforce_credentials": False} if is_empty else {}))
            if is_empty:
                self._validate_headers = lambda *_: None

        owner.__init__ = make  # type: ignore[method-assign] # for this process alone


def rest_by_default() -> None:
    """Let google.generativeai speak HTTP where a program does not say how: the loopback server knows no gRPC."""
    genai: Any = importlib.import_module("google.generativeai")
    real = genai.configure

    @functools.wraps(real)
    def configure(**options: Any) -> None:
        real(**{"transport": "rest", **options})

    genai.configure = configure


def learn() -> list[str]:
    """Return the modules that a process has after its first calls, made in a child whose world ends with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.environ |= {"MOONDEV_TRACE_DB": str(Path.home() / "learned.db"), **{f"{name}_KEY": "x" for name in KEYED}}
        for call in FIRST_CALLS:
            with contextlib.suppress(Exception):
                exec(call, {})  # noqa: S102 - the texts above
        os.write(writer, "\n".join(sys.modules).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        names = pipe.read().split("\n")
    os.waitpid(child, 0)
    return names


def rehearse() -> None:
    """Make the SDKs' first calls here, which build what an SDK then keeps: schemas of replies, resolved type hints.

    The server replies as to any program. Nothing of a call stays: neither a thread, which a fork would not take along,
    nor a connection.
    """
    for call in SDK_CALLS:
        exec(call, {})  # noqa: S102 - the texts above
    gc.collect()
    assert threading.active_count() == 1


def serve() -> None:
    """Fork a child for each line read, and write its exit code."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(order)
        signal.signal(signal.SIGALRM, lambda *_, pid=child: _end(pid))
        signal.alarm(order["seconds"])
        _, status = os.waitpid(child, 0)
        signal.alarm(0)
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status)}) + "\n")
        sys.stdout.flush()


def _end(child: int) -> None:
    """End a program that hangs, after it has shown where."""
    os.kill(child, signal.SIGUSR1)
    threading.Event().wait(2)
    os.kill(child, signal.SIGKILL)


def _run(order: dict[str, Any]) -> None:
    """Run the program in this process, with its own folder, environment and output, and exit with its code."""
    code = 1
    try:
        _become(order)
        try:
            runpy.run_path(order["program"], run_name="__main__")
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:  # noqa: BLE001 - as the interpreter does
            traceback.print_exc()
        threading._shutdown()  # type: ignore[attr-defined] # what the interpreter does at its end
        atexit._run_exitfuncs()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _become(order: dict[str, Any]) -> None:
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[:0] = [order["folder"]]
    sys.argv[:] = [order["program"]]
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    faulthandler.register(signal.SIGUSR1, file=2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    hurry()
    for name in SDKS:
        importlib.import_module(name)
    restore_sampling()
    accept_empty_keys()
    rest_by_default()
    importlib.import_module("tests.migration.behaviour.legacy").install()
    redirect(*(int(port) for port in sys.argv[1:3]))
    for name in learn():
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    rehearse()
    importlib.import_module("src.observability.redaction").redact("its patterns are compiled once")
    importlib.import_module("src.observability.redaction.judging.checks").bip39_ascii()
    importlib.import_module("src.models.pricing.prices").warm("openai", "gpt-4o")
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()  # a fork would leave its work half done, as that on the patterns of redaction
    assert threading.active_count() == 1
    gc.freeze()  # a fork then copies little
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    serve()
