"""`archspec gen`: specs as code, in files or on standard output."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from archspec.cli.cores import for_each
from archspec.cli.errors import UserError
from archspec.cli.overrides import read_overrides

if TYPE_CHECKING:
    from archspec.api import Check as Checked
    from archspec.language.loader import SpecFile
    from archspec.targets import Emission, Target

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
Templates = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Templates of your own, which come before archspec's."),
]
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
    templates: Templates = None,
    assignments: Overrides = None,
) -> None:
    """Write networks as code, a module for each spec.

    A spec with errors gets no file; its errors are told, and the others are written. Exits with 0
    when all is well, 1 when a spec has errors or, with --check, a file is not current, and 2 when
    the command is used wrongly, a template is faulty, or a file cannot be read or written.
    """
    found = _found(specs or ())
    if stdout and (check or len(found) != 1):
        raise UserError("--stdout prints the code of one spec, without --check", exit_code=2)
    overrides = read_overrides(assignments or ())
    job = _Job(found, _target(target), out, overrides, templates)
    written = job.written()
    failed = len(found) - len(written)
    if stdout:
        _print(written, job.target)
    else:
        counts = _verify(written) if check else _write(written)
        _summarise(counts, failed)
        if counts["not current"]:
            _say("run `archspec gen` to write them anew")
        if not specs and not failed:  # of one with errors, nobody knows the files
            _warn_of_stale_files(out, written)
        failed += counts["not current"]
    sys.stdout.flush()
    if failed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Job:
    """What to write, how, and where."""

    specs: Sequence["SpecFile"]
    target: "Target"
    out: Path
    overrides: Mapping[str, Any]
    templates: Path | None

    def written(self) -> list[dict[Path, bytes]]:
        """The files of every spec without errors; of the others the errors are told.

        All are made before the first is written: what stops the command leaves the folder alone.
        Raises UserError where two specs would be written to one file.
        """
        found = []
        taken: dict[Path, SpecFile] = {}
        emissions = for_each(self._emitted, self.specs, self._told)
        for spec, emission in zip(self.specs, emissions, strict=True):
            if emission is None:
                continue
            for note in emission.notes:
                _say(f"{spec.shown}: {' '.join(note.split())}", sys.stderr)
            files = {self.out / name: content for name, content in emission.files.items()}
            for path in files:
                if path in taken:
                    both = f"{taken[path].shown} and {spec.shown}"
                    raise UserError(f"{both} would both be {path}: rename one", exit_code=2)
                taken[path] = spec
            found.append(files)
        return found

    def _emitted(self, spec: "SpecFile") -> "Emission | None":
        """What the target makes of a spec; None for one with errors."""
        checked = self._checked(spec)
        return self._of(checked, spec) if checked.ok else None

    def _told(self, spec: "SpecFile") -> "Emission | None":
        """The same, with all that is wrong told; raises UserError where nothing can be made."""
        from archspec.api import SpecError
        from archspec.language.loader import SpecNotFound
        from archspec.targets import TemplateFault

        try:
            checked = self._checked(spec)
        except SpecNotFound as error:
            raise UserError(str(error), exit_code=2) from None
        try:
            if checked.ok:
                return self._of(checked, spec)
        except TemplateFault as error:
            raise UserError(str(error), exit_code=2) from None
        except SpecError as error:
            checked = checked._replace(diagnostics=(*checked.diagnostics, *error.diagnostics))
        _tell(checked)
        return None

    def _of(self, checked: "Checked", spec: "SpecFile") -> "Emission":
        from archspec.api import emit

        return emit(checked, self.target.name, stem=spec.name, templates=self.templates)

    def _checked(self, spec: "SpecFile") -> "Checked":
        import archspec

        name = f"{spec.file}:{spec.variant}" if spec.variant else spec.file
        return archspec.check(name, self.overrides)


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


def _print(written: list[dict[Path, bytes]], target: "Target") -> None:
    """The one file of the one spec, as it would be on the disk."""
    for files in written:
        if len(files) != 1:
            names = ", ".join(path.name for path in files)
            problem = f"--stdout prints one file, and {target.name} writes {names}: leave it out"
            raise UserError(problem, exit_code=2)
        sys.stdout.buffer.writelines(files.values())


def _write(written: list[dict[Path, bytes]]) -> Counter[str]:
    """Write what has changed, a line a file."""
    from archspec.targets.files import write_whole

    counts: Counter[str] = Counter(written=0, unchanged=0)
    for files in written:
        changed = {path: new for path, new in files.items() if _content(path) != new}
        try:
            for path in changed:
                path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(changed)
        except OSError as error:
            paths = ", ".join(str(path) for path in changed)
            reason = error.strerror or str(error)
            raise UserError(f"cannot write {paths}: {reason}", exit_code=2) from None
        for path in files:
            state = "written" if path in changed else "unchanged"
            counts[state] += 1
            _say(f"{path.as_posix()}  {state}")
    return counts


def _verify(written: list[dict[Path, bytes]]) -> Counter[str]:
    """Compare the files with what would be written, a line a file and what differs."""
    from archspec.cli.differences import differences

    counts: Counter[str] = Counter({"current": 0, "not current": 0})
    for path, wanted in ((path, new) for files in written for path, new in files.items()):
        found = _content(path)
        state = "current" if found == wanted else "not current"
        counts[state] += 1
        _say(f"{path.as_posix()}  {'missing' if found is None else state}")
        if found is not None and found != wanted:
            for line in differences(path.as_posix(), found, wanted):
                _say(f"    {line}")
    return counts


def _content(path: Path) -> bytes | None:
    """What a file holds, None where there is none; raises UserError."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", exit_code=2) from None


def _summarise(counts: Mapping[str, int], failed: int) -> None:
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    if failed:
        parts.append(f"{failed} with errors")
    _say(", ".join(parts))


def _warn_of_stale_files(out: Path, written: list[dict[Path, bytes]]) -> None:
    """Name files in the folder that no spec produces: what is left of a spec that is gone."""
    wanted = {path for files in written for path in files}
    suffixes = {path.suffix for path in wanted}
    for path in sorted(out.glob("[!.]*")):
        if path.suffix in suffixes and path not in wanted and path.name != "__init__.py":
            _say(f"warning: {path.as_posix()} belongs to no spec", sys.stderr)


def _say(line: str, stream: TextIO | None = None) -> None:
    """Print a line, in characters that the stream can carry."""
    from archspec.report.page import Page

    page = Page.on(stream or sys.stdout)
    page.write(page.clean(line))
