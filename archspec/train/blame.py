"""Which layer made a loss infinite, or not a number."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from archspec.train.feeding.feeder import Batch
from archspec.train.finite import is_finite
from archspec.train.learner import Learner
from archspec.train.outputs import as_outputs


def blame(learner: Learner, batch: Batch) -> str:
    """A sentence that names where the first number that is not finite has come from.

    All processes call this, and the first that has seen such a number tells all of them where.
    """
    culprits = learner.world.heard_from_all(culprit(learner, batch))
    return next(filter(None, culprits), "the network's outputs are finite, and their loss is not")


def culprit(learner: Learner, batch: Batch) -> str | None:
    """Where a number that is not finite first appears in this process, if one does.

    The network is run once more on the batch, in parts as before, and nothing has been changed
    since. The outputs of its layers are looked at in the order in which they are made.
    """
    found: list[str] = []
    handles = [
        module.register_forward_hook(_looker(name, found))
        for name, module in learner.network.named_modules()
        if not any(True for _ in module.children())
    ]
    try:
        with torch.no_grad(), learner.autocast():
            parts = batch.parts(learner.accumulate)
            outputs = [as_outputs(learner.network(part.images)) for part in parts]
    finally:
        _remove(handles)
    if not is_finite(batch.images):
        return "the batch itself holds numbers that are not finite"
    if found:
        return found[0]
    if all(is_finite(output) for part in outputs for output in part):
        return None
    return "no layer's output shows where it began"


def _looker(name: str, found: list[str]) -> Any:
    def look(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        tensors = [value for value in as_tensors(output) if value.is_floating_point()]
        if found or all(map(is_finite, tensors)):
            return
        bad = [key for key, value in module.named_parameters() if not is_finite(value)]
        what = type(module).__name__
        if bad:
            found.append(f"the {bad[0]} of layer {name} ({what}) is not finite")
        elif all(is_finite(value) for value in as_tensors(inputs)):
            found.append(f"layer {name} ({what}) has overflown")
        else:
            found.append(f"the input of layer {name} ({what}) is not finite")

    return look


def as_tensors(value: Any) -> list[Tensor]:
    """The tensors in what a module has been given or gives back."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [tensor for item in value for tensor in as_tensors(item)]
    return []


def _remove(handles: list[RemovableHandle]) -> None:
    for handle in handles:
        handle.remove()
