"""What the migration knows of texts, fields of data classes and dictionaries of options; where not, calls stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.migration.rewrite.file import migrate
from src.migration.rewrite.project.jobs import jobs_of

if TYPE_CHECKING:
    from pathlib import Path

    from src.migration.rewrite.records import Outcome

_OPENAI = "import os\nfrom openai import OpenAI\n"
_CALL = "chat.completions.create(model='m', messages=[{'role': 'user', 'content': q}]).choices[0].message.content"
_RESPONSES = (
    _OPENAI + "client = OpenAI()\ndef ask(q):\n    return client.responses.create(model='m', input=q).output_text\n"
)
_METHOD = (
    "class Desk{}:\n    def ask(self, q):\n        return client.responses.create(model='m', input=q).output_text\n"
)
_GOOGLE = "import google.generativeai as genai\nmodel = genai.GenerativeModel('g')\n"
_RECORD = f"""from dataclasses import dataclass, field
from typing import Any
from openai import OpenAI
@dataclass
class Desk:
    name: str
    client: Any<default>
    def ask(self, q):
        return self.client.{_CALL}
"""
_MADE = " = field(default_factory=lambda: OpenAI())"
_OPTIONS = _OPENAI + 'OPTIONS = {"api_key": os.getenv("K"), "timeout": 20}\n'
_UNPACKED = f"client = OpenAI(**OPTIONS)\ndef ask(q):\n    return client.{_CALL}\n"


def migrated(folder: Path, main: str, **others: str) -> Outcome:
    for name, text in {"main": main, **others}.items():
        (folder / f"{name}.py").write_text(text)
    (job,) = (job for job in jobs_of([folder]) if job.name == "main.py")
    return migrate(job.path, job.name, job.project)


def moves(outcome: Outcome) -> bool:
    statuses = {site.status for site in outcome.sites}
    assert statuses
    return statuses == {"migrated"}


@pytest.mark.parametrize(
    ("rest", "is_known"),
    [
        ("print(ask('q'))", True),
        ("def main(q: str):\n    return ask(q)", True),
        ("QUESTIONS = ['a', f'{1}']\nfor question in QUESTIONS[:2]:\n    print(ask(question))", True),
        ("print([ask(question) for question in ('a', 'b')])", True),
        ("print(ask(os.getenv('Q') or 'q'))", False),
        ("print(ask([{'role': 'user', 'content': 'x'}]))", False),
        ("def main(q):\n    return ask(q)", False),
        ("print(ask('q'))\nprint(list(map(ask, [['x']])))", False),
        ("print(ask('q'))\nprint(globals()['ask'](['x']))", False),
        ("QUESTIONS = ['a']\nQUESTIONS.append(['x'])\nfor question in QUESTIONS:\n    print(ask(question))", False),
        ("QUESTIONS = ['a']\nQUESTIONS[0] = ['x']\nfor question in QUESTIONS:\n    print(ask(question))", False),
        ("QUESTIONS = ['a']\nfill(QUESTIONS)\nfor question in QUESTIONS:\n    print(ask(question))", False),
        ("QUESTIONS = load()\nfor question in QUESTIONS:\n    print(ask(question))", False),
        (_METHOD.format("") + "print(Desk().ask('q'), ask('q'))", True),
        (_METHOD.format("") + "print(Desk().ask('q'), ask('q'), getattr(Desk(), 'ask')(['x']))", False),
        (_METHOD.format("(Agent)") + "print(Desk().ask('q'), ask('q'))", False),
    ],
)
def test_an_input_moves_where_every_caller_passes_a_text(rest: str, *, is_known: bool, tmp_path: Path) -> None:
    assert moves(migrated(tmp_path, f"{_RESPONSES}{rest}\n")) is is_known


@pytest.mark.parametrize(
    ("other", "is_known"),
    [("def ask(x):\n    pass", True), ("import main\nmain.ask([x])", False), ("from main import *\nask([x])", False),
     ("import main\nmain.QUESTIONS.append([x])", False)],
)  # fmt: skip
def test_an_input_stays_where_another_file_may_pass_it(other: str, *, is_known: bool, tmp_path: Path) -> None:
    main = f"{_RESPONSES}QUESTIONS = ['a']\nfor question in QUESTIONS:\n    print(ask(question))\n"
    assert moves(migrated(tmp_path, main, other=other)) is is_known


@pytest.mark.parametrize(
    ("contents", "is_known"),
    [("['q']", True), ("[str(chart)]", True), ("[chart]", False), ("['q', 'r']", False), ("[*chart]", False)],
)
def test_a_list_of_one_text_is_the_text(contents: str, *, is_known: bool, tmp_path: Path) -> None:
    outcome = migrated(tmp_path, f"{_GOOGLE}def ask(chart):\n    return model.generate_content({contents}).text\n")
    assert moves(outcome) is is_known


@pytest.mark.parametrize(
    ("default", "rest", "is_known"),
    [
        ("", "print(Desk('a', OpenAI()).ask('q'))", True),
        ("", "print(Desk(client=OpenAI(), name='a').ask('q'))", True),
        (_MADE, "print(Desk('a').ask('q'))", True),
        (_MADE, "print(Desk('a').ask('q'), Desk('b', OpenAI(timeout=3)).ask('q'))", True),
        (" = None", "print(Desk('a', OpenAI()).ask('q'))", True),
        ("", "print(Desk('a', make()).ask('q'))", False),
        ("", "print(Desk('a', OpenAI()).ask('q'), Desk(**settings).ask('q'))", False),
        (_MADE, "print(Desk('a', *rest).ask('q'))", False),
        (
            "",
            "def build(kind, *a):\n    return kind(*a)\nprint(Desk('a', OpenAI()).ask('q'), build(Desk, 'b', x))",
            False,
        ),
        ("", "print(Desk('a', OpenAI()).ask('q'), list(map(Desk, ['b'], [x])))", False),
        ("", "def use(desk: Desk):\n    return desk.ask('q')\nprint(use(Desk('a', OpenAI())))", True),
        ("", "@dataclass\nclass Other(Desk):\n    mode: int = 0\nprint(Other('a', OpenAI(), 3).ask('q'))", False),
        ("", "print(Desk('a', OpenAI()).ask('q'))\nprint(Desk('a', OpenAI()).client.api_key)", False),
    ],
)
def test_a_client_in_a_data_class_moves_where_all_that_make_it_are_known(
    default: str, rest: str, *, is_known: bool, tmp_path: Path
) -> None:
    assert moves(migrated(tmp_path, f"{_RECORD.replace('<default>', default)}{rest}\n")) is is_known


def test_another_file_may_pass_another_client_for_a_field(tmp_path: Path) -> None:
    main = f"{_RECORD.replace('<default>', '')}print(Desk('a', OpenAI()).ask('q'))\n"
    assert not moves(migrated(tmp_path, main, other="from main import Desk\nDesk('b', fake).ask('q')\n"))


@pytest.mark.parametrize(
    ("change", "is_known"),
    [
        ("", True),
        ("print(OPTIONS['timeout'], OPTIONS.get('x'), {**OPTIONS})", True),
        ("OPTIONS['organization'] = 'o'", False),
        ("del OPTIONS['timeout']", False),
        ("OPTIONS.update(organization='o')", False),
        ("OPTIONS |= {'organization': 'o'}", False),
        ("alias = OPTIONS\nalias['organization'] = 'o'", False),
        ("configure(OPTIONS)", False),
        ("holder = [OPTIONS]", False),
        ("if fast:\n    OPTIONS = {}", False),
    ],
)
def test_a_client_made_with_a_dictionary_moves_where_it_is_never_changed(
    change: str, *, is_known: bool, tmp_path: Path
) -> None:
    outcome = migrated(tmp_path, f"{_OPTIONS}{change}\n{_UNPACKED}")
    assert moves(outcome) is is_known
    if is_known:
        after = (outcome.after or b"").decode()
        assert (
            'get_model("openai", \'m\', api_key=OPTIONS["api_key"], timeout=OPTIONS["timeout"], compat="openai")'
            in after
        )


def test_headers_in_a_dictionary_may_change_between_the_calls(tmp_path: Path) -> None:
    options = _OPTIONS.replace('"timeout": 20', '"default_headers": {"X-Desk": "1"}')
    assert not moves(migrated(tmp_path, f"{options}{_UNPACKED}OPTIONS['default_headers']['X-Desk'] = '2'\n"))


def test_another_file_may_change_a_dictionary_of_options(tmp_path: Path) -> None:
    outcome = migrated(tmp_path, f"{_OPTIONS}{_UNPACKED}", other="import main\nmain.OPTIONS['organization'] = 'o'\n")
    assert not moves(outcome)


@pytest.mark.parametrize(
    ("items", "change", "is_known"),
    [
        ("'system': 'terse', 'messages': M", "", True),
        ("'system': f'as of {q}', 'messages': M, 'stream': False", "", True),
        ("'system': [{'type': 'text', 'text': 'terse'}], 'messages': M", "", False),
        ("'system': system(), 'messages': M", "", False),
        ("'messages': M, 'stream': fast", "", False),
        ("'system': 'terse', 'messages': M", "params['metadata'] = {}", False),
        ("'system': 'terse', 'messages': M", "log(params)", False),
        ("'system': 'terse', 'messages': M, **more", "", False),
        ("'system': 'terse', 'messages': M, 'model': 'n'", "", False),
    ],
)
def test_a_call_with_a_dictionary_moves_where_all_that_it_holds_is_known(
    items: str, change: str, *, is_known: bool, tmp_path: Path
) -> None:
    call = "client.messages.create(model='m', **params).content[0].text"
    text = (
        f"import anthropic\nclient = anthropic.Anthropic()\ndef ask(q, M):\n    params = {{'max_tokens': 9, {items}}}\n"
    )
    outcome = migrated(tmp_path, f"{text}    {change or 'pass'}\n    return {call}\n")
    assert moves(outcome) is is_known
