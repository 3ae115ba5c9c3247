"""Measure what tracing adds to a call: latency and CPU over the raw SDK, beside Langfuse's own OpenAI wrapper.

Every variant asks the same model on a loopback server, in a process of its own (Langfuse's wrapper patches the openai
package, so variants cannot share one). Rounds are interleaved and the median of each is taken, so that a noisy
machine is noisy for all. CPU is that of the whole process: until the last call has returned, and until all that was
recorded is delivered to a server that takes everything, which Langfuse's SDK does later than calls. No two calls have
the same prompt, so that nothing is saved by remembering one. With --threads that many ask at once; times are then
those of a call among others.

Usage: python benchmarks/overhead.py [--calls 300] [--rounds 3] [--sizes 1 100] [--threads 1] [--variants ours raw ...]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
KEY = "sk-benchmark-0123456789abcdefghijklmnop"
VARIANTS = {
    "raw": "openai SDK alone",
    "ours": "ours, delivered",
    "ours_local": "ours, stored only",
    "ours_off": "ours, MOONDEV_TRACING=off",
    "langfuse": "langfuse.openai wrapper",
    "observe": "openai SDK in Langfuse's @observe",
    "raw_claude": "anthropic SDK alone",
    "ours_claude": "ours over it, delivered",
    "raw_groq": "groq SDK alone",
    "ours_groq": "ours over it, delivered",
    "raw_ollama": "ollama SDK alone",
    "ours_ollama": "ours over it, delivered",
    "raw_gemini": "google-genai SDK alone",
    "ours_gemini": "ours over it, delivered",
}
MODELS = {
    "claude": "claude-haiku-4-5",
    "groq": "openai/gpt-oss-120b",
    "ollama": "llama3.2",
    "gemini": "gemini-2.5-flash",
}
SYSTEM = "You trade."
ANSWER = json.dumps(
    {
        "action": "NOTHING",
        "confidence": 62,
        "reasoning": "RSI at 61 is neutral while price sits above both averages; volume is a third of its mean, "
        "so the move lacks support and waiting costs little.",
    }
)
REPLY = json.dumps(
    {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
        "usage": {"prompt_tokens": 250, "completion_tokens": 60, "total_tokens": 310},
    }
).encode()  # fmt: skip
OTHER_REPLIES = {
    "/v1/messages": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": MODELS["claude"], "stop_reason": "end_turn",
        "content": [{"type": "text", "text": ANSWER}], "usage": {"input_tokens": 250, "output_tokens": 60},
    },
    "/api/chat": {
        "model": MODELS["ollama"], "created_at": "2026-01-01T00:00:00Z", "done": True, "done_reason": "stop",
        "message": {"role": "assistant", "content": ANSWER}, "prompt_eval_count": 250, "eval_count": 60,
    },
    ":generateContent": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": ANSWER}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 250, "candidatesTokenCount": 60, "totalTokenCount": 310},
        "modelVersion": MODELS["gemini"], "responseId": "r1",
    },
}  # fmt: skip
REPLIES = {path: json.dumps(reply).encode() for path, reply in OTHER_REPLIES.items()} | {"/chat/completions": REPLY}


class Provider(BaseHTTPRequestHandler):
    """Answer every POST at once: chat completions, OTLP and scores alike."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read the request and send the one reply."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = next((reply for end, reply in REPLIES.items() if self.path.split("?")[0].endswith(end)), b"{}")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve() -> None:
    """Serve until killed; print the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


def prompt_of(kilobytes: int) -> str:
    """Return an ordinary trading prompt of this size: prices, each line another."""
    chance = random.Random(7)  # noqa: S311 - made-up prices
    lines: list[str] = []
    close = 42_000.0
    while sum(map(len, lines)) < kilobytes * 1024:
        close *= chance.gauss(1, 0.002)
        lines.append(
            f"BTC-USD 15m close {close:,.2f} RSI {chance.uniform(20, 80):.1f} MACD {chance.gauss(0, 30):.1f} "
            f"SMA20 {close * chance.gauss(1, 0.01):,.1f} volume {chance.uniform(50, 900):.2f} "
            f"trend {chance.choice(('up', 'down', 'flat'))}; "
        )
    return "".join(lines)[: kilobytes * 1024]


def provider_of(variant: str) -> str:
    """Return the provider that a variant asks."""
    name = variant.partition("_")[2]
    return name if name in MODELS else "openai"


def raw_claude(url: str) -> Any:
    """Return a call of the anthropic SDK alone."""
    import anthropic

    create = anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0).messages.create
    return lambda prompt: create(
        model=MODELS["claude"], max_tokens=4096, system=SYSTEM, messages=[{"role": "user", "content": prompt}]
    )


def raw_groq(url: str) -> Any:
    """Return a call of the groq SDK alone."""
    import groq

    create: Any = groq.Groq(api_key=KEY, base_url=url, max_retries=0).chat.completions.create
    return lambda prompt: create(model=MODELS["groq"], messages=messages_of(prompt))


def raw_ollama(url: str) -> Any:
    """Return a call of the ollama SDK alone."""
    import ollama

    client = ollama.Client(host=url)
    return lambda prompt: client.chat(model=MODELS["ollama"], messages=messages_of(prompt))


def raw_gemini(url: str) -> Any:
    """Return a call of the google-genai SDK alone."""
    from google import genai

    client = genai.Client(api_key=KEY, http_options={"base_url": url, "api_version": "v1beta"})
    config: Any = {"system_instruction": SYSTEM}
    return lambda prompt: client.models.generate_content(model=MODELS["gemini"], contents=prompt, config=config)


RAW = {"claude": raw_claude, "groq": raw_groq, "ollama": raw_ollama, "gemini": raw_gemini}


def messages_of(prompt: str) -> list[Any]:
    """Return a prompt as a conversation."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]


