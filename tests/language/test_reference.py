"""Every example of docs/language.md and docs/ops.md is a spec that means what the page says.

A `yaml` block is a spec, the rows of one (it begins with `-`), or some of its keys; what is
missing is added. `<!-- input: [9216] -->` and `<!-- expect: unknown-key -->` before a block say
what arrives and which diagnostic is wanted. A comment `# → 96×55×55` behind a row is what comes
out of it, and a comment `# features.0` is its path.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from archspec import expressions
from archspec.analysis.claims import METRICS
from archspec.analysis.macs import CONVENTIONS
from archspec.api import Check, check_text
from archspec.expressions import FUNCTIONS, MAX_COMPARED, MAX_ITEMS, MAX_LENGTH
from archspec.graph.bounds import MAX_NESTED, MAX_STEPS, MAX_WORK
from archspec.graph.leaves import MAX_INPUTS
from archspec.graph.network import Value
from archspec.graph.values import MAX_HELD
from archspec.language.init import SCHEMES
from archspec.language.rows import MAX_FAULTS, ROW_KEYS
from archspec.language.source import MAX_BYTES, MAX_DEPTH, MAX_VALUES
from archspec.ops import OPS
from archspec.report.explanation import MOST_EXPLAINED
from archspec.report.table import MOST_ROWS

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("language.md", "ops.md")
BLOCK = re.compile(r"(?P<notes>(?:<!-- [^\n]* -->\n)*)```yaml\n(?P<text>.*?)```", re.DOTALL)
NOTE = re.compile(r"<!-- (\w+): (.*) -->")
HEAD = {"archspec": "1", "name": "Example", "input": "[3, 224, 224]"}


@dataclass(frozen=True)
class Example:
    """A block as a whole spec, and the line of it where the block itself begins (from 1)."""

    spec: str
    expected: str | None
    first_line: int
    lines: tuple[str, ...]


def read_page(name: str) -> list[Example]:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return [
        example(match["text"], dict(NOTE.findall(match["notes"]))) for match in BLOCK.finditer(page)
    ]


def example(text: str, notes: dict[str, str]) -> Example:
    is_rows = text.startswith("-")
    given = set() if is_rows else set(re.findall(r"^(\w+):", text, re.MULTILINE))
    head = "".join(
        f"{k}: {v}\n"
        for k, v in (HEAD | {"input": notes.get("input", HEAD["input"])}).items()
        if k not in given
    )
    head += "layers:\n" if is_rows else ""
    return Example(head + text, notes.get("expect"), head.count("\n") + 1, tuple(text.splitlines()))


EXAMPLES = [
    pytest.param(found, id=f"{page}-{number}")
    for page in PAGES
    for number, found in enumerate(read_page(page), start=1)
]


def steps_by_line(result: Check) -> dict[int, list[tuple[str, Value]]]:
    """The steps that each line of the text makes, outer ones first: path, and what leaves it."""
    assert result.network is not None
    found: dict[int, list[tuple[str, Value]]] = {}
    for item in result.network.root.walk():
        if item.step is not None:
            line, _ = result.document.locate(item.step.at)
            found.setdefault(line, []).append((item.path, item.output))
    return found


@pytest.mark.parametrize("shown", EXAMPLES)
def test_an_example_means_what_the_page_says(shown: Example) -> None:
    result = check_text(shown.spec)
    told = [fault.name for fault in result.diagnostics if fault.severity != "note"]
    if shown.expected is None:
        assert told == [], [fault.message for fault in result.diagnostics]
        assert all(claim.holds for claim in result.claims)
    else:
        assert shown.expected in {fault.name for fault in result.diagnostics}
        assert set(told) <= {shown.expected}
    assert result.network is not None
    made = steps_by_line(result)
    for number, line in enumerate(shown.lines, start=shown.first_line):
        if shape := re.search(r"# → ([\d×]+)$", line):
            output = result.network.shape_of(made[number][-1][1])
            assert output is not None
            assert "×".join(map(str, output)) == shape[1]
        if path := re.search(r"# ([\w.]+)$", line):
            assert path[1] in dict(made[number])
        if advice := re.search(r"# (did you mean .*|write .*)$", line):
            said = " ".join(f"{fault.message} {fault.help}" for fault in result.diagnostics)
            assert advice[1] in said


def _spelt(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def test_the_page_has_examples_with_results() -> None:
    text = "".join("\n".join(found.lines) for page in PAGES for found in read_page(page))
    assert text.count("# →") > 40
    assert len(EXAMPLES) > 40


@pytest.mark.parametrize(
    "words",
    [
        [f"`{metric}`" for metric in METRICS],
        [f"`{convention}`" for convention in CONVENTIONS],
        [f"`{function}" for function in FUNCTIONS],
        [f"{MAX_LENGTH} characters", f"{MAX_ITEMS} items"],
        [f"{MAX_BYTES // 2**20} MiB", f"{MAX_DEPTH} deep", _spelt(MAX_VALUES)],
        [f"{MAX_NESTED} deep", _spelt(MAX_STEPS), _spelt(MAX_WORK), f"{MAX_INPUTS} steps"],
        [f"{MAX_COMPARED} items", f"{expressions.MAX_NESTED} deep", _spelt(MAX_HELD)],
        [f"{_spelt(MOST_ROWS)} rows", f"{MOST_EXPLAINED} layers", f"{MAX_FAULTS} are"],
        [f"`{key}`" for key in ROW_KEYS],
        [f"`{name}`" for scheme in SCHEMES for name in (scheme, *SCHEMES[scheme])],
        [
            f"`{word}`"
            for forms in SCHEMES.values()
            for form in forms.values()
            for word in form.words
        ],
        [op.op_name for op in OPS if op.__module__ != "archspec.ops.activation"],
    ],
    ids=[
        "metrics",
        "conventions",
        "functions",
        "expressions",
        "files",
        "networks",
        "lists",
        "pages",
        "rows",
        "schemes",
        "words",
        "ops",
    ],
)
def test_the_page_is_complete(words: list[str]) -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert [word for word in words if word not in page] == []


def test_every_key_of_a_spec_is_in_the_table() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    result = check_text("archspec: 1\nnothing: 1\n")
    known = next(fault.help for fault in result.diagnostics if fault.name == "unknown-key")
    keys = known.removeprefix("known here: ").split(", ")
    assert len(keys) > 5
    assert [key for key in keys if f"| `{key}` |" not in page] == []


def test_links_lead_somewhere() -> None:
    for file in sorted((ROOT / "docs").glob("*.md")):
        page = file.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)\s]+)\)", page):
            target, _, anchor = link.partition("#")
            if target.startswith("http"):
                continue
            other = (file.parent / target) if target else file
            assert other.exists(), f"{file.name}: {link}"
            if anchor and other.suffix == ".md":
                assert anchor in anchors(other.read_text(encoding="utf-8")), f"{file.name}: {link}"


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def test_generated_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}: run python docs/generate.py"
