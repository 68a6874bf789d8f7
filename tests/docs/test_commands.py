"""Every command that the documentation shows runs, and prints what is shown under it.

A `console` or `sh` block is run as a session: a line that starts with `$ ` is a command (`> `
continues it), the lines under it are its output, standard error included. Where output is shown
it has to match; a line `...` stands for any lines, `...` or `…` within a line for any text. A
command fails on purpose where a comment behind it says so: `# exit 1`. A `pycon` block is run as a
doctest. A block of any language with `title="NAME"` behind the language is written to that file.
All blocks of a page share one directory, which holds copies of specs/ and generated/.
"""

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What is shown and yet not run here, and why. Each pattern is matched at the command's beginning.
SKIPPED = {
    r"python3 dev\.py ": "builds an environment; .ci/run runs it",
    r"archspec train .*path/to/flowers": "photographs are not part of the checkout",
}

TIMEOUT_SECONDS = 600
EXIT_CODE = re.compile(r"\s# exit (\d+)$")
FENCE = re.compile(r'^(?P<indent> *)```(?P<language>\w+)(?: title="(?P<title>[\w./-]+)")?\s*$')


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, the number of its first line, and the file it is shown as."""

    language: str
    line: int
    lines: tuple[str, ...]
    title: str | None

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


@dataclass(frozen=True)
class Step:
    """One command of a block, what is shown under it, and the exit code it announces."""

    line: int
    command: str
    shown: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        announced = EXIT_CODE.search(self.command)
        return int(announced[1]) if announced else 0

    @property
    def is_skipped(self) -> bool:
        return any(re.match(pattern, self.command) for pattern in SKIPPED)


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if not (fence := FENCE.match(line)):
            continue
        indent = len(fence["indent"])
        inside = []
        for _, content in lines:
            if content.strip() == "```":
                break
            inside.append(content[indent:])
        yield Block(fence["language"], number + 1, tuple(inside), fence["title"])


def steps(block: Block) -> Iterator[Step]:
    """The commands of a block with the output that is shown under each."""
    if block.language not in {"console", "sh"}:
        return
    starts = [at for at, line in enumerate(block.lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(block.lines)], strict=True):
        command = [block.lines[start].removeprefix("$ ")]
        at = start + 1
        while at < end and block.lines[at].startswith("> "):
            command.append(block.lines[at].removeprefix("> "))
            at += 1
        shown = "\n".join(block.lines[at:end]).strip("\n").splitlines()
        yield Step(block.line + start, "\n".join(command), tuple(shown))


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Whether `printed` is what is shown, blanks at the ends of lines apart."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() in {"...", "…"} else f"{line_pattern(line)} *\n"
        for line in shown
    )
    return re.fullmatch(pattern, f"{printed.strip(chr(10))}\n") is not None


def line_pattern(line: str) -> str:
    """A regular expression for one shown line, in which `...` and `…` stand for anything."""
    return ".*".join(re.escape(part) for part in re.split(r"\.\.\.|…", line.rstrip()))


def run(step: Step, folder: Path, env: Mapping[str, str]) -> None:
    """Run one command and compare; fails the test with the line, what is shown, what is printed."""
    done = subprocess.run(  # noqa: S602 - a shown command is a line of shell, from our own pages
        step.command,
        shell=True,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    where = f"line {step.line}: $ {step.command}"
    if done.returncode != step.exit_code:
        pytest.fail(f"{where}\nends with {done.returncode} and\n{done.stdout}", pytrace=False)
    if step.shown and not matches(step.shown, done.stdout):
        shown = "\n".join(step.shown)
        pytest.fail(f"{where}\nis shown with\n{shown}\nbut prints\n{done.stdout}", pytrace=False)


def run_doctest(block: Block, page: Path) -> None:
    """Run a block of `>>>` lines; raises DocTestFailure where the result differs."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.text, {}, page.name, str(page), block.line - 1)
    doctest.DebugRunner(optionflags=options).run(test)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_shown_command_runs(
    page: Path, tmp_path: Path, terminal: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("specs", "generated"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    scripts = str(Path(sys.executable).parent)
    env = {**terminal, "PATH": os.pathsep.join([scripts, terminal["PATH"]])}
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.title:
            (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        if block.language == "pycon":
            run_doctest(block, page)
        for step in steps(block):
            if not step.is_skipped:
                run(step, tmp_path, env)


def test_every_exception_is_still_needed() -> None:
    commands = [
        step.command
        for page in PAGES
        for block in blocks(page.read_text(encoding="utf-8"))
        for step in steps(block)
    ]
    unused = [
        pattern for pattern in SKIPPED if not any(re.match(pattern, line) for line in commands)
    ]
    assert unused == []


PAGE = """
```text title="two.txt"
joined
```
```console
$ printf 'one  \\ntwo\\nthree 3.14 s\\n'
one
...
three ... s
$ echo \\
> joined
joined
$ false  # exit 1
```
    ```pycon
    >>> 1 + 1
    2
    ```
"""


def test_the_runner_reads_commands_and_what_is_shown() -> None:
    titled, console, pycon = blocks(PAGE)
    assert [step.shown for step in steps(console)] == [
        ("one", "...", "three ... s"),
        ("joined",),
        (),
    ]
    assert [step.exit_code for step in steps(console)] == [0, 0, 1]
    assert [step.line for step in steps(console)] == [6, 10, 13]
    assert pycon.lines == (">>> 1 + 1", "2")
    assert (titled.title, titled.text) == ("two.txt", "joined\n")
    assert list(steps(titled)) == []


def test_the_runner_accepts_what_is_true(tmp_path: Path) -> None:
    titled, console, pycon = blocks(PAGE)
    (tmp_path / "two.txt").write_text(titled.text, encoding="utf-8")
    for step in steps(console):
        run(step, tmp_path, os.environ)
    run_doctest(pycon, Path("page.md"))


@pytest.mark.parametrize(
    "text",
    ["$ echo one\ntwo", "$ false", "$ true  # exit 1", "$ printf 'a\\nb\\n'\na", "$ echo a\na\nb"],
)
def test_the_runner_refuses_what_is_false(text: str, tmp_path: Path) -> None:
    (block,) = blocks(f"```console\n{text}\n```\n")
    (step,) = steps(block)
    with pytest.raises(pytest.fail.Exception):
        run(step, tmp_path, os.environ)


def test_the_runner_refuses_a_false_doctest() -> None:
    (block,) = blocks("```pycon\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(doctest.DocTestFailure):
        run_doctest(block, Path("page.md"))
