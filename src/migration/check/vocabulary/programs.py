"""The programs that call a model, and the arguments with which they do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A provider's program.

    Attributes:
        provider: The factory's name for the provider.
        calling: Arguments that make it call a model.
        harmless: First arguments with which it calls none; where there are any, it does with all others.
    """

    provider: str
    calling: frozenset[str] = frozenset()
    harmless: frozenset[str] = frozenset()

    def surely_calls(self, words: list[str]) -> bool:
        """Tell whether one of its arguments makes it call a model."""
        return any(word.partition("=")[0] in self.calling for word in words)

    def is_call(self, words: list[str]) -> bool:
        """Tell whether it is started to call a model."""
        if self.harmless:
            return not words or words[0] not in self.harmless | _HARMLESS
        return self.surely_calls(words)


_HARMLESS = frozenset({"--version", "-v", "-V", "--help", "-h", "version", "help", "update", "install", "uninstall",
                       "login",
                       "logout", "auth", "config", "mcp", "doctor", "completion", "upgrade"})  # fmt: skip
_LLM = frozenset({"keys", "models", "logs", "plugins", "aliases", "templates", "schemas", "collections", "similar",
                  "embed",
                  "embed-models", "embed-multi", "tools", "fragments"})  # fmt: skip
_OF_SHELLS = frozenset({"--list-sessions", "--list-models", "--info", "--show-chat", "--list-chats", "--dry-run"})
COMMANDS: dict[str, Command] = {
    "ollama": Command(provider="ollama", calling=frozenset({"run"})),
    "claude": Command(
        provider="claude",
        calling=frozenset({"-p", "--print"}),
        harmless=frozenset({"plugin", "setup-token", "migrate-installer"}),
    ),
    "openai": Command(provider="openai", calling=frozenset({"api", "chat"})),
    "gemini": Command(provider="gemini", calling=frozenset({"-p", "--prompt"}), harmless=frozenset({"extensions"})),
    "codex": Command(provider="openai", calling=frozenset({"exec", "e"})),
    "llm": Command(provider="llm", calling=frozenset({"-m", "--model", "prompt", "chat"}), harmless=_LLM),
    "sgpt": Command(provider="openai", harmless=_OF_SHELLS),
    "aichat": Command(provider="aichat", harmless=_OF_SHELLS),
    "chatgpt": Command(provider="openai", harmless=_OF_SHELLS),
    "tgpt": Command(provider="tgpt", harmless=_OF_SHELLS),
    "mods": Command(provider="mods", harmless=_OF_SHELLS),
    "litellm": Command(provider="litellm", harmless=_OF_SHELLS),
    "aider": Command(provider="aider", calling=frozenset({"--message", "-m", "--message-file", "-f"})),
    "llama-cli": Command(provider="local", calling=frozenset({"-p", "--prompt", "-f", "--file"})),
    "gh": Command(provider="github", calling=frozenset({"copilot"})),
}
PACKAGES = {"@anthropic-ai/claude-code": "claude", "@google/gemini-cli": "gemini", "@openai/codex": "codex"}
