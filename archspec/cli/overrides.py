"""What `--set VAR=VALUE` says."""

from collections.abc import Sequence
from typing import Any

from archspec.cli.errors import UserError


def read_overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """The values of `--set VAR=VALUE`, each read as YAML; raises UserError."""
    overrides = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip() or not text.strip():
            message = f"--set takes VAR=VALUE, for example num_classes=5, not {assignment!r}"
            raise UserError(message, exit_code=2)
        overrides[name.strip()] = _value(name, text)
    return overrides


def _value(name: str, text: str) -> Any:
    from archspec.language import source

    document = source.read(text)
    if document.faults:
        raise UserError(f"--set {name}: {document.faults[0].message}", exit_code=2)
    if document.data is None:
        raise UserError(f"--set {name}: a variable needs a value", exit_code=2)
    return document.data
