"""The catalogue: one class a problem; a docstring here is a page of `docs/diagnostics.md`."""

from archspec.diagnostics import claims, generation, language, shapes, source
from archspec.diagnostics.base import Diagnostic, Fault, Position, Severity, SpecPath

__all__ = ["CATALOGUE", "Diagnostic", "Fault", "Position", "Severity", "SpecPath"]

CATALOGUE: tuple[type[Diagnostic], ...] = tuple(
    sorted(
        {
            kind
            for module in (source, language, shapes, claims, generation)
            for kind in vars(module).values()
            if isinstance(kind, type) and issubclass(kind, Diagnostic) and "code" in vars(kind)
        },
        key=lambda kind: kind.code,
    )
)
"""Every kind of problem, in the order of their codes."""
