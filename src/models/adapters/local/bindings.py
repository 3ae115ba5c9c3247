"""Import llama.cpp's bindings, with the OpenMP library that their wheel needs and does not bring.

A bare Debian, or a slim container, has no libgomp.so.1. The wheels of pykdtree hold a copy for each system, which
auditwheel has renamed. A library is looked for by name (its SONAME) among those that are loaded, before the disk is
searched: so the copy is loaded under the name that the bindings ask for, from memory.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import re
from typing import TYPE_CHECKING, Any

from src.models.errors import ModelUnavailable

if TYPE_CHECKING:
    from pathlib import Path

_OPENMP = "libgomp.so.1"
_CARRIER = "pykdtree"
_COPY = re.compile(r"\blibgomp-[0-9a-f]+\.so[.0-9]*$")


def load() -> Any:
    """Import the package xllamacpp.

    Raises:
        ModelUnavailable: it is not installed, or a library of the system is missing; the message says what to run.
    """
    try:
        return _imported()
    except ModuleNotFoundError as error:
        raise ModelUnavailable("local needs a package that is not installed. Run: pip install xllamacpp") from error
    except (ImportError, OSError) as error:
        raise ModelUnavailable(f"local: the package xllamacpp cannot be loaded: {error}.{_remedy(error)}") from error


def _imported() -> Any:
    try:
        import xllamacpp
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        copy = openmp_copy() if _OPENMP in str(error) else None
        if copy is None:
            raise
        load_openmp(copy)
        import xllamacpp
    return xllamacpp


def _remedy(error: Exception) -> str:
    if _OPENMP not in str(error):
        return ""
    return f" Run: apt install libgomp1 (elsewhere: dnf install libgomp), or pip install {_CARRIER}, which holds a copy"


def openmp_copy() -> Path | None:
    """Return the installed copy of the OpenMP library; None where there is none."""
    try:
        files = importlib.metadata.files(_CARRIER) or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((file.locate() for file in files if _COPY.search(file.name)), None)  # type: ignore[return-value] # a Path


def load_openmp(copy: Path) -> None:
    """Load a copy of the OpenMP library as the system's own, for the libraries that this process loads from now on."""
    own_name = copy.name.encode() + b"\0"
    content = copy.read_bytes().replace(own_name, _OPENMP.encode().ljust(len(own_name), b"\0"))
    memory = os.memfd_create(_OPENMP)
    try:
        with open(memory, "wb", closefd=False) as file:
            file.write(content)
        ctypes.CDLL(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
