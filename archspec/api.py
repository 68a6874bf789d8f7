"""The Python interface: load, check, generate, build."""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from archspec.analysis.claims import ClaimResult, verify
from archspec.analysis.findings import find
from archspec.analysis.results import Results, Totals, analyse
from archspec.diagnostics import Diagnostic, Fault, Position
from archspec.diagnostics.claims import ClaimsNotVerified
from archspec.diagnostics.collector import Collector, told_once
from archspec.diagnostics.language import EmptyBody, TooManySteps
from archspec.graph import unrun, untaken
from archspec.graph.bounds import MAX_STEPS, MAX_WORK
from archspec.graph.build import build as build_network
from archspec.graph.fitting import advise
from archspec.graph.network import Memory, Network
from archspec.graph.unused import unused
from archspec.language import loader
from archspec.language.model import Spec, Variant
from archspec.language.rows import MAX_FAULTS
from archspec.language.source import Document

if TYPE_CHECKING:
    from torch import nn

    from archspec.targets import Emission


CLAIMS = "AS4"
"""How the codes of diagnostics begin that are about claims."""


class SpecError(ValueError):
    """A spec has errors; `diagnostics` are all of them, and the message lists them."""

    def __init__(self, document: Document, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        errors = [fault for fault in diagnostics if fault.severity == "error"]
        lines = []
        for fault in errors[:20]:
            at = position(document, fault)
            lines.append(f"{document.file}:{at.line}:{at.column}: {fault.message}")
        if len(errors) > 20:
            lines.append(f"… and {len(errors) - 20} more")
        super().__init__("\n".join(lines))


class Check(NamedTuple):
    """The outcome of a check. `network` and `results` are None for a text that is no spec.

    `ok` is False when there is an error, a claim that fails being one. A family that is checked
    as a whole has the checks of all its variants in `family`; its own network and results are
    those of the first, its claims and diagnostics those of all.
    """

    name: str
    file: str
    variant: str | None
    document: Document
    network: Network | None
    results: Results | None
    claims: tuple[ClaimResult, ...]
    diagnostics: tuple[Diagnostic, ...]
    family: tuple["Check", ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; warnings and notes do not count."""
        return not any(fault.severity == "error" for fault in self.diagnostics)

    @property
    def totals(self) -> Totals:
        """The sums over the whole network."""
        return Totals(*[None] * 6) if self.results is None else self.results.whole

    def locate(self, diagnostic: Diagnostic) -> Position:
        """Line and column of a diagnostic, from 1."""
        return position(self.document, diagnostic)

    def raise_for_errors(self) -> None:
        """Raise `SpecError` unless `ok`."""
        if not self.ok:
            raise SpecError(self.document, self.diagnostics)


def position(document: Document, diagnostic: Diagnostic) -> Position:
    """Where a diagnostic points to in its text."""
    if diagnostic.at is not None:
        return diagnostic.at
    line, column = document.locate(diagnostic.where, on_key=diagnostic.on_key)
    if diagnostic.offset == 0:
        return Position(line, column)
    row = _lines(document.text)[line - 1]
    quoted = row[column - 1 : column] in ("'", '"')
    return Position(line, column + diagnostic.offset + quoted)


@lru_cache(maxsize=1)
def _lines(text: str) -> list[str]:
    """The lines of the text that was asked for last: most faults of a check are of one text."""
    return text.split("\n")


def check(spec: str | Path, overrides: Mapping[str, Any] | None = None) -> Check:
    """Check a spec by name (`"alexnet"`) or path, with variables set by `overrides`.

    Raises `archspec.SpecNotFound` when there is no such spec or it cannot be read; everything
    that is wrong inside it is among the result's `diagnostics`.
    """
    with _collector_paused():
        found, loaded = loader.load(spec)
        return _check(loaded, found.name, overrides or {})


def check_text(
    text: str, file: str = "<text>", overrides: Mapping[str, Any] | None = None
) -> Check:
    """Check a spec given as text; `file` is what messages call it."""
    with _collector_paused():
        return _check(loader.load_text(text, file), Path(file).stem, overrides or {})


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the cyclic collector: a spec is a tree, and walking it again and again costs.

    It is what keeps a check of 100 000 rows linear in time.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _check(loaded: loader.Loaded, stem: str, overrides: Mapping[str, Any]) -> Check:
    spec, memory = loaded.spec, Memory()  # most ops are those of several members, and some blocks
    if spec is None or not spec.variants or spec.variant is not None:
        checked = _check_one(loaded, stem, overrides, memory)
        told = [*checked.diagnostics, *_by_the_text(loaded, checked.diagnostics, memory)]
        return checked._replace(diagnostics=_with_unused(loaded, told))
    members, more = _members(loaded, spec.variants.values(), stem, overrides, memory)
    told = [*_of_the_family(members), *more]
    told += _by_the_text(loaded, told, memory)
    return members[0]._replace(
        name=spec.name,
        variant=None,
        claims=tuple(claim for member in members for claim in member.claims),
        diagnostics=_with_unused(loaded, told),
        family=tuple(members),
    )


def _members(
    loaded: loader.Loaded,
    variants: Iterable[Variant],
    stem: str,
    overrides: Mapping[str, Any],
    memory: Memory,
) -> tuple[list[Check], list[Diagnostic]]:
    """The members of a family, as far as all of them together are no more than one may be."""
    members: list[Check] = []
    steps = 0
    for variant in variants:
        if steps > MAX_STEPS or memory.work > MAX_WORK:
            return members, [TooManySteps(variant.at, on_key=True, limit=MAX_STEPS)]
        assert loaded.spec is not None
        chosen = loaded._replace(spec=loaded.spec.of(variant), variant=variant.name)
        members.append(_check_one(chosen, stem, overrides, memory))
        network = members[-1].network
        steps += len(network.nodes) if network is not None else 0
    return members, []


def _by_the_text(
    loaded: loader.Loaded, faults: Iterable[Diagnostic], memory: Memory
) -> list[Diagnostic]:
    """What is wrong with rows, and with parts of choices, that no network runs."""
    spec, text = loaded.spec, loaded.document.text
    unread = any(fault.severity == "error" for fault in loaded.faults)
    if spec is None or unread or any(isinstance(fault, TooManySteps) for fault in faults):
        return []
    told = [*islice(unrun.check(spec, memory), MAX_FAULTS)]
    if untaken.may_skip(text):
        told += islice(untaken.names(spec.family or spec), MAX_FAULTS)
    if spec.family is None:
        told += unrun.of_nothing(spec, memory)
    return told


def _with_unused(loaded: loader.Loaded, faults: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """All in order, with what nothing uses; where there are errors, it may be for these.

    Claims are compared with what there is: that one fails may follow from what nothing uses.
    """
    if any(f.severity == "error" and not f.code.startswith(CLAIMS) for f in faults):
        told = [fault for fault in faults if not fault.follows]
    else:
        told = [*faults, *(unused(loaded.spec) if loaded.spec is not None else ())]
    return tuple(_in_order(loaded.document, told))


def _of_the_family(members: Sequence[Check]) -> list[Diagnostic]:
    """What the variants say, each fault once, with the variants that it is about."""
    collector = Collector()
    for member in members:
        collector.add(member.diagnostics, member.variant or "")
    return collector.told(len(members))


def _check_one(
    loaded: loader.Loaded, stem: str, overrides: Mapping[str, Any], memory: Memory
) -> Check:
    faults = list(loaded.faults)
    network, results = None, None
    claims: tuple[ClaimResult, ...] = ()
    if loaded.spec is not None:
        network, found = build_network(loaded.spec, overrides, memory)
        advise(loaded.spec, overrides, network, found)
        if any(fault.severity == "error" for fault in faults):
            found = [fault for fault in found if not isinstance(fault, EmptyBody)]
        faults += found
        results = analyse(network)
        faults += find(network)
        own = {**loaded.spec.vars, **(loaded.spec.variant.vars if loaded.spec.variant else {})}
        changed = {k for k, v in overrides.items() if k in network.vars and v != own[k]}
        claims, told = _set_aside(network, own, changed) if changed else verify(network, results)
        faults += told
    document = loaded.document
    faults = _in_order(document, faults)
    name = loaded.spec.name if loaded.spec else stem
    return Check(
        name, document.file, loaded.variant, document, network, results, claims, tuple(faults)
    )


def _set_aside(
    network: Network, own_values: Mapping[str, Any], changed: Iterable[str]
) -> tuple[tuple[ClaimResult, ...], list[Diagnostic]]:
    """No claims, and a note if there are any: they are about the spec's own variables."""
    if not any(item.claims for item in network.root.walk()):
        return (), []
    own = ", ".join(f"{name} = {own_values[name]}" for name in sorted(changed))
    return (), [ClaimsNotVerified(("vars",), on_key=True, own=own)]


def _in_order(document: Document, faults: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Faults by place, each of them once."""
    placed = [(position(document, f), f.code, i, f) for i, f in enumerate(told_once(faults))]
    return [fault for *_, fault in sorted(placed, key=lambda row: row[:3])]


def load(spec: str | Path) -> Spec:
    """The spec of a name or path, as written; raises `SpecError` or `SpecNotFound`."""
    _, loaded = loader.load(spec)
    errors = tuple(fault for fault in loaded.faults if fault.severity == "error")
    if loaded.spec is None or errors:
        raise SpecError(loaded.document, errors)
    return loaded.spec


def generate(
    spec: str | Path, target: str = "torch", overrides: Mapping[str, Any] | None = None
) -> str:
    """The source of a module for a spec; needs no torch.

    Raises `SpecError` or `SpecNotFound`, and ValueError where there is no such target.
    """
    from archspec.targets import TARGETS

    if target not in TARGETS:
        raise ValueError(f"there is no target {target!r}; there is {', '.join(TARGETS)}")
    checked = check(spec, overrides)
    checked.raise_for_errors()
    return write(checked, target)


def write(checked: Check, target: str = "torch") -> str:
    """The source of a module for what was checked without errors: a network or a family.

    Of several files it is the first. Raises `SpecError` where the module would be too long.
    """
    files = emit(checked, target).files
    return next(iter(files.values())).decode()


def emit(
    checked: Check,
    target: str = "torch",
    *,
    stem: str | None = None,
    templates: Path | None = None,
) -> "Emission":
    """The files that a target writes for what was checked without errors, and notes about them.

    `stem` is what they are called after (the spec's file unless given), `templates` a folder of
    templates that come before the target's own. Raises `SpecError` where a file would be too long,
    and `archspec.targets.TemplateFault` for a template that is faulty.
    """
    from archspec.targets import TARGETS, Order

    networks = []
    for member in checked.family or (checked,):
        assert member.network is not None
        assert member.results is not None
        networks.append((member.variant or member.name, member.network, member.results))
    family = checked.name if checked.family else None
    stem = stem or checked.variant or Path(checked.file).stem
    order = Order(stem, family, templates, lambda place: checked.document.locate(place).line)
    try:
        with _collector_paused():
            return TARGETS[target].emit(networks, order)
    except Fault as error:
        fault = error.kind(("layers",), on_key=True, **error.facts)
        raise SpecError(checked.document, (fault,)) from None


def build(spec: str | Path, /, **arguments: Any) -> "nn.Module":
    """A `torch.nn.Module` for a spec or a variant: `build("resnet50", num_classes=5)`.

    Variables of the spec may be given by name. Raises `SpecError` or `SpecNotFound`, ValueError
    for a family of which no variant is named, and ImportError where torch is not installed.
    """
    from archspec.targets.torch.run import instantiate

    checked = check(spec, arguments)
    name = Path(spec).stem
    if checked.family:
        checked = _variant(checked, name)
    checked.raise_for_errors()
    module: nn.Module = instantiate(write(checked), name=name)
    return module


def _variant(family: Check, name: str) -> Check:
    """The member of a family that is called as its file is (`mobilenet_v2`)."""
    members = {member.variant: member for member in family.family}
    if name not in members:
        known = ", ".join(str(variant) for variant in members)
        raise ValueError(f"{family.file} is a family; build one of its variants: {known}")
    return members[name]
