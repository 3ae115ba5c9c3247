"""What the migration of one file knows of the others, of its own place, and of what stays in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from src.migration.rewrite import command
from src.migration.rewrite.file import migrate
from src.migration.rewrite.leftovers import leftovers
from src.migration.rewrite.project.jobs import jobs_of
from tests.commands import run_main

if TYPE_CHECKING:
    from pathlib import Path

_CALL = 'chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])'
_TEXT = f"{_CALL}.choices[0].message.content"
_START = "from openai import OpenAI\n\n"
_AGENT = f"""from openai import OpenAI

class Agent:
    def __init__(self):
        self.client = OpenAI()

    def ask(self):
        return self.client.{_TEXT}
"""
_USER = "from agent import Agent\n\n"
_PLAIN = f"import os\nfrom openai import OpenAI\n\nprint(OpenAI().{_TEXT})\n"


def statuses(folder: Path, name: str = "agent.py") -> dict[int, str]:
    """Return the status of each reported line of one file."""
    (job,) = (job for job in jobs_of([folder]) if job.name == name)
    outcome = migrate(job.path, job.name, job.project)
    return {site.line: site.status for site in (*outcome.sites, *leftovers(outcome))}


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("user", "status"),
    [
        (_USER + "print(Agent().ask())", "migrated"),
        (_USER + "print(Agent().ask(), other.client)", "traced"),
        (_USER + "a = Agent()\na.client = None\nprint(a.ask())", "traced"),
        (_USER + "print(getattr(Agent(), 'client'))", "traced"),
        (_USER + "class Sub(Agent):\n    def key(self):\n        return self.client.api_key", "traced"),
        ("from agent import *\nclass Sub(Agent):\n    def key(self):\n        return self.client.api_key", "traced"),
        ("from unittest.mock import patch\nimport agent\nwith patch('agent.Agent.client'):\n    pass", "traced"),
        ("class Own:\n    def __init__(self):\n        self.client = 1", "migrated"),
    ],
)
def test_what_another_file_can_do_with_a_client(user: str, status: str, tmp_path: Path) -> None:
    write(tmp_path, agent=_AGENT, user=user)
    assert statuses(tmp_path)[8] == status


@pytest.mark.parametrize(
    ("user", "status"),
    [
        ("from agent import ask\nprint(ask('x'))", "migrated"),
        ("from agent import ask\nprint(ask('x', client=None))", "traced"),
        ("import agent\nprint(agent.ask('x', other))", "traced"),
        ("import agent\nprint(agent.ask(*everything))", "traced"),
    ],
)
def test_another_file_may_pass_another_client(user: str, status: str, tmp_path: Path) -> None:
    asking = (
        f"from openai import OpenAI\n\ndef ask(text, client=OpenAI()):\n    return client.{_TEXT}\n\nprint(ask('x'))\n"
    )
    write(tmp_path, agent=asking, user=user)
    assert statuses(tmp_path)[4] == status


@pytest.mark.parametrize(
    ("user", "status"),
    [
        ("import agent\nprint(agent.chat)", "migrated"),
        ("from agent import ask, chat\nprint(ask(), chat)", "migrated"),
        ("import agent\nagent.chat = lambda **_: {}", "left"),
        ("import agent\ndef test(monkeypatch):\n    monkeypatch.setattr(agent, 'chat', fake)", "left"),
        ("import agent\ndef test(monkeypatch):\n    monkeypatch.setattr('agent.chat', fake)", "left"),
        ("import agent\n@patch('agent.chat')\ndef test(chat):\n    agent.ask()", "left"),
        ("import agent as tested\nwith patch.object(tested, 'chat'):\n    tested.ask()", "left"),
        ("import agent, ollama\nollama.chat = fake", "left"),
        ("import agent\n@patch('ollama._client.Client.chat')\ndef test(chat):\n    agent.ask()", "left"),
        ("import agent\n@patch('other.chat')\ndef test(chat):\n    agent.ask()", "migrated"),
    ],
)
def test_a_call_stays_where_another_file_puts_something_in_the_place_of_the_sdk(
    user: str, status: str, tmp_path: Path
) -> None:
    question = '[{"role": "user", "content": "x"}]'
    text = f'from ollama import chat\n\ndef ask():\n    return chat(model="m", messages={question}).message.content\n'
    write(tmp_path, agent=text, test_agent=user)
    assert statuses(tmp_path)[4] == status


@pytest.mark.parametrize(
    "target", ["agent.OpenAI", "app.agent.OpenAI", "openai.OpenAI", "openai.resources.chat.X.create"]
)
def test_a_fixture_that_replaces_the_sdk_leaves_the_calls(target: str, tmp_path: Path) -> None:
    fixture = f"@pytest.fixture(autouse=True)\ndef fake(monkeypatch):\n    monkeypatch.setattr('{target}', Fake)\n"
    write(tmp_path, agent=_PLAIN, tests__conftest=fixture)
    assert statuses(tmp_path)[4] == "traced"
    write(tmp_path, tests__conftest=fixture.replace(target, "other.thing"))
    assert statuses(tmp_path)[4] == "migrated"


def test_the_base_class_of_another_file_may_use_the_same_attribute(tmp_path: Path) -> None:
    derived = f"from base import Base\n{_AGENT.replace('Agent:', 'Agent(Base):')}"
    write(tmp_path, agent=derived, base="class Base:\n    def key(self):\n        return self.name\n")
    assert statuses(tmp_path)[9] == "migrated"
    write(tmp_path, base="class Base:\n    def key(self):\n        return self.client.api_key\n")
    assert statuses(tmp_path)[9] == "traced"


@pytest.mark.parametrize(
    ("start", "is_there"),
    [
        ("import sys\nsys.path.append(str(Path(__file__).resolve().parent.parent.parent))", True),
        ("import sys\nsys.path.insert(0, str(Path(__file__).parents[2]))", True),
        ("import os, sys\nROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))\n"
         "if ROOT not in sys.path:\n    sys.path.append(ROOT)", True),
        ("import os, sys\nhere = os.path.dirname(os.path.abspath(__file__))\n"
         "sys.path.append(os.path.dirname(os.path.dirname(here)))", True),
        ("import sys\nroot = Path(__file__).resolve().parent / '..' / '..'\nsys.path.append(str(root))", True),
        ("from src.config import SYMBOLS", True),
        ("# sys.path has the root", False),
        ("print('sys.path')", False),
        ("import sys\nsys.path.append('/opt/strategies')", False),
        ("import sys\nsys.path.append(str(Path(__file__).parent))", False),
        ("import sys\nsys.path.append('.')", False),
        ("import sys\nif len(sys.argv) > 1:\n    sys.path.append(str(Path(__file__).parents[2]))", False),
        ("import sys\ndef later():\n    sys.path.append(str(Path(__file__).parents[2]))", False),
        ("import sys\nprint(sys.path)", False),
        ("import sys\nsys.path.remove(str(Path(__file__).parents[2]))", False),
    ],
)  # fmt: skip
def test_the_root_is_put_on_the_path_unless_it_is_seen_to_be_there(start: str, is_there: bool, tmp_path: Path) -> None:
    write(tmp_path, src__agents__agent=f"from pathlib import Path\n{start}\n{_PLAIN}")
    (tmp_path / "src" / "models").mkdir()
    (job,) = jobs_of([tmp_path])
    after = (migrate(job.path, job.name, job.project).after or b"").decode()
    assert "ModelFactory.get_model" in after
    assert ("_sys.path.append(str(_Path(__file__).resolve().parents[2]))" in after) is not is_there


@pytest.mark.parametrize(
    ("use", "is_test"),
    [
        ("print('yes' if openai else 'no')", True),
        ("if openai is None:\n    print('openai is not installed')", True),
        ("HAS = bool(openai)", True),
        ("if openai is not None and openai.__version__ > '1':\n    print('new')", False),
        ("modules = {'openai': openai}", False),
        ("print(openai if openai else None)", False),
        ("__all__ = ['openai']", False),
        ("def f(m=openai):\n    return m", False),
    ],
)
def test_an_import_is_a_test_of_presence_by_how_its_name_is_used(use: str, is_test: bool, tmp_path: Path) -> None:
    write(tmp_path, agent=f"try:\n    import openai\nexcept ImportError:\n    openai = None\n{use}\n")
    (job,) = jobs_of([tmp_path])
    after = migrate(job.path, job.name, job.project).after or b""
    assert (b"asks whether the package is installed" in after) is is_test


@pytest.mark.parametrize(
    ("name", "text", "is_kept"),
    [
        ("desk/__init__", "from openai import Timeout\n", True),
        ("desk/names", "from openai import Timeout\n", False),
        ("desk/names", "from openai import APIError, Timeout\nx = 1\n__all__ = ['Timeout', 'x']\n", True),
        ("desk/names", "from openai import Timeout\n__all__ = []\n__all__ += ['Timeout']\n", True),
        ("desk/names", "from openai import Timeout as Timeout\n", True),
        ("desk/names", "from openai import Timeout\ndef wait(limit: 'Timeout'): pass\n", True),
        ("desk/names", "from openai import Timeout\nname = 'Timeout'\n", False),
    ],
)
def test_a_name_that_a_file_offers_stays_imported(name: str, text: str, is_kept: bool, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.py"
    file.parent.mkdir()
    file.write_text(text)
    (job,) = jobs_of([tmp_path])
    after = (migrate(job.path, job.name, job.project).after or text.encode()).decode()
    assert ("import Timeout" in after or ", Timeout" in after) is is_kept
    assert "APIError" not in after


@pytest.mark.parametrize(
    ("names", "status"),
    [("import re\nPATTERN = 1", "migrated"), ("PATTERN = 1", "review"), ("__all__ = ['PATTERN']\nimport re", "review")],
)
def test_what_a_star_import_of_the_checkout_brings_in_is_known(names: str, status: str, tmp_path: Path) -> None:
    asking = (
        f"from settings import *\n{_START}def ask():\n    t = OpenAI().{_TEXT}\n    return re.sub(PATTERN, '', t)\n"
    )
    write(tmp_path, agent=asking, settings=names)
    assert statuses(tmp_path)[5] == status
    write(tmp_path, settings="from elsewhere_installed import *")
    assert statuses(tmp_path)[5] == "migrated"


@pytest.mark.parametrize(
    ("made_by", "reason"),
    [
        ("return Anthropic(api_key=key)", ": Anthropic in line 8 is not defined in this file"),
        ("return settings.make(key)", ": the value of settings.make(key) in line 8 is not known"),
        ("other = key or None\n    return other", ': the value of os.getenv("ANTHROPIC_KEY") in line 7 is not known'),
    ],
)
def test_the_reason_names_what_is_not_known(made_by: str, reason: str, tmp_path: Path) -> None:
    """A variable that is one of two clients stays where one of them is not known."""
    source = f"""import os
