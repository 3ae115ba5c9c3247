"""What a checkout imports of the packages and will not find there is named, module and name, wherever it stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from src.migration.install import command, importers, plan
from src.migration.install.importers import broken_places
from src.migration.install.module_names import Modules
from src.models import base_model

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "src/models/__init__.py": "from src.models.model_factory import ModelFactory, model_factory\n",
    "src/models/model_factory.py": """
from typing import TYPE_CHECKING
import json as json_of_ours
if TYPE_CHECKING:
    from decimal import Decimal
    OnlyForTypes = int
else:
    AtRunTime = 1
try:
    import orjson
except ImportError as error:
    orjson = None
annotated: int
with open("x") as handle, open("y"):
    inside = [not_bound for not_bound in ()]
for position in range(3):
    pass
class ModelFactory: ...
def maker():
    global made_late
    made_late = 1
model_factory = ModelFactory()
(first, [second]), third = ((1, [2]), 3)
""",
    "src/models/starred.py": "from src.models.model_factory import *\n",
    "src/models/starred_outside.py": "from os.path import *\n",
    "src/models/lazy.py": "def __getattr__(name): ...\n",
    "src/models/in_circles.py": "from .in_circles_too import *\nx = 1\n",
    "src/models/in_circles_too.py": "from .in_circles import *\ny = 1\n",
    "src/models/newer.py": "match = = 1\n",
    "src/models/guard/__init__.py": "",
    "src/models/guard/__main__.py": "",
    "src/models/adapters/deep/core.py": "",
    "src/observability/__init__.py": "def observe_agent(): ...\n",
    "src/observability/__main__.py": "",
    "src/migration/__init__.py": "",
}
MODULES = Modules({path: text.encode() for path, text in PACKAGES.items()})


def broken(root: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return [f"{item.path}:{item.line} {item.what}, {item.why}" for item in broken_places(root, MODULES, ())]


@pytest.mark.parametrize(
    "statement",
    [
        "from src.models import ModelFactory, model_factory, guard, adapters",
        "from src.models.model_factory import ModelFactory, json_of_ours, orjson, AtRunTime, handle, position, third",
        "from src.models.model_factory import second, made_late, __doc__",
        "from src.models.starred import ModelFactory",
        "from src.models.starred_outside import join, anything",
        "from src.models.lazy import anything",
        "from src.models.in_circles import x",
        "from src.models.in_circles_too import y",
        "from src.models.newer import anything",
        "import src.models.adapters.deep.core as core\ncore.__name__",
        "import src.models\nsrc.models.model_factory._models.keys()",
        "from src.models import model_factory\nmodel_factory.anything",
        "from src.models.model_factory import ModelFactory\nModelFactory.anything.at_all",
        "from src import config, models\nmodels.ModelFactory",
        "import models",
        "from models.anything import x  # a package of another name space: no src/models of this checkout is meant",
        "x = 'see src.models.gone for more'",
    ],
)
def test_what_is_there_is_not_named(statement: str, tmp_path: Path) -> None:
    assert broken(tmp_path, {"src/agents/agent.py": statement, "models/__init__.py": ""}) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("from src.models.gone import X", "imports src.models.gone.X, and there is no src.models.gone"),
        ("from src.models import Gone", "imports src.models.Gone, which is not there"),
        ("from src.models.model_factory import OnlyForTypes", "model_factory.OnlyForTypes, which is not there"),
        ("from src.models.model_factory import annotated", "model_factory.annotated, which is not there"),
        ("from src.models.model_factory import not_bound", "model_factory.not_bound, which is not there"),
        ("from src.models.starred import Gone", "imports src.models.starred.Gone, which is not there"),
        ("from src.models.in_circles import z", "imports src.models.in_circles.z, which is not there"),
        ("def late():\n    import src.observability.gone", "imports src.observability.gone, which is not there"),
        ("from ..observability import trace_call", "imports src.observability.trace_call, which is not there"),
        ("from src import observability as o\no.trace_call()", "uses src.observability.trace_call, which is not there"),
        ("import src.observability\nsrc.observability.log(1)", "uses src.observability.log, which is not there"),
        ("patch('src.models.openai_model.OpenAI')",
         "names src.models.openai_model.OpenAI, and there is no src.models.openai_model"),
        ("run(['python', '-m', 'src.observability.gone'])", "names src.observability.gone, which is not there"),
        ("run(['python', 'src/observability/report.py'])", "names src/observability/report.py, which is not there"),
        ("sys.path\nfrom models.gone import X", "imports src.models.gone.X, and there is no src.models.gone"),
        ("from models import ModelFactory", "imports models without src, whose modules import src.models"),
        ("if True:\n  from src.models.gone import X, Y as Z\nprint 'old'",
         "imports src.models.gone.X, and there is no src.models.gone"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(statement: str, what: str, tmp_path: Path) -> None:
    places = broken(tmp_path, {"src/agents/agent.py": statement})
    assert places
    assert all(place.startswith("src/agents/agent.py:") for place in places)
    assert what in places[0]


def test_every_kind_of_file_anywhere_is_read(tmp_path: Path) -> None:
    cells = [{"cell_type": "markdown", "source": ["src.models.gone"]},
             {"cell_type": "code", "source": ["%pip install x\n", "from src.models.gone import X\n"]},
             {"cell_type": "code", "source": ["!ls\n", "from src.models import ModelFactory"]}]  # fmt: skip
    files = {
        "tests/test_agent.py": "from src.models.gone import X\n",
        "run.pyw": "import src.models.gone\n",
        "notes.ipynb": json.dumps({"cells": cells}),
        "start.sh": "cd x\npython -m src.models.gone &\npython -m src.models.guard\n",
        "Dockerfile": 'CMD ["python", "-m", "src.models"]\n',
        ".github/workflows/ci.yml": "run: python src/observability/report.py\n# python src/observability/__main__.py\n",
        "pyproject.toml": '[project.scripts]\nask = "src.models.gone:main"\ntest = "src.models.model_factory:maker"\n'
        '[tool.coverage.run]\nomit = ["src/models/adapters/**/*.py", "src/models/*"]\n',
        ".venv/lib/x.py": "import src.models.gone\n",
        "env/pyvenv.cfg": "",
        "env/x.py": "import src.models.gone\n",
        "docs/README.md": "import src.models.gone\n",
        "apps/other/src/models/__init__.py": "",
        "apps/other/run.py": "from src.models.gone import X\n",
        "bin/other.py": "from models.gone import X\n",
    }
    assert [place.split(" ")[0] for place in broken(tmp_path, files)] == [
        ".github/workflows/ci.yml:1", "Dockerfile:1", "notes.ipynb:0", "pyproject.toml:2", "run.pyw:1", "start.sh:2",
        "tests/test_agent.py:1",
    ]  # fmt: skip


def test_a_model_of_the_owner_that_overrides_a_final_call_is_named(tmp_path: Path) -> None:
    source = "from .base_model import BaseModel\nclass X(BaseModel):\n    def generate_response(self): ...\n"
    (place,) = [item for item in broken(tmp_path, {"src/models/x_model.py": source}) if "overrides" in item]
    assert place.startswith("src/models/x_model.py:3 overrides generate_response of BaseModel, which is final")
    assert base_model.FINAL == importers.FINAL


def test_a_checkout_with_an_observability_of_its_own_knows_all_that_breaks_until_it_is_mended(tmp_path: Path) -> None:
    own = {
        "requirements.txt": "",
        "src/observability/__init__.py": "from .spans import trace_call\nLEVEL = 3\n",
        "src/observability/spans.py": "from src.observability.clock import now\ndef trace_call(): ...\n",
        "src/observability/clock.py": "def now(): ...\n",
        "src/observability/metrics.py": "from src.observability import LEVEL\ndef count(): ...\n",
        "src/agents/base_agent.py": "from src.observability import trace_call, observe_agent\n",
        "src/agents/whale_agent.py": "from src.observability import clock\n"
        "from src.observability import metrics\nmetrics.count()\n",
        "bin/report.py": "from src.observability.spans import Exporter, trace_call\n",
        "bin/settings.py": "from src.observability.settings import Settings, switch\n",
        "src/observability/settings.py": "class Settings: ...\n",
    }
    broken(tmp_path, own)
    installation = plan.plan(tmp_path)
    assert [advice.split(",")[0] for advice in installation.by_hand] == [
        "bin/report.py:1 imports src.observability.spans.Exporter",
        "bin/report.py:1 imports src.observability.spans.trace_call",
        "bin/settings.py:1 imports src.observability.settings.Settings",
        "src/agents/base_agent.py:1 imports src.observability.trace_call",
        "src/agents/whale_agent.py:3 uses src.observability.metrics.count",
    ]
    assert [note.split(":", 1)[1] for note in installation.notes if note.startswith("src/observability/")] == [
        " your own file; ours takes its place, and yours goes to the backup",
        " your own file; ours takes its place, and yours goes to the backup",
        " your own file; ours takes its place, and yours goes to the backup",
        " your own file; it goes to the backup, since src/observability/spans/__init__.py has its name",
        " your own file; it stays",
    ]
    assert command.write(tmp_path, installation) is None
    left = [advice for advice in plan.plan(tmp_path).by_hand if "Settings" in advice]
    assert left == [
        "bin/settings.py:1 imports src.observability.settings.Settings, which was yours and is ours now: "
        "import what src.observability offers"
    ]
    broken(tmp_path, {
        "bin/settings.py": "from src.observability.settings import Settings\n",
        "src/agents/base_agent.py": "from src.observability import observe_agent\n",
        "src/agents/whale_agent.py": "from src.observability.clock import now\n",
        "bin/report.py": "",
    })  # fmt: skip
    assert plan.plan(tmp_path).by_hand == []
