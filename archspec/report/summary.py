"""What stands around the table: the heading above it; sums, claims and the verdict below it."""

from typing import TYPE_CHECKING

from archspec.analysis.claims import ClaimResult, Figure
from archspec.ops import show, thousands
from archspec.report import figures
from archspec.report.page import Page, columns, pad

if TYPE_CHECKING:
    from archspec.api import Check

MOST_HELD = 10
"""So many claims that hold are listed one by one; of more, those about layers are counted."""
MOST_FAILED = 50
WIDEST_LABEL = 20
"""The figures of claims are aligned behind labels up to this width."""

_MARKS = {True: ("✓", "good"), False: ("✗", "bad")}


def write_heading(page: Page, check: "Check") -> None:
    """Write the network's name, its file, and where the table comes from."""
    file = check.file if check.variant is None else f"{check.file}:{check.variant}"
    name = page.paint(page.clean(check.name), "bold")
    page.write(f"{name}  {page.paint(page.clean(file), 'dim')}")
    source = check.network.spec.source if check.network else None
    for line in page.wrap(page.clean(source)) if source else ():
        page.write(page.paint(line, "dim"))
    page.write()


def write_sums(page: Page, check: "Check") -> None:
    """Write the exact totals, and what they weigh in memory."""
    totals = check.totals
    weighted = "?" if totals.weighted_layers is None else str(totals.weighted_layers)
    held = None
    if check.network is not None and check.results is not None:
        held = check.results.bytes(check.network.nodes)
    buffers = f", and {figures.exact(totals.buffers)} in buffers" if totals.buffers else ""
    lines = [
        ("layers", f"{weighted} weighted"),
        ("parameters", figures.exact(totals.num_params) + buffers),
        ("MACs", figures.exact(totals.macs)),
        ("memory", "?"),
    ]
    if held is not None:
        parameters, activations = (f"{figures.rounded(size)}B" for size in held)
        what = f"{parameters} parameters, {activations} activations a picture (float32)"
        lines[-1] = ("memory", what)
    page.write()
    for label, text in lines:
        first, *more = page.wrap(text, 12, 12)
        page.write(f"{page.paint(pad(label, 12), 'dim')}{first}")
        for line in more:
            page.write(line)


def write_claims(page: Page, claims: tuple[ClaimResult, ...]) -> None:
    """Write every claim with ✓ or ✗ and its source; many that hold are counted instead."""
    if not claims:
        return
    failed = [claim for claim in claims if not claim.holds]
    held = [claim for claim in claims if claim.holds]
    counted = 0
    if len(held) > MOST_HELD:
        whole = [claim for claim in held if not claim.path]
        counted, held = len(held) - len(whole), whole
    shown = [*held, *failed[:MOST_FAILED]]
    page.write()
    page.write(page.paint("claims", "bold"))
    labels = [page.clean(_label(claim)) for claim in shown]
    widest = min(max(map(columns, labels), default=0), WIDEST_LABEL)
    for label, claim in zip(labels, shown, strict=True):
        mark, style = _MARKS[claim.holds]
        first, *more = page.wrap(f"{pad(label, widest)}  {page.clean(_verdict(claim))}", 4, 6)
        page.write(f"  {page.paint(mark, style)} {first}")
        for line in more:
            page.write(line)
    if counted:
        page.write(f"  {page.paint('✓', 'good')} {figures.counted(counted, 'claim')} about layers")
    if len(failed) > MOST_FAILED:
        page.write(f"  {page.paint('✗', 'bad')} and {len(failed) - MOST_FAILED} more")


def write_verdict(page: Page, check: "Check") -> None:
    """Write one line: how the check came out."""
    errors = sum(1 for fault in check.diagnostics if fault.severity == "error")
    warnings = sum(1 for fault in check.diagnostics if fault.severity == "warning")
    parts = []
    if errors:
        parts.append(page.paint(f"✗ {figures.counted(errors, 'error')}", "error"))
    if warnings:
        parts.append(page.paint(figures.counted(warnings, "warning"), "warning"))
    if not errors:
        held = f", {figures.counted(len(check.claims), 'claim')} verified" if check.claims else ""
        parts.insert(0, page.paint("✓", "good") + f" no errors{held}")
    page.write()
    page.write(", ".join(parts))


def _label(claim: ClaimResult) -> str:
    return f"{claim.metric} of {claim.path}" if claim.path else claim.metric


def _verdict(claim: ClaimResult) -> str:
    source = f" ({claim.source})" if claim.source else ""
    if claim.holds and claim.claimed != claim.computed:
        return f"{spell(claim.claimed)}, within tolerance of {spell(claim.computed)}{source}"
    if claim.holds:
        return f"{spell(claim.claimed)}{source}"
    return f"claimed {spell(claim.claimed)}, computed {spell(claim.computed)}{source}"


def spell(figure: Figure | None) -> str:
    """A claimed or computed figure as text."""
    if isinstance(figure, list):
        return figures.pair((figure[0], figure[1])) if len(figure) == 2 else show(tuple(figure))
    if isinstance(figure, int) or (isinstance(figure, float) and figure.is_integer()):
        return thousands(int(figure))
    return "?" if figure is None else str(figure)
