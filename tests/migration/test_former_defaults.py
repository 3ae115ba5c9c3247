"""An installation names each agent that relies on a default of the factory that it replaces."""

from __future__ import annotations

from src.migration.install import former_defaults
from src.migration.install.plan import SOURCE

OLD = {
    "src/models/model_factory.py": b"""
class ModelFactory:
    DEFAULT_MODELS = {"xai": "grok-4-fast-reasoning", "openai": "gpt-4o", "gemini": "gemini-2.5-flash"}
""",
    "src/models/xai_model.py": b"""
class XAIModel:
    def generate_response(self, system_prompt, user_content, temperature=0.7, max_tokens: int = 1024, **kwargs):
        pass
""",
    "src/models/gemini_model.py": b"""
class GeminiModel:
    def generate_response(self, system_prompt, user_content, temperature: float = 0.7, max_tokens: int = 2048):
        return self.client.generate_content(user_content, safety_settings={})
""",
    "src/models/openai_model.py": b"""
class OpenAIModel:
    def generate_response(self, system_prompt, user_content, temperature=0.7, max_tokens=None):
        return self.client.responses.create(model=self.model_name)
""",
}
AGENT = b"""
from src.models.model_factory import model_factory

MODEL = "gpt-5-mini"
first = model_factory.get_model("xai")
named = model_factory.get_model("xai", "grok-4")
same = model_factory.get_model("openai", None)
some = model_factory.get_model(kind, model_name=MODEL)
first.generate_response("a", "b")
first.generate_response("a", "b", 0.7, 100)
first.generate_response("a", "b", max_tokens=100)
first.generate_response(**options)
second = model_factory.get_model("gemini", "gemini-2.5-pro")
"""


def lines(source: bytes) -> list[str]:
    before = former_defaults.former(OLD)
    assert before is not None
    now = former_defaults.current_models((SOURCE / "src/models/providers.py").read_bytes())
    return list(former_defaults.relying("src/agents/a.py", source, before, now))


def test_each_default_that_an_agent_relies_on_has_a_line() -> None:
    assert lines(AGENT) == [
        "src/agents/a.py:5 get_model names no model: xai was grok-4-fast-reasoning, is grok-4.3",
        "src/agents/a.py:9 asks without max_tokens, which was 1024 (xai), 2048 (gemini): now the provider's own limit"
        " holds",
        "src/agents/a.py may ask Gemini, where the old factory said BLOCK_ONLY_HIGH: now Google's own settings hold",
        "src/agents/a.py names gpt-5, which the old factory asked through Responses: say api='responses' for that",
    ]


def test_an_agent_that_says_everything_or_uses_no_factory_has_none() -> None:
    assert lines(b"from src.models import x\nx.get_model('xai', 'grok-4').generate_response('a', 'b', 0, 9)\n") == []
    assert lines(b"model = 'gpt-5'\nmodel.generate_response('a', 'b')\n") == []
    assert lines(b"from src.models import (\n x.get_model(") == []


def test_a_factory_of_ours_or_one_that_cannot_be_read_has_no_former_defaults() -> None:
    ours = {"src/models/model_factory.py": (SOURCE / "src/models/model_factory.py").read_bytes()}
    assert former_defaults.former(ours) is None
    assert former_defaults.former({"src/models/model_factory.py": b"DEFAULT_MODELS = {"}) is None
    assert former_defaults.former({}) is None