import settings
from openai import OpenAI
def first():
    return OpenAI(api_key=os.getenv("OPENAI_KEY"))
def second():
    key = os.getenv("ANTHROPIC_KEY")
    {made_by}
def ask(model, text):
    client = first() if "gpt" in model else second()
    if not client:
        return None
    return client.chat.completions.create(model=model, messages=[{{"role": "user", "content": text}}])
"""
    write(tmp_path, agent=source)
    (job,) = jobs_of([tmp_path])
    (site,) = migrate(job.path, job.name, job.project).sites
    assert site.status in ("left", "traced")
    assert site.reason.endswith(reason)


def test_a_file_whose_calls_are_all_left_stays_byte_for_byte(tmp_path: Path) -> None:
    write(
        tmp_path,
        agent=f"import openai\nimport anthropic\n{_START}def ask(client):\n    return client.{_TEXT}\n",
    )
    (job,) = jobs_of([tmp_path])
    outcome = migrate(job.path, job.name, job.project)
    assert outcome.after is None
    assert [site.status for site in outcome.sites] == ["left"]


def test_each_call_that_stays_is_listed(tmp_path: Path) -> None:
    text = f"""from openai import OpenAI

client = OpenAI()
print(client.{_TEXT})


def ask(sdk, create, clients):
    first = sdk.{_CALL}
    chat = sdk.chat.completions
    second = chat.create(model="m", messages=[])
    return [first, second, create(model="m"), clients.pop().messages.create(model="m", max_tokens=1, messages=[])]
