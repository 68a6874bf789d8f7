"""The specs that can be named, as a table or as JSON."""

from collections.abc import Iterable
from typing import NamedTuple, TextIO

from archspec.report.page import Page, columns, pad

_GAP = "  "
_INDENT = "  "
_LEAST = 40
"""Columns that a description needs; where there are fewer, the file is left out."""


class Entry(NamedTuple):
    """A spec: what to call it, where it is, what it says of itself, and its variants' names."""

    name: str
    file: str
    variant: str | None
    description: str
    variants: tuple[str, ...] = ()


def write_listing(page: Page, entries: Iterable[Entry]) -> None:
    """Write a line for each spec: its name, what it is, its file; under it, its variants."""
    entries = list(entries)
    shown = [
        (
            page.clean(entry.name),
            page.clean(entry.description),
            page.clean(entry.file),
        )
        for entry in entries
    ]
    names, texts, files = (max(map(columns, column)) for column in zip(*shown, strict=True))
    cramped = page.width is not None and page.width < names + files + _LEAST + 2 * len(_GAP)
    if page.width is not None:
        beside = names + len(_GAP) + (0 if cramped else files + len(_GAP))
        texts = max(min(texts, page.width - beside), len(page.ellipsis))
    for (name, text, file), entry in zip(shown, entries, strict=True):
        cells = [page.paint(pad(name, names), "bold"), pad(page.elide_end(text, texts), texts)]
        if not cramped:
            cells.append(page.paint(file, "dim"))
        page.write(_GAP.join(cells).rstrip())
        if entry.variants:
            for line in page.wrap(_INDENT + page.clean(" ".join(entry.variants)), 0, len(_INDENT)):
                page.write(line)


def write_listing_json(stream: TextIO, entries: Iterable[Entry]) -> None:
    """Write a list of objects with the keys `name`, `file`, `variant` and `variants`."""
    import json  # only wanted here

    rows = [
        {"name": e.name, "file": e.file, "variant": e.variant, "variants": e.variants}
        for e in entries
    ]
    stream.write(json.dumps(rows, indent=2) + "\n")
