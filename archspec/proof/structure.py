"""Shapes, parameters, operations and gradients, on the meta device: no number is computed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.graph.network import INPUT, Node
from archspec.ops import Shape, show, thousands
from archspec.proof.certificate import Difference, Proof, not_applicable, verdict
from archspec.proof.making import NormsInShape, ShapesOnly, in_training
from archspec.proof.subject import Subject, tensors_of
from archspec.report.figures import counted

BATCH = 2
"""Of one picture, norms without statistics of their own refuse single numbers."""
Sizes = dict[str, list[tuple[int, ...]]]
"""Shapes by a module's name, without the batch: one for each time it ran."""


def prove_shapes(subject: Subject) -> Proof:
    """Every module that bears a node's path puts out the shape computed for that node.

    A step that is a function and no module is seen where a module takes what it puts out.
    """
    network = subject.network
    given, taken, outputs = _run(subject)
    found = [
        Difference(node.path, show(shape), " and ".join(show(size) for size in given[node.path]))
        for node in network.nodes
        if (shape := network.shape_of(node.output)) is not None
        and any(size != shape for size in given.get(node.path, ()))
    ]
    final = network.shape_of(network.output)
    if final is not None and outputs[:1] != [final]:
        got = show(outputs[0]) if outputs else "nothing"
        found.append(Difference("the output", show(final), got))
    compared = {node.index for node in network.nodes if node.path in given}
    seen = compared | _seen_arriving(subject, taken) | {network.output.node} - {INPUT}
    text = f"{len(seen)} of {counted(len(network.nodes), 'node')} have the shape computed"
    if not found and len(seen) > len(compared):
        text += (
            f": {counted(len(compared), 'module')} by what {_they(compared)} put out, "
            f"{counted(len(seen) - len(compared), 'function')} by what the next module takes"
        )
    if found:
        differ = "differs" if len(found) == 1 else "differ"
        text = f"{len(found)} of {counted(len(seen), 'shape')} compared {differ}"
    return verdict("shapes", text, found)


def _they(compared: set[int]) -> str:
    return "it" if len(compared) == 1 else "they"


def _run(subject: Subject) -> tuple[Sizes, Sizes, list[tuple[int, ...]]]:
    """What every module puts out and takes, and what the network puts out in evaluation.

    A network with heads for training only is run in training as well: they run nowhere else.
    """
    given: Sizes = {}
    taken: Sizes = {}
    x = torch.empty(BATCH, *subject.input_shape, device="meta")
    with torch.no_grad(), ShapesOnly():
        with _watched(subject.meta, given, taken) as network:
            outputs = [tuple(tensor.shape[1:]) for tensor in tensors_of(network(x))]
        if subject.network.training_only:
            with in_training(subject.meta) as meta, _watched(meta, given, taken) as network:
                network(x)
    return given, taken, outputs