def caller(variant: str, url: str) -> Any:
    """Return the function that asks one prompt in this variant."""
    provider = provider_of(variant)
    if variant.startswith("ours"):
        from src.models import ModelFactory

        model = ModelFactory.get_model(provider, MODELS.get(provider, "gpt-4o"))
        return lambda prompt: model.generate_response(SYSTEM, prompt, temperature=None)
    if provider != "openai":
        return RAW[provider](url)
    if variant == "langfuse":
        from langfuse.openai import OpenAI  # type: ignore[attr-defined] # a module that stands in for openai
    else:
        from openai import OpenAI
    client = OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0)

    def call(prompt: str) -> Any:
        return client.chat.completions.create(model="gpt-4o", messages=messages_of(prompt))

    if variant == "observe":
        from langfuse import observe

        return observe(as_type="generation")(call)
    return call


def deliver(variant: str) -> None:
    """Wait until all that was recorded is delivered."""
    if variant in ("langfuse", "observe"):
        from langfuse import get_client

        get_client().flush()
    elif variant.startswith("ours"):
        from src.observability import flush

        if left := flush(60):
            sys.exit(f"{left} observations were not delivered")


def work(variant: str, url: str, kilobytes: int, calls: int, threads: int) -> None:
    """Make the calls of one round; print what they took as JSON."""
    call, prompt = caller(variant, url), prompt_of(kilobytes)
    for number in range(60):
        call(f"{number} {prompt}")
    deliver(variant)
    wall: list[float] = []

    def ask(first: int) -> None:
        for number in range(first, calls, threads):
            fresh = f"Call {number}. {prompt}"
            before = time.perf_counter()
            call(fresh)
            wall.append(time.perf_counter() - before)

    began = time.process_time()
    workers = [threading.Thread(target=ask, args=(first,)) for first in range(threads)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    call_cpu = time.process_time() - began
    deliver(variant)
    total_cpu = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took = {"p50_us": statistics.median(wall), "cpu_us": call_cpu / calls, "all_us": total_cpu / calls}
    print(json.dumps({**{name: value * 1e6 for name, value in took.items()}, "memory_mb": memory}), flush=True)
    os._exit(0)


def environment(variant: str, url: str, folder: str) -> dict[str, str]:
    """Return a variant's environment: only what it needs."""
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    variables |= {"PYTHONPATH": str(ROOT), "OPENAI_KEY": KEY, "OPENAI_BASE_URL": f"{url}/v1", "MOONDEV_DOTENV": "off"}
    variables |= {"ANTHROPIC_KEY": KEY, "CLAUDE_BASE_URL": url, "GROQ_API_KEY": KEY, "GROQ_BASE_URL": url}
    variables |= {"GEMINI_KEY": KEY, "GEMINI_BASE_URL": url, "OLLAMA_HOST": url}
    variables |= {"MOONDEV_TRACE_DB": str(Path(folder) / f"{variant}-{time.monotonic_ns()}.db")}
    if variant == "ours_off":
        variables["MOONDEV_TRACING"] = "off"
    if not variant.startswith("raw") and variant not in ("ours_local", "ours_off"):
        variables |= {"LANGFUSE_PUBLIC_KEY": "pk-lf-b", "LANGFUSE_SECRET_KEY": "sk-lf-b", "LANGFUSE_HOST": url}
    return variables


def measure(options: argparse.Namespace, url: str) -> list[dict[str, Any]]:
    """Run all rounds of all variants; return a row for each variant and size."""
    rows = []
    variants = {*options.variants, *map(alone, options.variants)}
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            rounds: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS if variant in variants}
            for turn in range(options.rounds):
                for variant, turns in rounds.items():
                    print(f"\r{size} KB, round {turn + 1} of {options.rounds}, {variant:12}", end="", file=sys.stderr)
                    command = [sys.executable, __file__, "--work", variant, "--url", url, "--sizes", str(size)]
                    done = subprocess.run(
                        [*command, "--calls", str(options.calls), "--threads", str(options.threads)],
                        env=environment(variant, url, folder), capture_output=True, text=True, check=False,
                    )  # fmt: skip
                    if done.returncode:
                        sys.exit(f"\n{variant} failed:\n{done.stderr}")
                    turns.append(json.loads(done.stdout.splitlines()[-1]))
            rows += [summed(variant, size, turns, rounds[alone(variant)]) for variant, turns in rounds.items()]
    print(file=sys.stderr)
    return rows


