"""The clients that stay what they are, of SDKs and of frameworks, and can be traced where they are made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.sdk_vocabulary import non_chat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.records import Site

# Their requests do not go through httpx, or to addresses at which tracing knows no model.
_UNTRACEABLE = frozenset({"generativeai"})
_ATTRIBUTE_USE = re.compile(r"line \d+: \.([\w.]+) is used")
_OTHER_CLIENTS = frozenset({"openai.AzureOpenAI", "openai.AsyncAzureOpenAI"})
# Classes of frameworks that hold a client of httpx or httpx2 once they are made.
_PYDANTIC_AI = {
    "openai": ("OpenAIModel", "OpenAIChatModel", "OpenAIResponsesModel"), "anthropic": ("AnthropicModel",),
    "groq": ("GroqModel",),
}  # fmt: skip
FRAMEWORKS = frozenset({
    "langchain_openai.ChatOpenAI", "langchain_openai.AzureChatOpenAI", "langchain_openai.chat_models.ChatOpenAI",
    "langchain_anthropic.ChatAnthropic", "langchain_groq.ChatGroq", "langchain_ollama.ChatOllama",
    "langchain_ollama.OllamaLLM", "langchain_google_genai.ChatGoogleGenerativeAI", "langchain_xai.ChatXAI",
    "langchain_deepseek.ChatDeepSeek", "instructor.from_provider",
    "pydantic_ai.providers.openai.OpenAIProvider", "pydantic_ai.providers.anthropic.AnthropicProvider",
    "pydantic_ai.providers.groq.GroqProvider", "pydantic_ai.providers.deepseek.DeepSeekProvider",
    "pydantic_ai.providers.openrouter.OpenRouterProvider",
    *(f"pydantic_ai.models.{module}.{name}" for module, names in _PYDANTIC_AI.items() for name in names),
    "llama_index.llms.openai.OpenAI", "llama_index.llms.openai_like.OpenAILike",
    "llama_index.llms.anthropic.Anthropic", "llama_index.llms.groq.Groq", "llama_index.llms.deepseek.DeepSeek",
    "llama_index.llms.openrouter.OpenRouter", "llama_index.llms.ollama.Ollama",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class TraceableClient:
    """A call that makes a client which stays.

    Attributes:
        call: The call.
        name: The dotted name of what is called.
        sdk: The SDK of its calls; empty for a framework's.
        is_traced: Whether it is in `ModelFactory.traced(...)` already.
    """

    call: cst.Call
    name: str
    sdk: str
    is_traced: bool


def is_traced(node: cst.CSTNode, values: Evaluator) -> bool:
    """Tell whether an expression is what `ModelFactory.traced(...)` is called with."""
    arg = values.tree.parent(node)
    call = values.tree.parent(arg) if isinstance(arg, cst.Arg) and arg.keyword is None and not arg.star else None
    name = values.module(call.func) if isinstance(call, cst.Call) and call.func is not node else None
    return name is not None and name.startswith("src.models") and name.endswith(".traced")


def traceable_clients(
    values: Evaluator,
    sites: list[Site],
    blockers: Mapping[cst.CSTNode, list[str]],
    converted: Collection[cst.CSTNode],
) -> list[TraceableClient]:
    """Return the clients that a module makes and that stay, those excepted that are asked for no text.

    Args:
        values: What the module's expressions can be.
        sites: The calls that ask for text.
        blockers: Why each client of an SDK must stay one.
        converted: The clients that become models.
    """
    asking = _clients_that_may_ask(values, sites, blockers)
    clients = []
    for node in values.tree.nodes:
        if not isinstance(node, cst.Call) or node in converted:
            continue
        name = values.module(node.func) or ""
        sdk_name = sdk.CONSTRUCTORS.get(name, ("openai" if name in _OTHER_CLIENTS else "", False))[0]
        if name not in FRAMEWORKS and (not sdk_name or sdk_name in _UNTRACEABLE):
            continue
        if name in sdk.CONSTRUCTORS and node not in asking:
            continue
        if not _is_inside_another(node, values):
            clients.append(TraceableClient(call=node, name=name, sdk=sdk_name, is_traced=is_traced(node, values)))
    return clients


def _is_inside_another(node: cst.Call, values: Evaluator) -> bool:
    """Tell whether the client is a part of another one, which is traced whole."""
    return any(
        isinstance(ancestor, cst.Call) and (values.module(ancestor.func) or "") in FRAMEWORKS
        for ancestor in values.tree.ancestors(node)
    )


def _clients_that_may_ask(
    values: Evaluator, sites: list[Site], blockers: Mapping[cst.CSTNode, list[str]]
) -> set[cst.CSTNode]:
    """Return the clients that may be asked for text: not those that nothing uses, or only for speech and images."""
    asking = {client for client, reasons in blockers.items() if any(map(_may_concern_text, reasons))}
    by_base = {site.base: site for site in sites}
    for node in values.tree.nodes:
        if not isinstance(node, cst.BaseExpression) or values.tree.is_target(node):
            continue
        clients = {value.node for value in values.of(node) if value.kind == "client" and value.node is not None}
        if clients and (by_base[node].blocked is not None if node in by_base else _may_ask(node, values)):
            asking |= clients
    return asking


def _may_concern_text(blocker: str) -> bool:
    use = _ATTRIBUTE_USE.fullmatch(blocker)
    return use is None or non_chat(tuple(use[1].split("."))) is None


def _may_ask(node: cst.BaseExpression, values: Evaluator) -> bool:
    """Tell whether a use of a client may ask for text: what it is handed on to is not known, so it may."""
    parent = values.tree.parent(node)
    if isinstance(parent, cst.Attribute):
        names = tuple(_chain_from(parent, values))
        return non_chat(names) is None and names[0] not in ("close", "aclose")
    if isinstance(parent, cst.Assign):
        return any(isinstance(target.target, cst.Subscript) for target in parent.targets)
    return isinstance(parent, cst.Arg | cst.Return | cst.Element | cst.DictElement | cst.Yield | cst.Lambda)


def _chain_from(node: cst.Attribute, values: Evaluator) -> Iterator[str]:
    current: cst.CSTNode | None = node
    while isinstance(current, cst.Attribute):
        yield current.attr.value
        current = values.tree.parent(current)
