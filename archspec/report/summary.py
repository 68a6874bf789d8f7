"""What stands around the table: the heading above it; sums, claims and the verdict below it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archspec.analysis.claims import ClaimResult, Figure
from archspec.ops import show, thousands
from archspec.report import figures
from archspec.report.page import Page, columns, pad

if TYPE_CHECKING:
    from archspec.analysis.results import Totals
    from archspec.api import Check
    from archspec.diagnostics import Diagnostic
    from archspec.graph.network import Network

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
    """Write the exact totals, what they weigh in memory, and the outputs if there are several."""
    totals = check.totals
    weighted = "?" if totals.weighted_layers is None else str(totals.weighted_layers)
    lines = [
        ("layers", f"{weighted} weighted"),
        ("parameters", _parameters(totals, check.network)),
        ("MACs", figures.exact(totals.macs)),
        ("memory", _memory(check)),
    ]
    network, results = check.network, check.results
    if network is not None and results is not None and check.ok:
        nodes = results.in_evaluation(network.nodes)
        unknown = [node.path for node in nodes if results.operations[node.index] is None]
        if unknown:
            lines[2] = ("MACs", f"? ({_unknown(page, unknown)})")
    if network is not None and len(network.outputs) > 1:
        lines.append(("outputs", _outputs(page, network)))
    page.write()
    for label, text in lines:
        first, *more = page.wrap(text, 12, 12)
        page.write(f"{page.paint(pad(label, 12), 'dim')}{first}")
        for line in more:
            page.write(line)


def _parameters(totals: "Totals", network: "Network | None") -> str:
    only = ""
    if totals.training_only_params and network is not None and network.training_only:
        only = f", of which {figures.exact(totals.training_only_params)} only in training"
    buffers = f", and {figures.exact(totals.buffers)} in buffers" if totals.buffers else ""
    return figures.exact(totals.num_params) + only + buffers


def _memory(check: "Check") -> str:
    if check.network is None or check.results is None:
        return "?"
    held = check.results.bytes(check.network.nodes)
    if held is None:
        return "?"
    parameters, activations = (f"{figures.rounded(size)}B" for size in held)
    return f"{parameters} parameters, {activations} activations a picture (float32)"


def _unknown(page: Page, paths: list[str]) -> str:
    """`unknown of conv5, head.fc`."""
    rest = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"unknown of {', '.join(map(page.clean, paths[:3]))}{rest}"


def _outputs(page: Page, network: "Network") -> str:
    """`logits 1000; aux1 1000, only in training`."""
    shown = []
    for name, value in network.outputs.items():
        only = ", only in training" if name in network.training_only else ""
        shown.append(f"{page.clean(name)} {figures.shape(network.shape_of(value))}{only}")
    return "; ".join(shown)


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
    write_outcome(page, check.diagnostics, len(check.claims))


def write_outcome(
    page: Page, diagnostics: Sequence["Diagnostic"], verified: int, of: str = ""
) -> None:
    """Write one line: how several checks came out together; `of` says what they are about."""
    errors = sum(1 for fault in diagnostics if fault.severity == "error")
    warnings = sum(1 for fault in diagnostics if fault.severity == "warning")
    parts = []
    if errors:
        parts.append(page.paint(f"✗ {of}{figures.counted(errors, 'error')}", "error"))
    if warnings:
        parts.append(page.paint(figures.counted(warnings, "warning"), "warning"))
    if not errors:
        held = f", {figures.counted(verified, 'claim')} verified" if verified else ""
        parts.insert(0, page.paint("✓", "good") + f" {of}no errors{held}")
    page.write()
    page.write(", ".join(parts))


def failure(claim: ClaimResult) -> str:
    """A claim that fails: `params of conv1: claimed 7, computed 8`."""
    return f"{_label(claim)} {_verdict(claim)}"


def _label(claim: ClaimResult) -> str:
    scope = f" in {claim.scope}" if claim.scope else ""
    return f"{claim.metric} of {claim.path}{scope}" if claim.path else f"{claim.metric}{scope}"


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
