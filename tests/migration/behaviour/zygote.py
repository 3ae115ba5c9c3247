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
import ctypes
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
    "src.models.raw_http.posted_model",
    "src.models.raw_http.sdk_clients",
    "src.models.raw_http.traced_http",
)
_CHAT = "chat.completions.create(model='m', messages=[{'role': 'user', 'content': 'x'}])"
_CLAUDE = "messages.create(model='m', max_tokens=1, messages=[{'role': 'user', 'content': 'x'}])"
KEYED = ("OPENAI", "ANTHROPIC", "GEMINI", "DEEPSEEK", "GROQ_API", "GROK_API", "OPENROUTER_API")
CALLS = (
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
    *(
        f"from src.models import ModelFactory; ModelFactory.get_model('{name}', 'm').chat('x')"
        for name in ("openai", "claude", "gemini", "ollama", "groq", "deepseek", "xai", "openrouter")
    ),
)
_FASTER = 100
_LARGE_PAGE, _COLLAPSE = 2**21, 25  # bytes; MADV_COLLAPSE of Linux


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


def rehearse() -> None:
    """Make the first calls of SDKs and factory here: they import, compile patterns and build schemas, which all stay.

    The server replies as to any program. Nothing else of a call stays: neither a thread, which a fork would not take
    along, nor a connection, a model or a store.
    """
    before = dict(os.environ)
    os.environ |= {"MOONDEV_TRACE_DB": str(Path.home() / "rehearsed.db"), **{f"{name}_KEY": "x" for name in KEYED}}
    for call in CALLS:
        exec(call, {})  # noqa: S102 - the texts above
    forget()
    os.environ.clear()
    os.environ.update(before)
    gc.collect()


def forget() -> None:
    """Make the factory and its tracing as in a process that has not called them."""
    used = importlib.import_module("src.observability.tracker").set_tracker(None)
    used.shutdown(0.0)
    importlib.import_module("src.models").model_factory._cache.clear()
    redaction = importlib.import_module("src.observability.redaction")
    redaction.redactor._learned, redaction.redactor._settings = (), redaction.redactor._Settings()
    redaction.redactor.refresh()


def collapse() -> None:
    """Lay this process's memory in large pages, of which a fork copies one entry where it copied 512.

    Linux 6.1 and later; where it is refused, forks are as before.
    """
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in Path("/proc/self/maps").read_text(encoding="ascii", errors="replace").splitlines():
        span, access, _, _, _, *path = line.split(maxsplit=5)
        if access == "rw-p" and path in ([], ["[heap]"]):
            first, end = (int(address, 16) for address in span.split("-"))
            begin = -(-first // _LARGE_PAGE) * _LARGE_PAGE
            if begin < end:
                advise(begin, (end - begin) // _LARGE_PAGE * _LARGE_PAGE, _COLLAPSE)


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
    importlib.import_module("google.generativeai").configure()  # which it does where a program imports it
    if "OLLAMA_HOST" in os.environ:  # which it reads where a program imports it
        importlib.reload(importlib.import_module("ollama"))
    importlib.import_module("tests.migration.behaviour.legacy").export_errors(Path(order["program"]).parent)
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
    rehearse()
    importlib.import_module("src.observability.redaction").redact("its patterns are compiled once")
    importlib.import_module("src.observability.redaction.judging.checks").bip39_ascii()
    importlib.import_module("src.models.pricing.prices").warm("openai", "gpt-4o")
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()  # a fork would leave its work half done, as that on the patterns of redaction
    assert threading.active_count() == 1
    gc.freeze()  # a fork then copies little
    if sys.platform == "linux":
        collapse()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    serve()
