"""`archspec prove`: run networks, and certify what they do."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from archspec.cli.errors import UserError
from archspec.cli.overrides import read_overrides

if TYPE_CHECKING:
    from archspec.api import Check
    from archspec.proof import Certificate


Specs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SPEC",
        show_default=False,
        help="Files, or names in specs/; without any: all there are.",
    ),
]
Module = Annotated[
    Path | None,
    typer.Option(
        metavar="MODULE.py",
        show_default=False,
        help="Put this code on trial instead of the generated: a network edited by hand.",
    ),
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Small inputs where they do; nothing that is slow.")
]
Full = Annotated[
    bool, typer.Option("--full", help="Also what is slow: every field, torch.compile.")
]
Side = Annotated[
    int | None,
    typer.Option(min=1, show_default="the spec's", help="Height and width of what is computed on."),
]
Claims = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CLAIM", show_default=False, help="Prove this claim and no other. Repeatable."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="VAR=VALUE",
        show_default=False,
        help="Give a variable of the spec another value.",
    ),
]
Output = Annotated[Literal["text", "json"], typer.Option("--format", help="What to print.")]
Color = Annotated[Literal["auto", "always", "never"], typer.Option(help="Whether to use colour.")]


def prove(
    specs: Specs = None,
    module: Module = None,
    quick: Quick = False,
    full: Full = False,
    size: Side = None,
    only: Claims = None,
    assignments: Overrides = None,
    output: Output = "text",
    color: Color = "auto",
) -> None:
    """Run networks, and certify what they do.

    The generated code is executed and compared with the spec and, where it names one, with its
    reference in torchvision. Exits with 0 when nothing failed, 1 when something did or a spec has
    errors, and 2 when the command is used wrongly or a file cannot be read.
    """
    if quick and full:
        raise UserError("--quick leaves out what --full proves: not both", exit_code=2)
    effort = "quick" if quick else "full" if full else "normal"
    names = members(specs or ())
    if module is not None and len(names) != 1:
        raise UserError("--module is one network's code: name its SPEC, and no other", exit_code=2)
    wishes = {
        "effort": effort,
        "size": size,
        "only": only,
        "overrides": read_overrides(assignments or ()),
    }
    run = _Run(names, module, wishes)
    _print(run, output, color)
    if run.exit_code:
        raise typer.Exit(run.exit_code)


def _print(run: "_Run", output: str, color: Literal["auto", "always", "never"]) -> None:
    """The certificates of a run as they come, or as one text of JSON."""
    if output == "json":
        from archspec.report.certificate import write_certificates_json

        # Of one spec that cannot be read, nothing is printed.
        several = len(run.specs) > 1
        certificates = run.certificates() if several else list(run.certificates())
        if certificates:
            write_certificates_json(sys.stdout, certificates, several=several)
    else:
        from archspec.report.certificate import write_certificate
        from archspec.report.page import Page

        page = Page.on(sys.stdout, color)
        for count, certificate in enumerate(run.certificates()):
            if count:
                page.write()
            write_certificate(page, certificate)
            sys.stdout.flush()
    sys.stdout.flush()


class _Run:
    """The specs to prove, and how the worst of them came out so far."""

    def __init__(
        self, specs: Sequence[str], module: Path | None, wishes: Mapping[str, Any]
    ) -> None:
        self.specs = specs
        self.module = module
        self.wishes = wishes
        self.exit_code = 0

    def certificates(self) -> Iterator["Certificate"]:
        """Prove one spec after the other; those with which it is impossible are told on stderr."""
        for count, spec in enumerate(self.specs, start=1):
            if len(self.specs) > 1:
                _tell(f"[{count}/{len(self.specs)}] {spec}")
            try:
                certificate = self._prove(spec)
            except _FaultyError as error:
                _tell_faults(error.checked)
                self.exit_code = max(self.exit_code, error.exit_code)
                continue
            except UserError as error:
                _tell(f"error: {error}")
                self.exit_code = max(self.exit_code, error.exit_code)
                continue
            self.exit_code = max(self.exit_code, 0 if certificate.ok else 1)
            yield certificate

    def _prove(self, spec: str) -> "Certificate":
        self._require_sound(spec)
        from archspec.proof import ProofError, prove

        try:
            return prove(
                spec,
                **self.wishes,
                source=None if self.module is None else _read(self.module),
                module=None if self.module is None else str(self.module),
            )
        except ProofError as error:
            raise UserError(str(error), error.exit_code) from error

    def _require_sound(self, spec: str) -> None:
        """Raise `_FaultyError` for a spec with errors: without torch, whose import takes longer."""
        import archspec

        try:
            checked = archspec.check(spec, self.wishes["overrides"])
        except archspec.SpecNotFound as error:
            raise UserError(str(error), exit_code=2) from error
        if not checked.ok:
            raise _FaultyError(checked)


class _FaultyError(UserError):
    """A spec has errors, so that nothing can be proven of it."""

    def __init__(self, checked: "Check") -> None:
        super().__init__(f"{checked.name} has errors", exit_code=1)
        self.checked = checked


def _tell_faults(checked: "Check") -> None:
    """Every error of a spec, with its place, on stderr."""
    from archspec.report.diagnostics import write_diagnostics
    from archspec.report.page import Page
    from archspec.report.summary import write_verdict

    sys.stdout.flush()
    page = Page.on(sys.stderr)
    page.write(page.clean(f"{checked.name} ({checked.file}): nothing is proven"))
    write_diagnostics(page, checked)
    write_verdict(page, checked)


def _tell(line: str) -> None:
    from archspec.report.page import Page

    sys.stdout.flush()
    page = Page.on(sys.stderr)
    page.write(page.clean(line))
    sys.stderr.flush()


def _read(module: Path) -> str:
    try:
        return module.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {module}: {error.strerror}", exit_code=2) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{module} is not a text in UTF-8", exit_code=2) from error


def members(specs: Sequence[str]) -> list[str]:
    """The networks of these names, or all there are; a family stands for its members."""
    from archspec.language import loader

    names: list[str] = []
    for spec in specs or [file.name for file in loader.list_specs()]:
        try:
            found = loader.find(spec)
        except loader.SpecNotFound:
            names.append(spec)  # told when its turn comes
            continue
        variants = () if found.variant else loader.variants_of(found.file)
        names += [f"{spec}:{variant}" for variant in variants] or [spec]
    if not names:
        raise UserError("there are no specs in ./specs; name a file", exit_code=2)
    return names
