"""The page of diagnostics is the catalogue's."""

import subprocess
import sys
from pathlib import Path

from archspec.diagnostics import CATALOGUE


def test_the_page_is_what_the_catalogue_says(root: Path) -> None:
    command = [sys.executable, "-m", "archspec.report.catalogue"]
    page = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=root)
    shown = (root / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    assert page.stdout == shown, "python -m archspec.report.catalogue > docs/diagnostics.md"


def test_codes_and_names_are_unique_and_documented() -> None:
    assert len({kind.code for kind in CATALOGUE}) == len(CATALOGUE)
    assert len({kind.name for kind in CATALOGUE}) == len(CATALOGUE)
    assert all(kind.__doc__ for kind in CATALOGUE)
