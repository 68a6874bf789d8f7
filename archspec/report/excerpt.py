"""A line of a spec with a mark under the exact place, whatever the line holds."""

import re
from typing import NamedTuple

from archspec.report.page import Page, columns

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # YAML's; str.splitlines knows more
_PLAIN_END = re.compile(r"[,\]}]|\s+#|:(?=\s|$)|\s*$")
_WORD = re.compile(r"[\w.]+")
_CLOSING = {"[": "]", "{": "}"}
_LONGEST = 140
"""Columns of a line that are shown where the page has no width of its own."""
_LEAD = 40
"""Columns before the marked place that are kept of a line too long to show."""

_NEAR = 2000
"""Characters before and after the marked place that are looked at."""


class Excerpt(NamedTuple):
    """A line as it is shown, and the columns (from 0) at which the mark begins and ends."""

    text: str
    start: int
    end: int

    @property
    def mark(self) -> str:
        """The line under it: `    ^^^`."""
        return " " * self.start + "^" * (self.end - self.start)


def split_lines(text: str) -> list[str]:
    """The lines of a text as YAML counts them."""
    return _LINE_BREAK.split(text)


def excerpt(page: Page, line: str, column: int, *, single: bool, room: int | None) -> Excerpt:
    """The part of a line around `column` (from 1) that fits into `room` columns.

    The mark covers the value that begins there, or only its word (a place within an expression)
    where `single`.
    """
    start = min(max(column - 1, 0), len(line))
    cut = max(start - _NEAR, 0)  # a spec may be one line of megabytes
    rest = len(line) > start + _NEAR
    line, start = line[cut : start + _NEAR], start - cut
    end = _word_end(line, start) if single else _value_end(line, start)
    room = room or _LONGEST
    if columns(line) <= room and "\t" not in line:
        left, right = 0, len(line)
    else:
        left, right = _window(page, line, start, room)
    before = page.ellipsis if left or cut else ""
    after = page.ellipsis if right < len(line) or rest else ""
    glyphs = page.glyphs(line[left:right])
    shown_end = max(min(end, right), start + 1)
    mark_start = columns(before + "".join(glyphs[: start - left]))
    marked = columns("".join(glyphs[start - left : shown_end - left]))
    text = before + "".join(glyphs) + after
    return Excerpt(text.rstrip(), mark_start, mark_start + max(marked, 1))


def _window(page: Page, line: str, start: int, room: int) -> tuple[int, int]:
    """Which characters of a long line to show: some before the place, the rest after it."""
    room = max(room - 2 * len(page.ellipsis), 8)
    widths = [columns(glyph) for glyph in page.glyphs(line)]
    left, right, taken = start, start, 0
    while left > 0 and taken + widths[left - 1] <= min(_LEAD, room // 2):
        left -= 1
        taken += widths[left]
    while right < len(line) and taken + widths[right] <= room:
        taken += widths[right]
        right += 1
    while left > 0 and taken + widths[left - 1] <= room:  # room that the rest does not need
        left -= 1
        taken += widths[left]
    return left, right


def _word_end(line: str, start: int) -> int:
    """Where a name or number of an expression ends; a sign is one character."""
    found = _WORD.match(line, start)
    return found.end() if found else start + 1


def _value_end(line: str, start: int) -> int:
    """Where the value that begins at `start` ends on this line: its last character plus one."""
    first = line[start : start + 1]
    if first in {'"', "'"}:
        return _quoted_end(line, start)
    if first in _CLOSING:
        return _bracket_end(line, start)
    found = _PLAIN_END.search(line, start)
    return max(found.start() if found else len(line), start + 1)


def _quoted_end(line: str, start: int) -> int:
    quote, at = line[start], start + 1
    while at < len(line):
        if line[at] == "\\" and quote == '"':
            at += 1
        elif line[at] == quote:
            return at + 1
        at += 1
    return len(line.rstrip())


def _bracket_end(line: str, start: int) -> int:
    waiting: list[str] = []
    at = start
    while at < len(line):
        character = line[at]
        if character in {'"', "'"} and line[at - 1] in " ,[{:":
            at = _quoted_end(line, at)
            continue
        if character in _CLOSING:
            waiting.append(_CLOSING[character])
        elif waiting and character == waiting[-1]:
            waiting.pop()
            if not waiting:
                return at + 1
        at += 1
    return len(line.rstrip())
