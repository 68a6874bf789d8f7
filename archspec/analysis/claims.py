"""Claims: what somebody published, against what is computed."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from archspec.analysis.macs import CONVENTIONS, weigh
from archspec.analysis.receptive_field import Field, ReceptiveField
from archspec.analysis.results import Results
from archspec.analysis.sums import Sums
from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.claims import (
    ClaimFails,
    ClaimUnverifiable,
    UnknownConvention,
    UnknownMetric,
)
from archspec.diagnostics.language import InvalidValue
from archspec.diagnostics.notation import as_number
from archspec.diagnostics.terms import suggest_metric
from archspec.diagnostics.wording import suggest
from archspec.graph.network import INPUT, Network, Node, Scope, Value
from archspec.graph.values import evaluate, reads_misnamed
from archspec.language.model import Claim, Spec
from archspec.language.rows import MAX_FAULTS
from archspec.ops import Counts, Op, Shapes, show, thousands
from archspec.ops.fields import spell
from archspec.ops.shape import read_shape

Figure = int | float | list[int | float] | str
"""A figure as JSON has it: a number, a shape or size, or `global`."""


class ClaimResult(NamedTuple):
    """A claim with what was computed for it; `path` is "" for a claim about the whole network.

    `scope` is what the claim says it is about: `training`, `evaluation`, or nothing.
    """

    path: str
    metric: str
    claimed: Figure | None
    computed: Figure | None
    holds: bool
    source: str | None
    at: SpecPath
    scope: str | None = None


class _Subject(NamedTuple):
    """What a claim is about: a node or a scope, and where its output comes from.

    With `in_evaluation` it is what evaluation runs of it.
    """

    network: Network
    results: Results
    sums: Sums
    item: Scope | Node
    output: Value
    in_evaluation: bool = False

    @property
    def path(self) -> str:
        """The item's; "" for the network."""
        return self.item.path

    @property
    def counts(self) -> Counts | None:
        """Its operations."""
        return self.sums.counts(self.item, in_evaluation=self.in_evaluation)


def _output(subject: _Subject, _: str) -> Figure | None:
    shape = subject.network.shape_of(subject.output)
    return None if shape is None else list(shape)


def _receptive_field(subject: _Subject, _: str) -> Figure | None:
    return _spread(subject.results.fields[subject.output.node])


def _ungated_field(subject: _Subject, _: str) -> Figure | None:
    return _spread(subject.results.ungated_fields[subject.output.node])


def _spread(field: Field | None) -> Figure | None:
    """A bound proves nothing: units may see less."""
    if field is None or field == "global":
        return field
    return None if field.bound else list(field.size)


def _bounded(subject: _Subject, metric: str) -> str | None:
    """What is known of a field that is a bound."""
    if metric not in _FIELDS or subject.output.node == INPUT:
        return None
    whose = subject.results.fields, subject.results.ungated_fields
    field = whose[_FIELDS.index(metric)][subject.output.node]
    if not isinstance(field, ReceptiveField) or not field.bound:
        return None
    return f"only a bound is known, {show(field.size)}: units see no more, and may see less"


def _macs(subject: _Subject, convention: str) -> Figure | None:
    counts = subject.counts
    return None if counts is None else weigh(counts, convention)


def _total(field: str) -> Callable[[_Subject, str], Figure | None]:
    def compute(subject: _Subject, _: str) -> Figure | None:
        whole = subject.item is subject.network.root and not subject.in_evaluation
        totals = (
            subject.results.whole
            if whole
            else subject.sums.totals(subject.item, in_evaluation=subject.in_evaluation)
        )
        total: int | None = getattr(totals, field)
        return total

    return compute


METRICS: dict[str, Callable[[_Subject, str], Figure | None]] = {
    "output": _output,
    "params": _total("num_params"),
    "num_params": _total("num_params"),
    "trainable_params": _total("trainable_params"),
    "buffers": _total("buffers"),
    "macs": _macs,
    "receptive_field": _receptive_field,
    "receptive_field_without_gates": _ungated_field,
    "weighted_layers": _total("weighted_layers"),
}
_EXPLAINED = {
    "output": "explain_output",
    "params": "explain_params",
    "num_params": "explain_params",
    "macs": "explain_macs",
}
_FIELDS = ("receptive_field", "receptive_field_without_gates")
SCOPES = ("training", "evaluation")


def verify(network: Network, results: Results) -> tuple[tuple[ClaimResult, ...], list[Diagnostic]]:
    """Check every claim of a spec, in the order of the text."""
    faults: list[Diagnostic] = []
    verified = []
    for subject, claim in _claims(network, results):
        if len(faults) >= MAX_FAULTS:
            break
        result = _verify(subject, claim, faults)
        if result is not None:
            verified.append(result)
    return tuple(verified), faults


