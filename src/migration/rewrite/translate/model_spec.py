"""How a model is requested from the factory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from src.migration.rewrite.analysis.syntax import code

if TYPE_CHECKING:
    import libcst as cst


@dataclass(slots=True)
class ModelSpec:
    """How a model is requested from the factory.

    Attributes:
        provider: The provider's name in the factory.
        compat: The SDK that the model behaves as.
        settings: The arguments of `get_model`.
        model: The model's name, where the client has one.
        system: The system prompt that the client adds to each call.
        options: The options that the client adds to each call.
        imports: The names that the settings use, as pairs of a module and a name in it.
        foreign_address: Whether the address is not the provider's own, so that its server may know fewer parameters.
    """

    provider: str
    compat: str = ""
    settings: list[tuple[str, cst.BaseExpression]] = field(default_factory=list)
    model: cst.BaseExpression | None = None
    system: cst.BaseExpression | None = None
    options: list[tuple[str, cst.BaseExpression]] = field(default_factory=list)
    imports: set[tuple[str, str]] = field(default_factory=set)
    foreign_address: bool = False

    def get_model_code(
        self, factory: str, model: cst.BaseExpression | None, more: list[tuple[str, cst.BaseExpression]] | None = None
    ) -> str:
        """Return the code of the call that gets the model.

        Args:
            factory: The factory's name in the module.
            model: The model's name, where the call carries it.
            more: Settings of the call itself.
        """
        chosen = model if model is not None else self.model
        parts = [f'"{self.provider}"']
        if chosen is not None:
            parts.append(code(chosen))
        parts += [f"{name}={code(value)}" for name, value in [*self.settings, *(more or [])]]
        if self.compat:
            parts.append(f'compat="{self.compat}"')
        return f"{factory}.get_model({', '.join(parts)})"
