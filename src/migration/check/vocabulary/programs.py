"""Know the programs that ask a model, and with which words they do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """Describe a provider's program: the words that make it a call, or else the first words that do not."""

    provider: str
    asks: frozenset[str] = frozenset()
    harmless: frozenset[str] = frozenset()

    def is_asked(self, words: list[str]) -> bool:
        """Tell whether its words surely ask a model."""
        return any(word.partition("=")[0] in self.asks for word in words)

    def is_call(self, words: list[str]) -> bool:
        """Tell whether it is started to ask a model."""
        if self.harmless:
            return not words or words[0] not in self.harmless | _HARMLESS
        return self.is_asked(words)


_HARMLESS = frozenset({"--version", "-v", "-V", "--help", "-h", "version", "help", "update", "install", "uninstall",
                       "login",
                       "logout", "auth", "config", "mcp", "doctor", "completion", "upgrade"})  # fmt: skip
_LLM = frozenset({"keys", "models", "logs", "plugins", "aliases", "templates", "schemas", "collections", "similar",
                  "embed",
                  "embed-models", "embed-multi", "tools", "fragments"})  # fmt: skip
_OF_SHELLS = frozenset({"--list-sessions", "--list-models", "--info", "--show-chat", "--list-chats", "--dry-run"})
COMMANDS: dict[str, Command] = {
    "ollama": Command("ollama", frozenset({"run"})),
    "claude": Command(
        "claude", frozenset({"-p", "--print"}), frozenset({"plugin", "setup-token", "migrate-installer"})
    ),
    "openai": Command("openai", frozenset({"api", "chat"})),
    "gemini": Command("gemini", frozenset({"-p", "--prompt"}), frozenset({"extensions"})),
    "codex": Command("openai", frozenset({"exec", "e"})),
    "llm": Command("llm", frozenset({"-m", "--model", "prompt", "chat"}), _LLM),
    "sgpt": Command("openai", harmless=_OF_SHELLS),
    "aichat": Command("aichat", harmless=_OF_SHELLS),
    "chatgpt": Command("openai", harmless=_OF_SHELLS),
    "tgpt": Command("tgpt", harmless=_OF_SHELLS),
    "mods": Command("mods", harmless=_OF_SHELLS),
    "litellm": Command("litellm", harmless=_OF_SHELLS),
    "aider": Command("aider", frozenset({"--message", "-m", "--message-file", "-f"})),
    "llama-cli": Command("local", frozenset({"-p", "--prompt", "-f", "--file"})),
    "gh": Command("github", frozenset({"copilot"})),
}
SHORT = frozenset({"gh", "mods"})  # these would make every file worth parsing
PACKAGES = {"@anthropic-ai/claude-code": "claude", "@google/gemini-cli": "gemini", "@openai/codex": "codex"}
