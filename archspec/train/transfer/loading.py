"""Weights of another training, loaded into a network as far as they fit."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from math import prod

import torch
from torch import Tensor, nn

from archspec.train.errors import TrainError
from archspec.train.transfer.pairing import Pairs, Target, adapt, pair, targets_of
from archspec.train.transfer.report import COUNTER, Entry, Report, Status, Unused, spell

LEAST_SHARE = 0.5  # of the weights outside the heads, by their number, or of their tensors
NUM_NAMED = 3  # tensors that a refusal tells of


def load_into(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    heads: tuple[str, ...] = (),
    *,
    renew: bool = False,
) -> Report:
    """Copy `tensors`, by name, into the `network`'s own, and report on each of them.

    What fits by name, by position or reshaped (see `pair` and `adapt`) is loaded; the rest
    keeps what it was initialised with, and with `renew` so do the modules `heads` in any case.
    Raises TrainError, with the network as it was, when less than half of what is outside the
    heads would be loaded.
    """
    targets = targets_of(network, heads)
    pairs = pair(targets, tensors)
    found = [_entry(target, pairs, tensors, renew=renew) for target in targets]
    entries = tuple(entry for entry, _ in found)
    share = _share(network, targets, entries)
    if share is not None and max(share) < LEAST_SHARE:
        raise TrainError(_too_little(targets, entries, tensors, pairs), exit_code=2)
    with torch.no_grad():
        for target, (_, values) in zip(targets, found, strict=True):
            if values is not None:
                target.tensor.copy_(values)
    sources = {entry.source for entry in entries}
    unused = [
        Unused(name, tuple(tensor.shape), "not in the network")
        for name, tensor in tensors.items()
        if name not in sources
    ]
    return Report(entries, tuple(unused), share[0] if share else 1.0)


def _entry(
    target: Target, pairs: Pairs, tensors: Mapping[str, Tensor], *, renew: bool
) -> tuple[Entry, Tensor | None]:
    """What is to become of one tensor, and the numbers it is to get."""
    shape = tuple(target.tensor.shape)
    by_position = target.name in pairs.by_position
    source = pairs.by_position.get(target.name, pairs.by_name.get(target.name))
    if renew and target.in_head:
        return Entry(target.name, shape, "new", "the head is made anew", source), None
    if source is None:
        return Entry(target.name, shape, "new", "not in the file"), None
    values, reason = adapt(target, tensors[source])
    status: Status = "new" if values is None else "reshaped" if reason else "loaded"
    from_shape = tuple(tensors[source].shape)
    return Entry(target.name, shape, status, reason, source, from_shape, by_position), values


def _share(
    network: nn.Module, targets: Sequence[Target], entries: Sequence[Entry]
) -> tuple[float, float] | None:
    """The part loaded of the parameters outside the heads: of their numbers, and of the tensors.

    Both, since one layer of AlexNet's, which a picture of another size changes, is half of its
    numbers. None where a network is all head.
    """
    parameters = {name for name, _ in network.named_parameters()}
    judged = [
        (prod(entry.shape), entry.status != "new")
        for target, entry in zip(targets, entries, strict=True)
        if target.name in parameters and not target.in_head
    ]
    numbers = sum(size for size, _ in judged)
    if not numbers:
        return None
    loaded = [size for size, is_loaded in judged if is_loaded]
    return sum(loaded) / numbers, len(loaded) / len(judged)


def _too_little(
    targets: Sequence[Target],
    entries: Sequence[Entry],
    tensors: Mapping[str, Tensor],
    pairs: Pairs,
) -> str:
    """A refusal that shows how the names or shapes of the two differ."""
    outside = [
        entry
        for target, entry in zip(targets, entries, strict=True)
        if not target.in_head and target.kind != COUNTER
    ]
    lacking = [entry for entry in outside if entry.status == "new"]
    nearest = "".join(f"\n  {_nearest(entry, tensors)}" for entry in lacking[:NUM_NAMED])
    order = f"\n  in order, too, they part: {pairs.apart}" if pairs.apart else ""
    return (
        f"the weights are of another network: of its {len(outside)} tensors outside the head only "
        f"{len(outside) - len(lacking)} are in the file:{nearest}{order}"
    )


def _nearest(entry: Entry, tensors: Mapping[str, Tensor]) -> str:
    wanted = f"it wants {entry.name} ({spell(entry.shape)})"
    names = [name for name in islice(tensors, 2000) if len(name) < 200]
    close = entry.source or next(iter(get_close_matches(entry.name, names, n=1)), None)
    if close is None:
        return f"{wanted}, and the file has no name like it"
    return f"{wanted}, the file has {close} ({spell(tuple(tensors[close].shape))})"
