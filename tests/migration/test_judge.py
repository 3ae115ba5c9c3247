"""The judge of migrated files: clients that something can reach unseen stay, also where the analysis errs."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from src.migration.rewrite import judge, plan
from src.migration.rewrite.analysis.values import UNKNOWN, Evaluator
from src.migration.rewrite.file import migrate
from src.migration.rewrite.find.clients import group_clients
from src.migration.rewrite.leftovers import leftovers
from src.migration.rewrite.project.jobs import jobs_of
from src.migration.rewrite.translate import reply_reads
from tests.migration.followed_clients import FOLLOWED
from tests.migration.hidden_clients import HIDDEN

if TYPE_CHECKING:
    from pathlib import Path

    import libcst as cst

    from src.migration.rewrite.analysis.values import Values
    from src.migration.rewrite.find.clients import Group
    from src.migration.rewrite.records import Outcome, Site


def migrated(folder: Path, **files: str) -> Outcome:
    """Migrate `main.py` of a project."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (job,) = (job for job in jobs_of([folder]) if job.name == "main.py")
    return migrate(job.path, job.name, job.project)


def is_untouched(outcome: Outcome) -> bool:
    """Tell whether all clients of a file stay, at most traced where they are made, and each call is listed."""
    lines = enumerate(outcome.before.decode().splitlines(), 1)
    calls = {number for number, line in lines if ".create(" in line}
    sites = [site for site in (*outcome.sites, *leftovers(outcome)) if site.status in {"left", "traced"}]
    assert all(site.reason for site in sites)
    assert calls <= {site.line for site in sites}
    return outcome.after is None or _without_tracing(outcome.after) == ast.dump(ast.parse(outcome.before))


class _Untraced(ast.NodeTransformer):
    """Turn `ModelFactory.traced(client)` into `client`, and drop the factory's import."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        return node.args[0] if ast.unparse(node.func) == "ModelFactory.traced" else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        return None if node.module == "src.models.model_factory" else node


def _without_tracing(text: bytes) -> str:
    """Return the syntax tree of a module as it was before its clients were traced."""
    return ast.dump(_Untraced().visit(ast.parse(text)))


@pytest.mark.parametrize("kind", sorted(HIDDEN))
def test_a_client_that_something_can_reach_unseen_stays(kind: str, tmp_path: Path) -> None:
    assert is_untouched(migrated(tmp_path, main=HIDDEN[kind]))


@pytest.mark.parametrize("kind", sorted(FOLLOWED))
def test_a_client_whose_every_use_is_followed_moves(kind: str, tmp_path: Path) -> None:
    outcome = migrated(tmp_path, main=FOLLOWED[kind])
    assert [site.status for site in outcome.sites] == ["migrated"], outcome.sites


@pytest.mark.parametrize(
    ("client", "call", "missing"),
    [
        ("openai import OpenAI", "chat.completions.create(messages=M)", "model"),
        ("openai import OpenAI", "responses.create(input='q')", "model"),
        ("groq import Groq", "chat.completions.create(messages=M, temperature=0)", "model"),
        ("anthropic import Anthropic", "messages.create(model='m', messages=M)", "max_tokens"),
        ("anthropic import Anthropic", "messages.create(messages=M)", "model and no max_tokens"),
    ],
)
def test_a_call_without_what_its_sdk_requires_stays(client: str, call: str, missing: str, tmp_path: Path) -> None:
    name = client.rpartition(" ")[2]
    text = f"from {client}\n\nM = [{{'role': 'user', 'content': 'q'}}]\nclient = {name}()\nclient.{call}\n"
    outcome = migrated(tmp_path, main=text)
    assert is_untouched(outcome)
    assert any(f"names no {missing}, " in site.reason for site in outcome.sites), outcome.sites


@pytest.fixture
def careless_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the analysis take every client for one that can move, and every unknown value for a client that it knows."""
    evaluate = Evaluator.of

    def sure(self: Evaluator, node: cst.CSTNode | None) -> Values:
        values = evaluate(self, node)
        clients = frozenset(value for value in values if value.kind == "client")
        return clients or values - {UNKNOWN} or values

    def unblocked(values: Evaluator, sites: list[Site]) -> list[Group]:
        groups = group_clients(values, sites)
        for group in groups:
            group.blockers.clear()
        return groups

    monkeypatch.setattr(Evaluator, "of", sure)
    monkeypatch.setattr(plan, "group_clients", unblocked)


@pytest.mark.usefixtures("careless_analysis")
@pytest.mark.parametrize("kind", sorted(HIDDEN))
def test_the_judge_alone_takes_back_what_a_careless_analysis_lets_through(kind: str, tmp_path: Path) -> None:
    assert is_untouched(migrated(tmp_path, main=HIDDEN[kind]))


@pytest.mark.usefixtures("careless_analysis")
def test_a_careless_analysis_does_let_clients_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "objections_to", lambda *_, **__: [])
    changed, some = [], list(HIDDEN.items())[::3]
    for kind, text in some:
        folder = tmp_path / kind.replace(" ", "-").replace("'", "")
        folder.mkdir()
        changed += [kind] * (migrated(folder, main=text).after is not None)
    assert len(changed) > len(some) // 2, sorted({kind for kind, _ in some} - set(changed))


LOOP = """
from openai import OpenAI

client = OpenAI()
messages = [{"role": "user", "content": "q"}]
response = client.chat.completions.create(model="m", messages=messages)
while response.choices[0].message.tool_calls:
    messages.append(response.choices[0].message)
    response = client.chat.completions.create(model="m", messages=messages)
print(response.choices[0].message.content)
"""


def test_a_reply_in_its_sdks_own_form_is_read_as_the_program_read_it(tmp_path: Path) -> None:
    outcome = migrated(tmp_path, main=LOOP)
    assert outcome.after is not None
    assert b".raw_response" in outcome.after
    assert b"message.tool_calls" in outcome.after


@pytest.mark.parametrize("invented", ["raw_response.raw_response", "raw_response.content", "raw_response[0]"])
def test_the_judge_takes_back_reads_that_the_program_did_not_have(
    invented: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = reply_reads.ReadReplacement

    def inventing(node: cst.CSTNode, suffix: str) -> reply_reads.ReadReplacement:
        return real(node, suffix.replace(".raw_response", f".{invented}"))

    monkeypatch.setattr(reply_reads, "ReadReplacement", inventing)
    assert is_untouched(migrated(tmp_path, main=LOOP))
