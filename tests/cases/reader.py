"""Reads case files: data in YAML, one list of cases a file, one runner for each kind."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from archspec.api import Check, SpecError, check_text, write

CASES = Path(__file__).parent
MARK = "▸"
"""Stands in a spec's text where a diagnostic is expected; it is taken out before the check."""


def files(kind: str) -> list[Path]:
    """All case files of a kind, `diagnostics` for example."""
    return sorted((CASES / kind).glob("*.yaml"))


def cases(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every case of a kind, with `file/case` as its name."""
    for file in files(kind):
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))["cases"]:
            yield f"{file.stem}/{case['case'].replace(' ', '_')}", case


def unmark(text: str) -> tuple[str, list[tuple[int, int]]]:
    """A text without its marks, and the line and column (from 1) where each stood."""
    *pieces, last = text.split(MARK)
    clean, places = "", []
    for piece in pieces:
        clean += piece
        places.append((clean.count("\n") + 1, len(clean) - clean.rfind("\n")))
    return clean + last, places


def checked_and_written(
    text: str, file: str = "<text>", overrides: Mapping[str, Any] | None = None
) -> Check:
    """A text's check, with what the target refuses among its diagnostics."""
    checked = check_text(text, file, overrides)
    try:
        write(checked)
    except SpecError as error:
        return checked._replace(diagnostics=(*checked.diagnostics, *error.diagnostics))
    return checked
