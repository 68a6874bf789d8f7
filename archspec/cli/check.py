"""`archspec check`: the table, the arithmetic, or the JSON of one spec or several."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from archspec.cli.errors import UserError
from archspec.cli.overrides import read_overrides

if TYPE_CHECKING:
    from archspec.api import Check
    from archspec.diagnostics import Diagnostic
    from archspec.report.page import Page

Specs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SPEC", help="Files, names of specs or variants, or - for standard input."
    ),
]
Explain = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[LAYER]", help="Show the arithmetic of LAYER, of a group or block, or of all."
    ),
]
Depth = Annotated[
    str | None,
    typer.Option(metavar="N|all", help="Open the table's rows down to this depth, or all of them."),
]
Notes = Annotated[bool, typer.Option("--notes", help="Show every note, not a few of a kind.")]
Everything = Annotated[bool, typer.Option("--all", help="Check all specs, a line a network.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="VAR=VALUE", help="Give a variable of the spec another value."),
]
Format = Annotated[Literal["text", "json"], typer.Option("--format", help="What to print.")]
Coloring = Annotated[
    Literal["auto", "always", "never"], typer.Option(help="Whether to use colour.")
]


class _Wanted(NamedTuple):
    """What to show of a spec: its table down to a depth, or the arithmetic of layers."""

    layers: Sequence[str]
    depth: int | None
    notes: bool


def check(
    specs: Specs = None,
    explain: Explain = None,
    assignments: Overrides = None,
    depth: Depth = None,
    everything: Everything = False,
    notes: Notes = False,
    output: Format = "text",
    color: Coloring = "auto",
) -> None:
    """Compute, explain and verify networks.

    Of a spec with variants, all are checked and shown in a line each, unless one is named.

    Exits with 0 when all is well, 1 when a spec has errors or a claim fails, and 2 when the
    command is used wrongly or a file cannot be read.
    """
    specs, layers = list(specs or ()), list(explain or ())
    if not specs and len(layers) == 1 and layers[0]:
        specs, layers = layers, [""]  # `--explain SPEC`: there has to be a spec
    if everything:
        specs = _every_spec(specs, layers, depth)
    if not specs:
        raise UserError("name a spec to check; `archspec list` shows what there is", exit_code=2)
    if output == "json" and layers:
        raise UserError("--explain is text for people: it has no --format json", exit_code=2)
    wanted = _Wanted(layers, _read_depth(depth), notes)
    run = _Run(specs, read_overrides(assignments or ()))
    if output == "json":
        _print_json(run)
    else:
        from archspec.report.page import Page

        page = Page.on(sys.stdout, color)
        if everything:
            _print_lines(page, run)
        else:
            _print_text(page, run, wanted)
    sys.stdout.flush()  # a reader that has gone is noticed here, and not after typer has ended
    if run.exit_code:
        raise typer.Exit(run.exit_code)


def _every_spec(specs: Sequence[str], layers: Sequence[str], depth: str | None) -> list[str]:
    """The files of all specs there are."""
    from archspec.language import loader

    if specs or layers or depth:
        raise UserError("--all is a line for every spec there is: it takes no SPEC", exit_code=2)
    return [str(spec.file) for spec in loader.list_specs()]


def _read_depth(written: str | None) -> int | None:
    if written is None:
        return None
    if written == "all":
        from archspec.report.folding import ALL

        return ALL
    if not (written.isascii() and written.isdigit() and int(written[:7]) > 0):
        raise UserError(f"--depth takes a number from 1, or `all`, not {written!r}", exit_code=2)
    return int(written[:7])


class _Run:
    """The specs to check, and how the worst of them came out so far."""

    def __init__(self, specs: Sequence[str], overrides: Mapping[str, Any]) -> None:
        self.specs = specs
        self.overrides = overrides
        self.exit_code = 0

    def checks(self) -> Iterator["Check"]:
        """Check one spec after the other; those that cannot be read are told on stderr."""
        import archspec

        for spec in self.specs:
            try:
                if spec == "-":
                    checked = archspec.check_text(_standard_input(), "<stdin>", self.overrides)
                else:
                    checked = archspec.check(spec, self.overrides)
            except archspec.SpecNotFound as error:
                sys.stdout.flush()
                print(f"error: {error}", file=sys.stderr)
                self.exit_code = 2
                continue
            self.exit_code = max(self.exit_code, 0 if checked.ok else 1)
            yield checked


def _print_json(run: _Run) -> None:
    from archspec.report.check_json import write_json

    if len(run.specs) > 1:
        write_json(sys.stdout, run.checks(), several=True)
        return
    for checked in run.checks():  # none where the spec cannot be read: stdout stays empty
        write_json(sys.stdout, [checked], several=False)


def _print_text(page: "Page", run: _Run, wanted: _Wanted) -> None:
    checks: Iterator[Check] | list[Check] = run.checks()
    if wanted.layers:
        checks = list(checks)
        _require_layers(page, checks, wanted.layers)
    for count, checked in enumerate(checks):
        if count:
            page.write()
        _print_check(page, checked, wanted)


def _print_check(page: "Page", checked: "Check", wanted: _Wanted) -> None:
    from archspec.report.summary import write_heading, write_verdict

    write_heading(page, checked)
    network = checked.network
    if checked.family:
        from archspec.report.family import write_family

        write_family(page, checked)
    elif network is not None and network.nodes:
        _print_network(page, checked, wanted)
    if checked.diagnostics:
        from archspec.report.diagnostics import write_diagnostics

        write_diagnostics(page, checked, all_notes=wanted.notes)
    write_verdict(page, checked)


def _print_network(page: "Page", checked: "Check", wanted: _Wanted) -> None:
    from archspec.report.summary import write_claims, write_sums

    network, results = checked.network, checked.results
    assert network is not None
    assert results is not None
    if wanted.layers:
        from archspec.report.explanation import write_explanations

        write_explanations(page, network, results, wanted.layers)
        return
    from archspec.report.table import write_table

    write_table(page, network, results, wanted.depth)
    write_sums(page, checked)
    write_claims(page, checked.claims)


def _print_lines(page: "Page", run: _Run) -> None:
    """A line for every network of every spec, then what is wrong with any of them."""
    from archspec.report.diagnostics import write_diagnostics
    from archspec.report.family import line_of, write_lines
    from archspec.report.figures import counted
    from archspec.report.summary import write_outcome

    lines, faulty, verified = [], [], 0
    faults: list[Diagnostic] = []
    for checked in run.checks():
        for member in checked.family or (checked,):
            name = member.variant or Path(member.file).stem
            lines.append(line_of(page, name, member))
        serious = tuple(fault for fault in checked.diagnostics if fault.severity != "note")
        if serious:
            faulty.append(checked._replace(diagnostics=serious))
        faults += serious
        verified += len(checked.claims)
    if lines:
        write_lines(page, "network", lines)
    for checked in faulty:
        write_diagnostics(page, checked)
    count = f"{counted(len(lines), 'network')} in {counted(len(run.specs), 'spec')}: "
    write_outcome(page, faults, verified, count)


def _require_layers(page: "Page", checks: Sequence["Check"], layers: Sequence[str]) -> None:
    """Raise UserError for a layer that none of the specs has."""
    from archspec.report.explanation import closest, select

    for checked in checks:
        if checked.family:
            names = ", ".join(member.variant or "" for member in checked.family[:8])
            problem = f"{checked.file} is a family: name the one to explain, of {names}"
            raise UserError(page.clean(problem), 2)
    networks = [checked.network for checked in checks if checked.network is not None]
    for layer in layers:
        if networks and not any(select(network, layer) for network in networks):
            whose = networks[0].spec.name if len(networks) == 1 else "any of the specs"
            hint = _spec_for_layer(layer) or closest(networks, layer)
            raise UserError(page.clean(f"there is no layer `{layer}` in {whose}: {hint}"), 2)


def _spec_for_layer(layer: str) -> str:
    """What to write where somebody meant `--explain` without a layer, before a spec."""
    from archspec.language import loader

    try:
        loader.find(layer)
    except loader.SpecNotFound:
        return ""
    return "it is a spec; write --explain after the specs to explain all layers"


def _standard_input() -> str:
    """The spec on standard input; raises UserError when it is no text in UTF-8."""
    from archspec.language.source import MAX_BYTES

    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if len(data) > MAX_BYTES:
            return data.decode("utf-8-sig", errors="replace")  # refused for its size
        raise UserError("standard input is not a text in UTF-8", exit_code=2) from None
