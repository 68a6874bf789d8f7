"""The page: what its limits do to texts."""

import io
import os
import pty
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.report import figures
from archspec.report.page import Page, columns, pad
from tests.report.conftest import Sheet

WORDS = st.text(st.characters(codec="utf-8"), max_size=40)


@given(WORDS, st.booleans())
def test_a_cleaned_text_steers_no_terminal(text: str, unicode: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
    cleaned = Sheet(unicode=unicode).clean(text)
    assert len(cleaned) == len(text) or not unicode
    assert cleaned.isprintable()
    assert unicode or cleaned.isascii()


# Without the characters that an ellipsis is made of, one can tell it from the text.
UNDOTTED = st.text(st.characters(codec="utf-8", exclude_characters=".…"), max_size=40)


@given(UNDOTTED, st.integers(5, 30), st.booleans())
def test_an_elided_text_fits_and_keeps_both_ends(text: str, width: int, unicode: bool) -> None:  # noqa: FBT001 - as above
    sheet = Sheet(unicode=unicode)
    text = sheet.clean(text)
    elided = sheet.elide(text, width)
    assert columns(elided) <= width
    head, _, tail = elided.partition(sheet.ellipsis)
    assert elided == text or (text.startswith(head) and text.endswith(tail))
    assert columns(pad(elided, width)) == width


WORD = st.from_regex(r"[a-z]{1,12}", fullmatch=True)
NUMBER = st.from_regex(r"[1-9][0-9]{0,2}( [0-9]{3}){0,3}", fullmatch=True)


@given(st.lists(st.tuples(WORD, NUMBER), min_size=1))
def test_wrapping_fits_loses_nothing_and_breaks_no_number(pairs: list[tuple[str, str]]) -> None:
    text = " ".join(f"{word} {number}" for word, number in pairs)
    first, *more = Sheet(30).wrap(text, first=10, indent=4)
    assert columns(first) <= 20
    assert all(columns(line) <= 30 and line.startswith("    ") for line in more)
    lines = [first, *(line.removeprefix("    ") for line in more)]
    assert " ".join(lines) == text
    shown = "\n".join(lines)
    assert all(number in shown for _, number in pairs)


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("grüße", 5), ("日本", 4), ("e\u0301", 1), ("→×−", 3), ("🙂", 2)],
)
def test_width_is_what_a_terminal_shows(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "?"),
        (0, "0"),
        (999, "999"),
        (1000, "1.0 k"),
        (999_949, "999.9 k"),
        (999_950, "1.0 M"),
        (105_415_200, "105.4 M"),
        (739_936_800, "739.9 M"),
        (10**13, "10.0 T"),
        (10**24, "1000000.0 E"),
    ],
)
def test_a_rounded_figure_keeps_one_decimal(number: int | None, text: str) -> None:
    assert figures.rounded(number) == text


def test_what_is_unknown_is_a_question_mark() -> None:
    assert [figures.exact(None), figures.shape(None), figures.field(None)] == ["?", "?", "?"]


def encoded(encoding: str) -> Page:
    return Page.on(io.TextIOWrapper(io.BytesIO(), encoding=encoding))


@pytest.mark.parametrize(
    ("encoding", "carried"),
    [("utf-8", True), ("utf-16", True), ("ascii", False), ("latin-1", False)],
)
def test_signs_are_plain_where_the_stream_cannot_carry_them(encoding: str, carried: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    page = encoded(encoding)
    page.write("(3×3 → ⌊1.5⌋ …) − 日本 ✓✗")
    page.stream.flush()
    assert isinstance(page.stream, io.TextIOWrapper)
    assert isinstance(page.stream.buffer, io.BytesIO)
    text = page.stream.buffer.getvalue().decode(encoding)
    plain = "(3x3 -> floor(1.5) ...) - ?? okx\n"
    assert text == ("(3×3 → ⌊1.5⌋ …) − 日本 ✓✗\n" if carried else plain)


# Prints the limits of the page that a fresh process finds on its standard output.
LIMITS = """
import sys
from archspec.report.page import Page
page = Page.on(sys.stdout)
print(page.width, page.color)
"""


def limits(environment: dict[str, str], *, terminal: bool) -> str:
    """What a process with this environment finds, on a terminal of 77 columns or in a pipe."""
    unset = ("COLUMNS", "NO_COLOR", "TERM")
    env = {k: v for k, v in os.environ.items() if k not in unset} | environment
    command = [sys.executable, "-c", LIMITS]
    if not terminal:
        return subprocess.run(command, env=env, capture_output=True, check=True, text=True).stdout
    master, slave = pty.openpty()
    size = subprocess.run(["stty", "cols", "77"], stdin=slave, check=False)  # noqa: S607 - wherever POSIX has it
    assert size.returncode == 0
    subprocess.run(command, env=env, stdout=slave, check=True)
    shown = os.read(master, 1000).decode()
    os.close(slave)
    os.close(master)
    return shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize(
    ("environment", "terminal", "found"),
    [
        ({}, False, "None False"),
        ({"COLUMNS": "60"}, False, "60 False"),
        ({"COLUMNS": "wide"}, False, "None False"),
        ({"TERM": "xterm"}, True, "77 True"),
        ({"TERM": "xterm", "COLUMNS": "50"}, True, "50 True"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, "77 False"),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, "77 True"),
        ({"TERM": "dumb"}, True, "77 False"),
    ],
)
def test_width_and_colour_come_from_the_terminal_and_the_environment(
    environment: dict[str, str],
    terminal: bool,  # noqa: FBT001 - pytest passes it by name
    found: str,
) -> None:
    assert limits(environment, terminal=terminal).split() == found.split()