@contextmanager
def _watched(network: nn.Module, given: Sizes, taken: Sizes) -> Iterator[nn.Module]:
    hooks = []
    for name, module in network.named_modules():

        def keep(_: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
            if isinstance(output, Tensor):
                given.setdefault(name, []).append(tuple(output.shape[1:]))
            for tensor in inputs:
                if isinstance(tensor, Tensor):
                    taken.setdefault(name, []).append(tuple(tensor.shape[1:]))

        hooks.append(module.register_forward_hook(keep))
    try:
        yield network
    finally:
        for hook in hooks:
            hook.remove()


def _seen_arriving(subject: Subject, taken: Sizes) -> set[int]:
    """The nodes whose shape arrives at a module that reads them.

    Where another one arrives nothing is said: the forward pass may have padded it.
    """
    network = subject.network
    return {
        value.node
        for node in network.nodes
        for value in node.inputs
        if value.node != INPUT and network.shape_of(value) in taken.get(node.path, ())
    }


def prove_parameters(subject: Subject) -> Proof:
    """The state_dict has exactly the tensors computed: names, shapes, and which are trained."""
    network = subject.meta
    trained = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    held = network.state_dict()  # a buffer outside of it is a constant of the code
    got = {name: _kind(tuple(t.shape), trained=name in trained) for name, t in held.items()}
    computed_tensors = subject.tensors.items()
    wanted = {name: _kind(t.shape, trained=t.trainable) for name, t in computed_tensors}
    found = [
        Difference(name, wanted.get(name, "no such tensor"), got.get(name, "no such tensor"))
        for name in {**wanted, **got}
        if wanted.get(name) != got.get(name)
    ]
    totals = subject.check.totals
    computed = totals.num_params
    counts = sum(parameter.numel() for parameter in network.parameters())
    if computed is not None and counts != computed:
        found.append(Difference("all together", thousands(computed), thousands(counts)))
    if found:
        return verdict("parameters", f"{counted(len(found), 'difference')} in the tensors", found)
    text = f"{counted(len(wanted), 'tensor')} of {counted(counts, 'parameter')}"
    if totals.buffers:
        text += f" and {counted(totals.buffers, 'number')} in buffers"
    return verdict("parameters", f"{text}, by name and shape")


def _kind(shape: Shape, *, trained: bool) -> str:
    return f"{'parameter' if trained else 'buffer'} {show(shape) or 'of one number'}"


def prove_macs(subject: Subject) -> Proof:
    """The multiply-accumulates are half of what PyTorch's own counter counts for one input."""
    evaluated = [node for node in subject.network.nodes if subject.network.is_evaluated(node)]
    computed = subject.results.totals(evaluated).macs
    if computed is None:
        return not_applicable("macs", "they are unknown")
    network = subject.meta
    with FlopCounterMode(display=False) as counter, torch.no_grad(), ShapesOnly():
        network(torch.empty(BATCH, *subject.input_shape, device="meta"))
    total = counter.get_total_flops() // BATCH
    by_module = dict.fromkeys((name for name, _ in network.named_modules()), 0)
    for name, counts in counter.get_flop_counts().items():
        by_module[name.partition(".")[2]] = sum(counts.values()) // BATCH
    masked = _masked(network)
    miscounted = list(_miscounted(subject, evaluated, by_module))
    extra = sum(more for path, _, more in miscounted if path in masked)
    if total - extra == 2 * computed:
        text = f"{thousands(computed)}, half of FlopCounterMode's {thousands(total)}"
        if extra:
            text += f" but for the zeros that {', '.join(sorted(masked))} multiplies by"
        return verdict("macs", text)
    found = [
        Difference(path, thousands(macs), _half(2 * macs + more)) for path, macs, more in miscounted
    ]
    found.append(Difference("all together", thousands(computed), _half(total)))
    return verdict("macs", "half of FlopCounterMode's count is another number", found)


def _miscounted(
    subject: Subject, nodes: list[Node], by_module: dict[str, int]
) -> Iterator[tuple[str, int, int]]:
    """Modules with another count: path, the number computed, and the operations beyond twice it."""
    for node in nodes:
        counts = subject.results.operations[node.index]
        flops = by_module.get(node.path)
        if counts is not None and flops is not None and flops != 2 * counts.macs:
            yield node.path, counts.macs, flops - 2 * counts.macs


def _masked(network: nn.Module) -> set[str]:
    """Modules that hold a constant: a sparse layer (LeNet-5's C3) computes with a dense tensor."""
    saved = network.state_dict().keys()
    names = (name for name, _ in network.named_buffers() if name not in saved)
    return {name.rpartition(".")[0] for name in names}


def _half(flops: int) -> str:
    return thousands(flops // 2) if flops % 2 == 0 else f"{thousands(flops // 2)}.5"


def prove_gradients(subject: Subject) -> Proof:
    """In training, every parameter of what is run gets a gradient from what the network puts out.

    A step from which no output follows is not run; its parameters are there, and get none.
    """
    parameters = dict(subject.meta.named_parameters())
    if not parameters:
        return not_applicable("gradients", "there is no parameter")
    wanted = {name: p for name, p in parameters.items() if name not in subject.idle}
    if not wanted:
        return not_applicable("gradients", "no output follows from a step that has parameters")
    with in_training(subject.meta) as network, NormsInShape():
        outputs = tensors_of(network(torch.empty(BATCH, *subject.input_shape, device="meta")))
        torch.stack([output.sum() for output in outputs]).sum().backward()  # type: ignore[no-untyped-call]  # torch's own
    found = [
        Difference(name, "a gradient", "none")
        for name, parameter in wanted.items()
        if parameter.grad is None
    ]
    network.zero_grad()
    if found:
        return verdict("gradients", f"{len(found)} of {len(wanted)} get none", found)
    text = f"all {counted(len(wanted), 'parameter tensor')} get one"
    if len(wanted) < len(parameters):
        text += f", but for {len(parameters) - len(wanted)} of steps that no output follows from"
    return verdict("gradients", text)


STRUCTURE: tuple[tuple[str, Callable[[Subject], Proof]], ...] = (
    ("shapes", prove_shapes),
    ("parameters", prove_parameters),
    ("macs", prove_macs),
    ("gradients", prove_gradients),
)
