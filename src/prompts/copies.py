"""Keep copies of prompts beside the trace store, readable by their owner alone.

Of Langfuse's prompts, which serve when the server does not; and of each text of a file that was used, so that an
edited file can still be compared with what it said before. A prompt that holds what looks like a secret is not copied.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from src.observability.redaction import redact_text
from src.prompts.private_files import write_atomically
from src.prompts.records import Prompt, PromptError, body_of, make_prompt

if TYPE_CHECKING:
    from pathlib import Path

_log: Final = logging.getLogger("moondev.prompts")
_FILES: Final = "files"
_LANGFUSE: Final = "langfuse"


def copies_folder(store: Path) -> Path:
    """Return the folder of the copies that belong to a trace store; it need not exist."""
    return store.with_name(f"{store.stem}-prompts")


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies in one folder. Nothing raises where they cannot be written: a copy is never a condition of a call.

    Attributes:
        folder: The folder of the copies.
    """

    folder: Path

    # Texts of files.

    def keep_used(self, prompt: Prompt) -> None:
        """Keep what a file's prompt says, once for each text; Langfuse keeps its own."""
        if prompt.source in ("langfuse", "kept"):
            return
        path = self.folder / _FILES / _key(prompt.name) / f"{prompt.digest[:32]}.json"
        if not path.exists():
            self._write(path, prompt, {"first_used": time.time()})

    def used(self, name: str) -> list[Prompt]:
        """Return the texts of a file's prompt that were used, in the order in which they first were."""
        items = [(self._read(path), path) for path in (self.folder / _FILES / _key(name)).glob("*.json")]
        known = [(content.get("first_used", 0.0), content) for content, _ in items if content is not None]
        known.sort(key=lambda item: item[0])
        return [prompt for _, content in known if (prompt := _prompt(content)) is not None and prompt.name == name]

    def used_names(self) -> set[str]:
        """Return the names of prompts of which texts were used."""
        return self._names(self.folder / _FILES)

    # Langfuse's prompts.

    def keep_fetched(self, project: str, prompt: Prompt, label: str | None) -> None:
        """Store a version that Langfuse has, and the label that points to it."""
        folder = self.folder / _LANGFUSE / project / _key(prompt.name)
        path = folder / f"{prompt.langfuse_version}.json"
        known = self._read(path)
        if known is None or known.get("digest") != prompt.digest:
            self._write(path, prompt, {})
        if label is not None:
            self._write_labels(folder, self._labels(folder) | {label: prompt.langfuse_version})

    def fetched(self, project: str, name: str, *, version: int | None, label: str | None) -> Prompt | None:
        """Return the copy of a version of Langfuse's, or of the one that a label last stood on; None without one."""
        folder = self.folder / _LANGFUSE / project / _key(name)
        number = self._labels(folder).get(label) if version is None and label is not None else version
        content = self._read(folder / f"{number}.json") if number is not None else None
        prompt = _prompt(content) if content is not None else None
        return None if prompt is None or prompt.name != name else self._labelled(prompt, folder)

    def all_fetched(self, project: str, name: str) -> list[Prompt]:
        """Return the copies of a prompt's versions, the oldest first."""
        folder = self.folder / _LANGFUSE / project / _key(name)
        contents = [self._read(path) for path in folder.glob("*.json") if path.stem.isdecimal()]
        prompts = [prompt for content in contents if content is not None and (prompt := _prompt(content)) is not None]
        prompts.sort(key=lambda prompt: prompt.langfuse_version or 0)
        return [self._labelled(prompt, folder) for prompt in prompts]

    def fetched_names(self, project: str) -> set[str]:
        """Return the names of Langfuse's prompts of which there are copies."""
        return self._names(self.folder / _LANGFUSE / project)

    def forget_label(self, project: str, name: str, label: str) -> None:
        """Forget on which version a label stood: the server says that it has no such label, or prompt, any more."""
        folder = self.folder / _LANGFUSE / project / _key(name)
        labels = self._labels(folder)
        if labels.pop(label, None) is not None:
            self._write_labels(folder, labels)

    def _labelled(self, prompt: Prompt, folder: Path) -> Prompt:
        labels = self._labels(folder)
        return replace(
            prompt, labels=tuple(sorted(name for name, at in labels.items() if at == prompt.langfuse_version))
        )

    def _labels(self, folder: Path) -> dict[str, int]:
        content = self._read(folder / "labels.json") or {}
        return {label: number for label, number in content.items() if isinstance(number, int)}

    def _write_labels(self, folder: Path, labels: dict[str, Any]) -> None:
        if labels != self._labels(folder):
            self._write_json(folder / "labels.json", labels)

    # Files.

    def _names(self, folder: Path) -> set[str]:
        contents = (self._read(path) for path in folder.glob("*/*.json") if path.name != "labels.json")
        return {str(content["name"]) for content in contents if content is not None and "name" in content}

    def _write(self, path: Path, prompt: Prompt, more: dict[str, Any]) -> None:
        content = {"name": prompt.name, "number": prompt.number, "source": prompt.source, "digest": prompt.digest,
                   "langfuse_version": prompt.langfuse_version, "prompt": body_of(prompt),
                   "config": dict(prompt.config), "place": prompt.place, **more}  # fmt: skip
        texts = (prompt.name, prompt.text, json.dumps(dict(prompt.config), ensure_ascii=False))
        if any(redact_text(text) != text for text in texts):
            _log.warning("A prompt holds what looks like a secret, so no copy of it is kept: %s", prompt.place)
            return
        self._write_json(path, content)

    def _write_json(self, path: Path, content: dict[str, Any]) -> None:
        try:
            write_atomically(path, json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        except OSError as error:
            _log.warning("No copy of a prompt could be kept in %s: %s.", path.parent, error.strerror or error)

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None


def _prompt(content: dict[str, Any]) -> Prompt | None:
    """Return the prompt of a copy; None for one that does not say what its digest says."""
    try:
        prompt = make_prompt(
            content["name"],
            content["prompt"],
            config=content["config"],
            number=content["number"],
            source="langfuse" if content["source"] == "langfuse" else "kept",
            langfuse_version=content["langfuse_version"],
            place=content["place"],
        )
    except (KeyError, PromptError):
        return None
    return prompt if prompt.digest == content["digest"] else None


def _key(name: str) -> str:
    """Return the name of a prompt's folder: names may hold what a file's name may not."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]
