"""How narrow a strip of pixels may be for a module to run on it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import lcm
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from archspec.proof.candidates import Candidate
from archspec.proof.making import ShapesOnly
from archspec.proof.subject import Subject

Breadths = dict[str, int]
"""By module: the least breadth of a strip on which it runs."""


def breadths_of(subject: Subject, candidates: list[Candidate], axis: int) -> Breadths:
    """The least width (for axis 0; height for 1) on which modules run, tried in growing steps.

    Along the axis the strip is longer than the input by whole strides: paths of several
    resolutions meet where they do in the input.
    """
    _, *sides = subject.input_shape
    wanted = {candidate.node.path: candidate for candidate in candidates}
    longest = max((candidate.reach for candidate in candidates), default=1)
    strides = [common_stride(candidates, i) for i in (0, 1)]
    along = sides[axis] + strides[axis] * max(1, -(-(longest - sides[axis]) // strides[axis]))
    found: Breadths = {}
    network = subject.meta
    seen: set[str] = set()
    left: set[str] = set()

    def keep(path: str, output: Tensor) -> None:
        if wanted[path].as_map(output) is not None:
            seen.add(path)

    hooks = watch(subject, network, set(wanted), keep, left)
    for breadth in _growing(sides[1 - axis], strides[1 - axis]):
        size = (along, breadth) if axis == 0 else (breadth, along)
        seen.clear()
        left.update(wanted)
        _run(network, (subject.input_shape[0], *size))
        for path in seen:
            found.setdefault(path, breadth)
        if len(found) == len(wanted):
            break
    for hook in hooks:
        hook.remove()
    return found


def _growing(last: int, stride: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, … and `last`, and what is smaller than that by whole strides.

    Whatever strides of 2 and 3 divide is among the first; the others are for networks that run
    where the strides leave over of a size what they do of their own.
    """
    growing = [1]
    while growing[-1] < last:
        breadth = growing[-1]
        growing.append(breadth + max(1, breadth // (2 if breadth & (breadth - 1) == 0 else 3)))
    alike = {last % stride + stride * times for times in growing}
    return sorted(size for size in {*growing, *alike, last} if size <= last)


def common_stride(candidates: Sequence[Candidate], axis: int) -> int:
    """After how many pixels the fields of all of them repeat themselves."""
    return lcm(*(int(candidate.axes[axis].stride) for candidate in candidates))


class EnoughError(Exception):
    """Ends a forward pass: what comes next is not wanted, or fits the network's own size only."""


STOPS = (EnoughError, RuntimeError, TypeError, ValueError, IndexError)
"""What ends a pass on a size that is not the network's own: some modules have run by then.

Sizes beyond 64 bits are a TypeError, a part that is not there an IndexError.
"""


def _run(network: nn.Module, shape: tuple[int, ...]) -> None:
    """A pass on an input of that shape, as far as it comes."""
    with suppress(*STOPS), torch.no_grad(), ShapesOnly():
        network(torch.empty(1, *shape, device="meta"))


def watch(
    subject: Subject,
    network: nn.Module,
    wanted: set[str],
    keep: Callable[[str, Tensor], None],
    left: set[str] | None = None,
) -> list[RemovableHandle]:
    """Hand the outputs of the wanted modules to `keep`, and stop behind the last of them.

    Also stop before a module that takes a vector of another size than the network's own. `left`
    are those that a pass has not come to yet, to be filled again before the next one.
    """
    left = set(wanted) if left is None else left
    hooks = []
    vectors = {
        node.path: shapes[0]
        for node in subject.network.nodes
        if (shapes := subject.network.arriving(node)) is not None and len(shapes[0]) == 1
    }

    for path, module in network.named_modules():
        if path in vectors:

            def refuse(_: nn.Module, inputs: Any, own: Any = vectors[path]) -> None:
                if tuple(inputs[0].shape[1:]) != own:
                    raise EnoughError

            hooks.append(module.register_forward_pre_hook(refuse))
        if path in wanted:

            def look(_: nn.Module, __: Any, output: Any, path: str = path) -> None:
                if isinstance(output, Tensor):
                    keep(path, output)
                left.discard(path)
                if not left:
                    raise EnoughError

            hooks.append(module.register_forward_hook(look))
    return hooks