def _claims(network: Network, results: Results) -> Iterator[tuple[_Subject, Claim]]:
    sums = Sums(network, results)
    for item in network.root.walk() if _are_in_rows(network.spec) else (network.root,):
        if item.claims:
            output = network.output if item is network.root else item.output
            subject = _Subject(network, results, sums, item, output)
            for claim in item.claims:
                yield (_in_scope(subject, claim), claim)


def _are_in_rows(spec: Spec) -> bool:
    bodies = (spec.body, *(block.body for block in spec.blocks.values()))
    return any(step.claims for body in bodies for step in body.every_step())


def _in_scope(subject: _Subject, claim: Claim) -> _Subject:
    """The subject without what evaluation leaves out, where the claim is about evaluation."""
    if not _about_evaluation(claim) or subject.results.evaluated is None:
        return subject
    return subject._replace(in_evaluation=True)


def _about_evaluation(claim: Claim) -> bool:
    """Operations are counted of the graph of evaluation unless said otherwise."""
    return (claim.scope or ("evaluation" if claim.metric == "macs" else "training")) == "evaluation"


def _verify(subject: _Subject, claim: Claim, faults: list[Diagnostic]) -> ClaimResult | None:
    if claim.metric not in METRICS:
        owner = f"`{subject.path}`" if subject.path else "the network"
        help_ = suggest_metric(claim.metric, METRICS, claim.value)
        fault = UnknownMetric(claim.at, on_key=True, metric=claim.metric, owner=owner, help=help_)
        faults.append(fault)
        return None
    convention = claim.convention or "torchvision"
    if claim.convention and (claim.metric != "macs" or convention not in CONVENTIONS):
        known = suggest(convention, CONVENTIONS) if claim.metric == "macs" else ""
        stated = claim.at[-1] == "value"  # in the claim itself, or for all of `expect`
        where = (*claim.at[:-1], "convention") if stated else claim.at
        faults.append(
            UnknownConvention(where, convention=convention, metric=claim.metric, help=known)
        )
        return None
    before = len(faults)
    if claim.scope not in (None, *SCOPES):
        problem = f"a claim's scope is `training` (everything) or `evaluation`, not {claim.scope}"
        faults.append(InvalidValue(claim.at, problem=problem))
    if isinstance(claim.value, str) and reads_misnamed(claim.value, subject.network.spec.vars):
        return None  # that it reads no name has been told
    claimed = _claimed(claim, subject.network.vars, faults)
    tolerance = _tolerance(claim, claimed, faults)
    if len(faults) > before:
        return None
    has_nodes = subject.sums.has_nodes(subject.item, in_evaluation=subject.in_evaluation)
    is_there = has_nodes and subject.output.node != INPUT
    computed = METRICS[claim.metric](subject, convention) if is_there else None
    holds = computed is not None and _agree(claimed, computed, tolerance)
    if not has_nodes and subject.path:
        problem = f"there is nothing to claim {claim.metric} of: every row in it is left out"
        faults.append(InvalidValue(claim.at, path=subject.path, problem=problem))
    elif computed is None:
        faults.append(
            ClaimUnverifiable(
                claim.at,
                path=subject.path,
                metric=claim.metric,
                claimed=_spell(claimed),
                help=_bounded(subject, claim.metric),
            )
        )
    elif not holds:
        faults.append(_failure(subject, claim, claimed, computed))
    return ClaimResult(
        subject.path,
        claim.metric,
        claimed,
        computed,
        holds,
        claim.source,
        claim.at,
        claim.scope,
    )


def _claimed(claim: Claim, names: Mapping[str, Any], faults: list[Diagnostic]) -> Figure | None:
    """A claim's value in the form of JSON, or None with a fault."""
    shaped = claim.metric in ("output", *_FIELDS)
    figure = _as_written(claim)
    if figure is None:
        before = len(faults)
        value = evaluate(claim.value, names, claim.at, faults)
        if len(faults) > before:
            return None
        figure = _shape(claim.metric, value) if shaped else _number(value)
    if figure is None:
        wanted = "[channels, height, width]" if claim.metric == "output" else "a number"
        problem = f"{claim.metric} is claimed as {wanted}, not {spell(claim.value)}"
        batch = shaped and isinstance(claim.value, list) and len(claim.value) == 4
        help_ = "a shape is that of one picture, without the batch" if batch else None
        if not shaped and isinstance(claim.value, str) and (number := as_number(claim.value)):
            help_ = f"write {number}"
        faults.append(InvalidValue(claim.at, problem=problem, help=help_))
    return figure


def _as_written(claim: Claim) -> Figure | None:
    """The texts that are no expressions: `global`, and a shape as papers write it, H×W×C."""
    if claim.metric in _FIELDS and claim.value == "global":
        return "global"
    if claim.metric != "output" or not isinstance(claim.value, str):
        return None
    shape = read_shape(claim.value)
    return None if shape is None else [*shape]


