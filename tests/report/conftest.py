"""What the tests of reports share: pages of any kind in memory, golden files."""

import io
import os
from pathlib import Path
from typing import Protocol

import pytest

from archspec.report.page import Page

HERE = Path(__file__).parent
UPDATE = "ARCHSPEC_UPDATE_GOLDEN"


class Golden(Protocol):
    """Compares a text with a file beside the tests."""

    def __call__(self, file: str, text: str) -> None: ...


@pytest.fixture
def golden() -> Golden:
    """Compare with a golden file; `ARCHSPEC_UPDATE_GOLDEN=1 pytest` writes the files anew."""

    def compare(file: str, text: str) -> None:
        path = HERE / file
        if os.environ.get(UPDATE):
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{file} is missing: {UPDATE}=1 writes it"
        assert text == path.read_text(encoding="utf-8")

    return compare


class Sheet(Page):
    """A page in memory."""

    __slots__ = ()

    def __init__(
        self, width: int | None = None, *, color: bool = False, unicode: bool = True
    ) -> None:
        super().__init__(io.StringIO(), width=width, color=color, unicode=unicode)

    @property
    def text(self) -> str:
        """What was written."""
        assert isinstance(self.stream, io.StringIO)
        return self.stream.getvalue()

    @property
    def lines(self) -> list[str]:
        """What was written, line by line."""
        return self.text.splitlines()
