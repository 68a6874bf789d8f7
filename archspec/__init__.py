"""archspec: convolutional networks as layer tables, checked, explained, and generated."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archspec.api import Check, SpecError, build, check, check_text, generate, load
    from archspec.language.loader import SpecNotFound

__version__ = "0.1.0"
__all__ = [
    "Check",
    "SpecError",
    "SpecNotFound",
    "build",
    "check",
    "check_text",
    "generate",
    "load",
]


def __getattr__(name: str) -> Any:
    """Import the interface when it is first used, so that `import archspec` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'archspec' has no attribute {name!r}")
    from importlib import import_module

    source = "archspec.language.loader" if name == "SpecNotFound" else "archspec.api"
    return getattr(import_module(source), name)


def __dir__() -> list[str]:
    """What a person may use, for tab completion."""
    return [*__all__, "__version__"]