"""
    write(tmp_path, agent=text)
    by_line = statuses(tmp_path)
    assert by_line[4] == "migrated"
    assert {line for line, status in by_line.items() if status == "left"} >= {8, 10, 11}


_SERVER = """from fastapi import FastAPI
app = FastAPI()

@app.post("/v1/chat/completions")
def answer(body: dict):
    return {"choices": []}
"""
_BODY = '{{"model": "m", "messages": []}}'
_POST = f'import requests\nprint(requests.post("{{address}}/v1/chat/completions", json={_BODY}).json())\n'


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("http://localhost:8000", "left"),
        ("http://127.0.0.1:8000", "left"),
        ("http://localhost:11434", "migrated"),
        ("https://api.openai.com", "migrated"),
    ],
)
def test_a_smoke_test_of_the_checkouts_own_server_stays(address: str, status: str, tmp_path: Path) -> None:
    write(tmp_path, server=_SERVER, agent=_POST.format(address=address))
    assert statuses(tmp_path)[2] == status
    (tmp_path / "server.py").unlink()
    assert statuses(tmp_path)[2] == "migrated"


def test_an_sdk_client_of_the_checkouts_own_server_stays(tmp_path: Path) -> None:
    asking = f'from openai import OpenAI\n\nprint(OpenAI(base_url="http://localhost:8000/v1", api_key="x").{_TEXT})\n'
    write(tmp_path, server=_SERVER, agent=asking)
    assert statuses(tmp_path)[3] == "traced"


def test_the_report_of_the_command_has_each_call_that_stays(tmp_path: Path) -> None:
    write(tmp_path, agent=f"from openai import OpenAI\n\ndef ask(a, b):\n    x = a.{_CALL}\n    return b.{_CALL}, x\n")
    report = tmp_path / "report.json"
    assert run_main(command.main, "--jobs", "1", tmp_path, "--report", report).returncode == 20
    assert [site["line"] for site in json.loads(report.read_text())["sites"]] == [4, 5]
