"""Remember which variables a model's key and address come from, and say when they have changed since."""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass, field
from typing import Any

from src.models.errors import AuthenticationFailed, ConnectionFailed, ModelError, ModelTimeout

_log = logging.getLogger("moondev.models")


@functools.lru_cache(64)
def _raw_name(variable: str) -> Any:
    """Return a variable's name as the environment's own dictionary has it: `os.environ` encodes it each time."""
    return getattr(os.environ, "encodekey", str)(variable)


@dataclass(slots=True)
class Variables:
    """The variables of the environment that one model was made from; None where it was made from arguments.

    A model goes on with the key and the address that it was made with: its connections are open, and what answers must
    not change in the middle of a run. `warn_of_changes` says so once for each change.
    """

    key: str | None = None
    address: str | None = None
    _reported: set[tuple[str, str]] = field(default_factory=set, repr=False)
    _checked: tuple[Any, ...] | None = field(default=None, repr=False)  # what was compared last

    def warn_of_changes(self, model: object, key: str | None, address: str | None) -> None:
        """Log that a variable has another value than the one that the model uses; a removed one changes nothing."""
        raw = getattr(os.environ, "_data", os.environ).get
        key_name, address_name = self.key, self.address
        state = (
            key,
            address,
            key_name and raw(_raw_name(key_name)),
            address_name and raw(_raw_name(address_name)),
        )
        if state == self._checked:
            return
        self._checked = state
        for variable, used in ((self.key, key), (self.address, address)):
            value = "" if variable is None else os.environ.get(variable, "").strip()
            if not value or value == used or (variable, value) in self._reported:
                continue
            self._reported.add((variable or "", value))
            _log.warning(
                "%s has changed since %s was made, which goes on with the old value: get the model again.",
                variable,
                model,
            )

    def explain(self, error: ModelError, key: str | None) -> None:
        """Add to an error the variable that it is about; once, though an error may be explained twice."""
        if isinstance(error, ConnectionFailed | ModelTimeout) and "cannot be reached" in error.message:
            addition = f". The address is from {self.address}" if self.address else ""
        elif isinstance(error, AuthenticationFailed) and self.key:
            value = os.environ.get(self.key, "").strip()
            is_old = bool(value) and value != key
            addition = f". {self.key} has changed since this model was made: get the model again" if is_old else ""
        else:
            return
        if addition not in error.message:
            error.message += addition
            error.args = (error.message,)