def _shape(metric: str, value: Any) -> list[int | float] | None:
    if type(value) is int:
        return [value] if metric == "output" else [value, value]
    whole = isinstance(value, list) and all(type(size) is int for size in value)
    return value if whole else None


def _number(value: Any) -> int | float | None:
    return value if type(value) in (int, float) else None


def _tolerance(claim: Claim, claimed: Figure | None, faults: list[Diagnostic]) -> float:
    """The tolerance in the metric's own unit; `0.5%` is relative to the claimed value."""
    written = claim.tolerance
    if written is None:
        return 0.0
    if isinstance(written, int | float) and not isinstance(written, bool) and written >= 0:
        return float(written)
    percent = re.fullmatch(r"(\d{1,3}(?:\.\d{1,9})?)\s*%", str(written))
    if percent and isinstance(claimed, int | float):
        return float(percent[1]) / 100 * abs(claimed)
    problem = f"a tolerance is a number or a percentage such as 0.5%, not {str(written)[:40]}"
    faults.append(InvalidValue(claim.at, problem=problem))
    return 0.0


def _agree(claimed: Figure | None, computed: Figure, tolerance: float) -> bool:
    if isinstance(claimed, int | float) and isinstance(computed, int | float):
        return abs(claimed - computed) <= tolerance
    return claimed == computed


def _failure(
    subject: _Subject, claim: Claim, claimed: Figure | None, computed: Figure
) -> Diagnostic:
    derived, mend = "", ""
    node = subject.item
    if isinstance(node, Node) and len(node.inputs) == 1:
        arriving = subject.network.arriving(node)
        if node.op is not None and arriving is not None:
            derived = _derivation(node.op, claim.metric, arriving)
            if claim.metric == "output" and isinstance(claimed, list):
                mend = node.op.mend(arriving, tuple(int(size) for size in claimed))
    help_ = _other_reading(subject, claim, claimed, computed) or _channels_first(
        claim, claimed, computed
    )
    return ClaimFails(
        claim.at,
        path=subject.path,
        metric=claim.metric,
        claimed=_quote(claim, claimed),
        arithmetic=f"it is {_spell(computed)}{derived}",
        help=help_ or mend,
    )


def _derivation(op: Op, metric: str, arriving: Shapes) -> str:
    """The arithmetic behind a node's figure: `: (11·11·3 + 1)·96 = 34 944`."""
    if metric not in _EXPLAINED:
        return ""
    shown = "; ".join(step.how for step in getattr(op, _EXPLAINED[metric])(arriving))
    return f": {shown}" if shown else ""


def _other_reading(
    subject: _Subject, claim: Claim, claimed: Figure | None, computed: Figure
) -> str:
    """A convention or a rounding under which the claimed figure is the computed one after all."""
    if not isinstance(claimed, int | float) or not isinstance(computed, int | float):
        return ""
    if claim.metric == "macs":
        counts = subject.counts
        for name, (whose, _) in CONVENTIONS.items():
            if counts is not None and weigh(counts, name) == claimed:
                return f"that is the count of {whose}; write `convention: {name}`"
    if computed and abs(claimed - computed) <= abs(computed) / 100:
        off = abs(claimed - computed) / computed * 100
        return f"it is off by {off:.2g} %; if the figure is rounded, give it a `tolerance`"
    return ""


def _quote(claim: Claim, claimed: Figure | None) -> str:
    """What is claimed, channels first, and how it was written where that is not the same."""
    spelt = _spell(claimed)
    if claim.metric != "output" or not isinstance(claim.value, str) or claim.value == spelt:
        return spelt
    return f"{spelt} (written {claim.value.strip()[:40]})"


def _channels_first(claim: Claim, claimed: Figure | None, computed: Figure) -> str:
    """Help for a shape that is the computed one in another order, or with the batch."""
    if claim.metric != "output" or not isinstance(computed, list) or len(computed) == 1:
        return ""
    if isinstance(claim.value, str):
        as_printed = [int(size) for size in re.findall(r"\d+", claim.value)] == computed
        last = "a text is read as papers write it, channels last; channels first is"
        return f"{last} {computed}" if as_printed else ""
    if claimed == [*computed[1:], computed[0]]:
        return f"a list is channels first: {computed}"
    with_batch = isinstance(claimed, list) and claimed[1:] in (
        computed,
        computed[1:] + computed[:1],
    )
    return f"without the batch, and channels first: {computed}" if with_batch else ""


def _spell(figure: Figure | None) -> str:
    if isinstance(figure, list):
        return show(figure)
    if isinstance(figure, float):
        return f"{figure:.6g}"
    return thousands(figure) if isinstance(figure, int) else str(figure)