def alone(variant: str) -> str:
    """Return the variant that is the same provider's SDK alone."""
    provider = provider_of(variant)
    return "raw" if provider == "openai" else f"raw_{provider}"


def summed(variant: str, size: int, turns: list[dict[str, float]], raw: list[dict[str, float]]) -> dict[str, Any]:
    """Return the medians of a variant, and what it adds to the raw SDK in the same round."""
    added = {
        f"added_{name}": statistics.median(here[name] - base[name] for here, base in zip(turns, raw, strict=True))
        for name in ("p50_us", "cpu_us", "all_us")
    }
    medians = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
    return {"variant": variant, "size_kb": size, **medians, **added}


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    titles = ("prompt", "variant", "p50", "added", "CPU in calls", "added", "of Langfuse's")
    for title in (*titles, "with delivery", "added", "of Langfuse's", "memory"):
        table.add_column(title, justify="left" if title == "variant" else "right", no_wrap=True)
    peers = {row["size_kb"]: row for row in rows if row["variant"] == "langfuse"}
    for row in rows:
        peer = None if row["variant"].startswith("raw") else peers.get(row["size_kb"])
        table.add_row(
            f"{row['size_kb']} KB",
            VARIANTS[row["variant"]],
            f"{row['p50_us'] / 1000:.3f} ms",
            f"{row['added_p50_us'] / 1000:+.3f} ms",
            *_cells(row, peer, "cpu_us"),
            *_cells(row, peer, "all_us"),
            f"{row['memory_mb']:.0f} MB",
        )
    Console(width=160).print(table)


def _cells(row: dict[str, Any], peer: dict[str, Any] | None, name: str) -> tuple[str, str, str]:
    """Return a time, what of it is added, and that as a part of what Langfuse's wrapper adds."""
    added = row[f"added_{name}"]
    return f"{row[name]:.0f} us", f"{added:+.0f} us", f"{added / peer[f'added_{name}']:.2f}" if peer else ""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=300, help="calls in a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each variant")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 100], help="prompt sizes in KB")
    parser.add_argument("--threads", type=int, default=1, help="how many ask at once")
    parser.add_argument("--variants", choices=VARIANTS, nargs="+", default=list(VARIANTS), help="only these")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
    elif options.work:
        work(options.work, options.url, options.sizes[0], options.calls, options.threads)
    else:
        with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                rows = measure(options, f"http://127.0.0.1:{server.stdout.readline().strip()}")
            finally:
                server.kill()
        print(json.dumps(rows)) if options.json else show(rows)


if __name__ == "__main__":
    main()
