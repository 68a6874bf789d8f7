"""What is wrong with a spec, as a compiler shows it: message, place, the line itself, help."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archspec.diagnostics import Diagnostic
from archspec.report import figures
from archspec.report.excerpt import excerpt, split_lines
from archspec.report.page import Page
from archspec.report.places import Places

if TYPE_CHECKING:
    from archspec.api import Check

MOST_SHOWN = 50
"""So many errors and warnings are shown with their lines; the rest is counted."""
MOST_NOTES = 3
"""More notes of one kind are brought together in one line."""
_NAMED = 3


def write_diagnostics(page: Page, check: "Check", *, all_notes: bool = False) -> None:
    """Write errors and warnings with their source lines, then the notes, one line each.

    All are in the order of the text. Errors beyond `MOST_SHOWN` are counted, and of a kind with
    more than `MOST_NOTES` notes there is one line, unless `all_notes` are wanted.
    """
    faults = [fault for fault in check.diagnostics if fault.severity != "note"]
    notes = [fault for fault in check.diagnostics if fault.severity == "note"]
    # A warning must not take an error's place.
    kept = faults
    if len(faults) > MOST_SHOWN:
        errors = [fault for fault in faults if fault.severity == "error"]
        kept = (errors or faults)[:MOST_SHOWN]
    lines = split_lines(check.document.text) if kept else []
    places = Places(check.network)
    for fault in kept:
        page.write()
        _write_fault(page, check, fault, places.layer(fault), lines)
    if len(kept) < len(faults):
        page.write()
        _write_rest(page, faults, len(kept))
    if notes:
        page.write()
    if all_notes:
        for note in notes:
            _write_note(page, check, note)
    else:
        _write_notes(page, check, notes, places)


def _write_notes(page: Page, check: "Check", notes: Sequence[Diagnostic], places: Places) -> None:
    kinds: dict[str, list[Diagnostic]] = {}
    for note in notes:
        kinds.setdefault(note.code, []).append(note)
    for alike in kinds.values():
        if len(alike) <= MOST_NOTES:
            for note in alike:
                _write_note(page, check, note)
            continue
        first = alike[0]
        layers = list(dict.fromkeys(filter(None, map(places.layer, alike))))[:_NAMED]
        where = f": {', '.join([*layers, page.ellipsis])}" if layers else ""
        text = page.clean(f"{first.name}, {len(alike)} times{where} (--notes shows them)")
        _write_headed(page, f"note[{first.code}] ", text)


def _write_fault(
    page: Page, check: "Check", fault: Diagnostic, path: str, lines: Sequence[str]
) -> None:
    position = check.locate(fault)
    heading = f"{fault.severity}[{fault.code}] {fault.name}: "
    first, *more = page.wrap(page.clean(fault.message), len(heading), 4)
    page.write(page.paint(heading, fault.severity) + page.paint(first, "bold"))
    for line in more:
        page.write(page.paint(line, "bold"))
    margin = " " * len(str(position.line))
    place = f"{page.clean(check.file)}:{position.line}:{position.column}"
    layer = f" ({page.clean(path)})" if path else ""
    page.write(f"{margin}{page.paint('-->', 'frame')} {place}{layer}")
    bar = page.paint(f"{margin} |", "frame")
    text = lines[position.line - 1] if position.line <= len(lines) else ""
    # What is missing from the whole spec has no place in it: a comment there says nothing.
    if not text[position.column - 1 :].startswith("#") and text.strip():
        room = None if page.width is None else max(page.width - len(margin) - 3, 20)
        shown = excerpt(page, text, position.column, single=fault.offset > 0, room=room)
        page.write(bar)
        page.write(f"{page.paint(f'{position.line} |', 'frame')} {shown.text}")
        page.write(f"{bar} {page.paint(shown.mark, fault.severity)}")
    if fault.help:
        label = f"{margin} = help: "
        first, *more = page.wrap(page.clean(fault.help), len(label), len(label))
        page.write(f"{page.paint(f'{margin} =', 'frame')} {page.paint('help:', 'note')} {first}")
        for line in more:
            page.write(line)


def _write_note(page: Page, check: "Check", note: Diagnostic) -> None:
    position = check.locate(note)
    layer = f"{note.path}: " if note.path else ""
    place = f" ({check.file}:{position.line})"
    text = page.clean(f"{layer}{note.message}{place}")
    _write_headed(page, f"note[{note.code}] ", text)


def _write_headed(page: Page, heading: str, text: str) -> None:
    first, *more = page.wrap(text, len(heading), 4)
    page.write(page.paint(heading, "note") + first)
    for line in more:
        page.write(line)


def _write_rest(page: Page, faults: Sequence[Diagnostic], shown: int) -> None:
    rest = len(faults) - shown
    kinds = {fault.severity for fault in faults}
    noun = next(iter(kinds)) if len(kinds) == 1 else "problem"
    page.write(f"and {figures.counted(rest, f'more {noun}')}; --format json lists all")
