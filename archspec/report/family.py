"""Several networks, a line each: the members of a family, or all specs there are."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from archspec.report import figures
from archspec.report.page import Page, columns, pad
from archspec.report.summary import MOST_FAILED, failure

if TYPE_CHECKING:
    from archspec.analysis.claims import ClaimResult
    from archspec.api import Check

_GAP = "  "
_MOST_NAME = 24
"""Longer names are cut before a column is left out."""


class Line(NamedTuple):
    """The texts of a line; `holds` is whether the network has no errors."""

    name: str
    layers: str
    params: str
    rounded: str
    macs: str
    field: str
    output: str
    claims: str
    holds: bool = True


_TITLES = Line("", "layers", "parameters", "params", "MACs", "field", "output", "claims")
_LAYOUTS = (
    ("name", "layers", "params", "macs", "field", "output", "claims"),
    ("name", "layers", "rounded", "macs", "field", "output", "claims"),
    ("name", "layers", "rounded", "macs", "field", "claims"),
    ("name", "rounded", "macs", "field", "claims"),
    ("name", "rounded", "macs", "claims"),
    ("name", "rounded", "claims"),
    ("name", "claims"),
    ("name",),
)
"""From the fullest to the narrowest, which fits anywhere: the first that fits is taken."""
_LEFT_ALIGNED = frozenset({"name", "output", "claims"})


def line_of(page: Page, name: str, check: "Check") -> Line:
    """A check in one line, under the name a person would type for it."""
    totals, network = check.totals, check.network
    weighted = totals.weighted_layers
    return Line(
        name=page.clean(name),
        layers="?" if weighted is None else str(weighted),
        params=figures.exact(totals.num_params),
        rounded=figures.rounded(totals.num_params),
        macs=figures.rounded(totals.macs),
        field=_field(check),
        output="?" if network is None else figures.shape(network.shape_of(network.output)),
        claims=_claims(check),
        holds=check.ok,
    )


def write_lines(page: Page, title: str, lines: Sequence[Line]) -> None:
    """Write the table, with what its columns say where that is not plain."""
    titles = _TITLES._replace(name=title)
    widths = {
        cell: max(columns(getattr(line, cell)) for line in (titles, *lines))
        for cell in _TITLES._fields[:-1]
    }
    layout = _fit(page, widths)
    if page.width is not None:
        widths["name"] = min(widths["name"], page.width - _others(layout, widths))
    rule = page.paint("─" * (widths["name"] + _others(layout, widths)), "dim")
    page.write(page.paint(_spell(page, titles, layout, widths), "bold"))
    page.write(rule)
    for line in lines:
        page.write(_spell(page, line, layout, widths))
    page.write(rule)
    if "field" in layout:
        remark = "field: of the last layer that does not see everything"
        if any(line.field.endswith("+") for line in lines):
            remark += "; +: and everything, through gates"
        for text in page.wrap(remark, 0, 2):
            page.write(page.paint(text, "dim"))


def write_family(page: Page, check: "Check") -> None:
    """Write a line for each variant of a family, then the claims that fail."""
    lines = [line_of(page, member.variant or "", member) for member in check.family]
    write_lines(page, "variant", lines)
    write_failed(page, check.family)


def write_failed(page: Page, checks: Iterable["Check"]) -> None:
    """Write which claims fail, network by network; nothing where all hold.

    What errors leave open is not listed: the errors are told, and the lines have `?`.
    """
    failed = [(check, claim) for check in checks for claim in check.claims if _fails(claim)]
    if failed:
        page.write()
    for check, claim in failed[:MOST_FAILED]:
        name = check.variant or check.name
        first, *more = page.wrap(page.clean(f"{name}: {failure(claim)}"), 4, 6)
        page.write(f"  {page.paint('✗', 'bad')} {first}")
        for text in more:
            page.write(text)
    if len(failed) > MOST_FAILED:
        page.write(f"  {page.paint('✗', 'bad')} and {len(failed) - MOST_FAILED} more")


def _fails(claim: "ClaimResult") -> bool:
    """Whether a claim is wrong; one that errors leave open is not."""
    return not claim.holds and claim.computed is not None


def _fit(page: Page, widths: dict[str, int]) -> tuple[str, ...]:
    for layout in _LAYOUTS:
        name = min(widths["name"], _MOST_NAME)
        if page.width is None or name + _others(layout, widths) <= page.width:
            break
    return layout


def _others(layout: Sequence[str], widths: dict[str, int]) -> int:
    """The columns that all but the name need."""
    return sum(len(_GAP) + widths[cell] for cell in layout[1:])


def _spell(page: Page, line: Line, layout: Sequence[str], widths: dict[str, int]) -> str:
    parts = []
    for cell in layout:
        text, align = getattr(line, cell), "<" if cell in _LEFT_ALIGNED else ">"
        if cell == "name":
            text = page.elide(text, widths[cell])
        padded = pad(text, widths[cell], align)
        if text.startswith(("✓", "✗")):
            padded = page.paint(padded, "good" if line.holds else "bad")
        elif text == "?":
            padded = page.paint(padded, "warning")
        parts.append(padded)
    return _GAP.join(parts).rstrip()


def _field(check: "Check") -> str:
    """The field of the last unit that does not see everything."""
    if check.network is None or check.results is None:
        return "?"
    results = check.results
    for node in reversed(results.in_evaluation(check.network.nodes)):
        seen, ungated = results.fields[node.index], results.ungated_fields[node.index]
        if seen != "global" or figures.is_gated(seen, ungated):
            return figures.short_field(seen, ungated)
    return "global"


def _claims(check: "Check") -> str:
    """`✓ 3`, `✗ 1 of 3`, or what else is wrong."""
    failed = sum(map(_fails, check.claims))
    errors = sum(fault.severity == "error" for fault in check.diagnostics)
    if errors > failed:  # each claim that fails is an error, too
        return f"✗ {figures.counted(errors, 'error')}"
    if failed:
        return f"✗ {failed} of {len(check.claims)}"
    return f"✓ {len(check.claims)}" if check.claims else "✓"
