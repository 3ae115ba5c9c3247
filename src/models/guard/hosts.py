"""Recognise the hosts of providers, built in and configured."""

from __future__ import annotations

import contextlib
import re
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

# Each provider's host, with the factory's name of the provider or its own.
HOSTS: Final = MappingProxyType({
    "api.openai.com": "openai", "api.anthropic.com": "claude", "api.deepseek.com": "deepseek", "api.groq.com": "groq",
    "generativelanguage.googleapis.com": "gemini", "api.x.ai": "xai", "openrouter.ai": "openrouter",
    "api.mistral.ai": "mistral", "api.cohere.com": "cohere", "api.cohere.ai": "cohere",
    "api.together.xyz": "together", "api.together.ai": "together", "api.replicate.com": "replicate",
    "api.fireworks.ai": "fireworks", "api.perplexity.ai": "perplexity",
    "api-inference.huggingface.co": "huggingface", "router.huggingface.co": "huggingface",
    "api.cerebras.ai": "cerebras", "api.moonshot.ai": "moonshot", "dashscope.aliyuncs.com": "dashscope",
    "api.moonshot.cn": "moonshot", "dashscope-intl.aliyuncs.com": "dashscope", "aiplatform.googleapis.com": "gemini",
    "open.bigmodel.cn": "zhipuai", "api.z.ai": "zhipuai", "api.minimax.chat": "minimax", "api.minimax.io": "minimax",
    "ark.cn-beijing.volces.com": "volcengine", "api.siliconflow.cn": "siliconflow",
    "api.siliconflow.com": "siliconflow", "integrate.api.nvidia.com": "nvidia", "api.sambanova.ai": "sambanova",
    "api.deepinfra.com": "deepinfra", "api.hyperbolic.xyz": "hyperbolic", "api.novita.ai": "novita",
    "api.studio.nebius.ai": "nebius", "api.studio.nebius.com": "nebius", "inference.baseten.co": "baseten",
    "api.lambda.ai": "lambda", "api.lambdalabs.com": "lambda", "api.ai21.com": "ai21",
    "api.inference.net": "inference_net", "api.kluster.ai": "kluster", "models.github.ai": "github",
    "models.inference.ai.azure.com": "github", "ollama.com": "ollama", "api.voyageai.com": "voyage",
    "ai-gateway.vercel.sh": "vercel", "gateway.ai.cloudflare.com": "cloudflare", "oai.helicone.ai": "helicone",
    "anthropic.helicone.ai": "helicone", "api.portkey.ai": "portkey", "api.poe.com": "poe",
    "api.githubcopilot.com": "github",
})  # fmt: skip
# Hosts that begin with the name of a customer, a deployment or a region.
_SUFFIXES = (
    ".openai.azure.com", "-aiplatform.googleapis.com", ".api.openai.com", ".services.ai.azure.com",
    ".inference.ai.azure.com", ".models.ai.azure.com", ".endpoints.huggingface.cloud",
)  # fmt: skip
_BEDROCK = re.compile(r"bedrock-(?:agent-)?runtime[\w.-]*\.amazonaws\.com")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - compared with, not bound to
_OLLAMA_PORT = 11434


def is_provider(host: str, port: int | None = None) -> bool:
    """Tell whether an address is a provider's: a known host, or one that a base-URL variable names."""
    name = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
    if name in HOSTS or name.endswith(_SUFFIXES) or _BEDROCK.fullmatch(name):
        return True
    if port == _OLLAMA_PORT and name in _LOOPBACK:
        return True
    return (canonical(name), port) in _configured()


def canonical(name: str) -> str:
    """Return a host's name, the same one for all names of this machine."""
    return "localhost" if name in _LOOPBACK else name


def _configured() -> set[tuple[str, int | None]]:
    """Return the hosts and ports of the addresses that are configured for providers."""
    from src.models.providers import PROVIDERS

    addresses: set[tuple[str, int | None]] = set()
    for row in PROVIDERS.values():
        address = row.address() or row.url
        if not address:
            continue
        with contextlib.suppress(ValueError):
            parts = urlsplit(address if "://" in address else f"http://{address}")
            default_port = 443 if parts.scheme == "https" else 80
            if parts.hostname:
                addresses.add((canonical(parts.hostname), parts.port or default_port))
    return addresses
