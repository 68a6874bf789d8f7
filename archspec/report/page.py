"""Where text goes: how wide it may be, and which characters and colours it may use."""

import os
from typing import Literal, TextIO

Color = Literal["auto", "always", "never"]

_STYLES = {
    "bold": "1",
    "dim": "2",
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "good": "32",
    "bad": "31",
    "frame": "34",
}
_PLAIN = str.maketrans("×·−–─✗", "x*---x") | str.maketrans(
    {"→": "->", "←": "<-", "…": "...", "✓": "ok", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")"}
    | {"≤": "<="}
)
"""What stands for our own signs where a stream carries only ASCII."""
_TAB = "    "
_FIRST_COMBINING = "\u0300"  # every character before it takes one column


class Page:
    """A stream with its limits: `width` in columns (None: any), colour, Unicode or ASCII.

    Every text that comes from a spec goes through `clean` (or `glyphs`), so that nothing in it
    can steer the terminal.
    """

    __slots__ = ("color", "stream", "unicode", "width")

    def __init__(
        self, stream: TextIO, *, width: int | None = None, color: bool = False, unicode: bool = True
    ) -> None:
        self.stream = stream
        self.width = width
        self.color = color
        self.unicode = unicode

    @classmethod
    def on(cls, stream: TextIO, color: Color = "auto") -> "Page":
        """A page as `stream` and the environment (COLUMNS, NO_COLOR, TERM) want it."""
        terminal = stream.isatty()
        colored = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(
            stream,
            width=_width(stream, terminal=terminal),
            color=colored if color == "auto" else color == "always",
            unicode=_carries_unicode(stream),
        )

    @property
    def arrow(self) -> str:
        """From input to output."""
        return "→" if self.unicode else "->"

    @property
    def back_arrow(self) -> str:
        """From what is read."""
        return "←" if self.unicode else "<-"

    @property
    def ellipsis(self) -> str:
        """Stands for what is left out."""
        return "…" if self.unicode else "..."

    def write(self, line: str = "") -> None:
        """Write a line, in characters that the stream can carry."""
        if not self.unicode:
            line = line.translate(_PLAIN).encode("ascii", "replace").decode("ascii")
        self.stream.write(line + "\n")

    def paint(self, text: str, style: str) -> str:
        """The text in a style, where there is colour."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.color and text else text

    def clean(self, text: str) -> str:
        """The text without anything that a terminal would obey, in characters it can show."""
        if text.isascii() and text.isprintable():
            return text
        if not self.unicode:
            text = text.translate(_PLAIN)  # our own signs, in messages and formulas
        return "".join(glyph if glyph != _TAB else " " for glyph in self.glyphs(text))

    def glyphs(self, text: str) -> list[str]:
        """What to show for each character: itself, a symbol for a control, spaces for a tab."""
        if not self.unicode:
            return [_TAB if c == "\t" else c if " " <= c <= "~" else "?" for c in text]
        return [_glyph(character) for character in text]

    def elide(self, text: str, width: int) -> str:
        """The text with its middle left out where it is wider than `width` columns."""
        if columns(text) <= width:
            return text
        room = width - len(self.ellipsis)
        if room < 2:
            return _head(text, width)
        tail = _head(text[::-1], room // 2)[::-1]
        return _head(text, room - room // 2) + self.ellipsis + tail

    def elide_end(self, text: str, width: int) -> str:
        """The text cut at its end where it is wider than `width` columns."""
        if columns(text) <= width:
            return text
        return _head(text, max(width - len(self.ellipsis), 0)).rstrip() + self.ellipsis

    def wrap(self, text: str, first: int = 0, indent: int = 0, at: str = " ") -> list[str]:
        """The text broken before `at` (never inside `62 378 344`), from column `first` on.

        Lines after the first begin with `indent` blanks.
        """
        if self.width is None or first + columns(text) <= self.width:
            return [text]
        lines, room = [], self.width - first
        line = ""
        for piece in _pieces(text, at):
            if line and columns(line) + columns(piece) > room:
                lines.append(line)
                line, room = " " * indent + piece.lstrip(), self.width
            else:
                line += piece
        return [*lines, line]


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters two, combining ones none."""
    if text.isascii() or max(text) < _FIRST_COMBINING:
        return len(text)
    return sum(map(_columns, text))


def pad(text: str, width: int, align: str = "<") -> str:
    """The text filled up to `width` columns."""
    blank = " " * (width - columns(text))
    return blank + text if align == ">" else text + blank


def _columns(character: str) -> int:
    if character < _FIRST_COMBINING or "\u2010" <= character <= "\u27ff":
        return 1
    from unicodedata import combining, east_asian_width  # names are ASCII, mostly

    return 0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1


def _glyph(character: str) -> str:
    if character.isprintable():
        return character
    if character == "\t":
        return _TAB
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)  # its symbol: ␛ for escape
    return " " if character.isspace() and code > 0xA0 - 1 else "\ufffd"


def _head(text: str, width: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > width:
            return text[:index]
    return text


def _pieces(text: str, at: str) -> list[str]:
    """The text cut before each `at`; the thousands of one number stay together."""
    pieces: list[str] = []
    for part in text.split(at):
        whole = at == " " and pieces and pieces[-1][-1:].isdigit()
        if whole and part[:3].isdigit() and not part[3:4].isdigit():
            pieces[-1] += at + part
        else:
            pieces.append(at + part if pieces else part)
    return pieces


def _width(stream: TextIO, *, terminal: bool) -> int | None:
    """COLUMNS where it is set, else the terminal's; a pipe has none, so nothing is left out."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit() and 0 < int(asked) < 10_000:
        return int(asked)
    if not terminal:
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _carries_unicode(stream: TextIO) -> bool:
    try:
        "×→←─✓✗…−·⌊≤".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
