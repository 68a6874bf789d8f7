"""`archspec gen`: specs as code, in files or on standard output."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from archspec.cli.errors import UserError
from archspec.cli.overrides import read_overrides

if TYPE_CHECKING:
    from archspec.language.loader import SpecFile
    from archspec.targets import Target

DIFF_LINES = 20
"""So many lines of a difference are shown; the rest is counted."""

Specs = Annotated[
    list[str] | None,
    typer.Argument(metavar="SPEC", help="Files, or names in specs/; without any: all there are."),
]
TargetName = Annotated[str, typer.Option("--target", help="What to write: torch.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="The folder the files go to.")]
Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit with 1 where a file is not current.")
]
Stdout = Annotated[bool, typer.Option("--stdout", help="Print the code of one spec instead.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="VAR=VALUE", help="Give a variable of the spec another value."),
]


def gen(
    specs: Specs = None,
    target: TargetName = "torch",
    out: Out = Path("generated"),
    check: Check = False,
    stdout: Stdout = False,
    assignments: Overrides = None,
) -> None:
    """Write networks as code, one file a spec.

    A spec with errors gets no file; its errors are told, and the others are written. Exits with 0
    when all is well, 1 when a spec has errors or, with --check, a file is not current, and 2 when
    the command is used wrongly or a file cannot be read or written.
    """
    job = _Job(_found(specs or ()), _target(target), out, read_overrides(assignments or ()))
    if stdout:
        if check or len(job.files) != 1:
            raise UserError("--stdout prints the code of one spec, without --check", exit_code=2)
        failed = _print(job)
    elif check:
        failed = _verify(job)
    else:
        failed = _write(job)
    if not specs and not stdout:
        _warn_of_stale_files(job)
    sys.stdout.flush()
    if failed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Job:
    """What to write, how, and where."""

    files: Sequence["SpecFile"]
    target: "Target"
    out: Path
    overrides: Mapping[str, Any]

    def path(self, file: "SpecFile") -> Path:
        return self.out / self.target.file_name(file.name)

    def texts(self) -> Iterator[tuple[Path, str | None]]:
        """Each file with the text it should have; None for a spec with errors, which are told."""
        import archspec

        for file in self.files:
            name = f"{file.file}:{file.variant}" if file.variant else file.file
            try:
                checked = archspec.check(name, self.overrides)
            except archspec.SpecNotFound as error:
                raise UserError(str(error), exit_code=2) from None
            yield self.path(file), self.text(checked)

    def text(self, checked: Any) -> str | None:
        """The text of one file; None for a spec with errors, which are told."""
        from archspec.api import SpecError, write

        if checked.network is None or not checked.ok:
            _tell(checked)
            return None
        try:
            return write(checked, self.target.name)
        except SpecError as error:
            _tell(checked._replace(diagnostics=(*checked.diagnostics, *error.diagnostics)))
            return None


def _found(specs: Sequence[str]) -> Sequence["SpecFile"]:
    """The specs of these names and paths, or all; raises UserError."""
    from archspec.language import loader

    try:
        found = [loader.find(spec) for spec in specs] if specs else list(loader.list_specs())
    except loader.SpecNotFound as error:
        raise UserError(str(error), exit_code=2) from None
    if not found:
        raise UserError("there are no specs in ./specs; name a file", exit_code=2)
    return found


def _target(name: str) -> "Target":
    from archspec.targets import TARGETS

    if name not in TARGETS:
        raise UserError(f"there is no target {name!r}; there is {', '.join(TARGETS)}", exit_code=2)
    return TARGETS[name]


def _tell(checked: Any) -> None:
    """Every error of a spec, with its place, on stderr."""
    from archspec.report.diagnostics import write_diagnostics
    from archspec.report.page import Page
    from archspec.report.summary import write_verdict

    sys.stdout.flush()
    page = Page.on(sys.stderr)
    page.write(page.clean(f"{checked.name} ({checked.file}): nothing is written"))
    write_diagnostics(page, checked)
    write_verdict(page, checked)


def _print(job: _Job) -> bool:
    ((_, text),) = job.texts()
    if text is not None:
        sys.stdout.buffer.write(text.encode())  # as in a file: Python source is UTF-8 everywhere
    return text is None


def _write(job: _Job) -> bool:
    """Write what has changed, a line a file; whether a spec had errors."""
    from archspec.targets.files import write_whole

    _require_one_file_each(job)
    counts = {"written": 0, "unchanged": 0}
    failed = 0
    for path, text in job.texts():
        if text is None:
            failed += 1
            continue
        state = "unchanged" if _content(path) == text else "written"
        if state == "written":
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, text)
            except OSError as error:
                reason = error.strerror or str(error)
                raise UserError(f"cannot write {path}: {reason}", exit_code=2) from None
        counts[state] += 1
        _say(f"{path.as_posix()}  {state}")
    _summarise(counts, failed)
    return failed > 0


def _verify(job: _Job) -> bool:
    """Compare the files with what would be written; whether anything is not as it should be."""
    _require_one_file_each(job)
    counts = {"current": 0, "not current": 0}
    failed = 0
    for path, text in job.texts():
        if text is None:
            failed += 1
            continue
        found = _content(path)
        state = "current" if found == text else "not current"
        counts[state] += 1
        _say(f"{path.as_posix()}  {'missing' if found is None else state}")
        if found is not None and found != text:
            _print_difference(path, found, text)
    _summarise(counts, failed)
    if counts["not current"]:
        _say("run `archspec gen` to write them anew")
    return failed > 0 or counts["not current"] > 0


def _require_one_file_each(job: _Job) -> None:
    """Raise UserError where two specs would be written to one file."""
    taken: dict[Path, SpecFile] = {}
    for file in job.files:
        first = taken.setdefault(job.path(file), file)
        if first is not file:
            both = f"{first.shown} and {file.shown}"
            raise UserError(f"{both} would both be {job.path(file)}: rename one", exit_code=2)


def _content(path: Path) -> str | None:
    """A file's text, None where there is none; raises UserError."""
    try:
        return path.read_bytes().decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", exit_code=2) from None


def _print_difference(path: Path, found: str, wanted: str) -> None:
    names = (f"{path.as_posix()} (found)", f"{path.as_posix()} (generated)")
    lines = unified_diff(found.splitlines(), wanted.splitlines(), *names, lineterm="", n=1)
    for line in islice(lines, DIFF_LINES):
        _say(f"    {line}")
    if rest := sum(1 for _ in lines):
        _say(f"    … {rest} more lines")


def _summarise(counts: Mapping[str, int], failed: int) -> None:
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    if failed:
        parts.append(f"{failed} with errors")
    _say(", ".join(parts))


def _warn_of_stale_files(job: _Job) -> None:
    """Name files in the folder that no spec produces: what is left of a spec that is gone."""
    wanted = {job.path(file).name for file in job.files}
    for path in sorted(job.out.glob("*.py")):
        if path.name not in wanted | {"__init__.py"}:
            _say(f"warning: {path.as_posix()} belongs to no spec", sys.stderr)


def _say(line: str, stream: TextIO | None = None) -> None:
    """Print a line, in characters that the stream can carry."""
    from archspec.report.page import Page

    page = Page.on(stream or sys.stdout)
    page.write(page.clean(line))
