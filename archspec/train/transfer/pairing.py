"""Which tensor of a file belongs to which of a network: by name, else by position."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from archspec.train.transfer.endings import is_below
from archspec.train.transfer.report import COUNTER, spell

SCALE = "layer_scale"
LEAST_SHARE = 0.5  # of a network's names, behind one prefix, that make it a part of a larger one


@dataclass(frozen=True)
class Target:
    """A tensor of the network, with the module that owns it."""

    name: str
    tensor: Tensor
    owner: nn.Module
    in_head: bool

    @property
    def kind(self) -> str:
        """What it is to its module: `weight`, `bias`, `running_mean`."""
        return _kind(self.name)


def _kind(name: str) -> str:
    last = name.rpartition(".")[2]
    return SCALE if last == "gamma" else last  # as its paper and timm call it


class Pairs(NamedTuple):
    """Names of the file by those of the network; `apart`: where their orders part, if they do."""

    by_name: dict[str, str]
    by_position: dict[str, str]
    apart: str = ""


def targets_of(network: nn.Module, heads: tuple[str, ...]) -> list[Target]:
    """The tensors that a network's state_dict has, in its order."""
    modules = dict(network.named_modules())
    return [
        Target(name, tensor, modules[name.rpartition(".")[0]], is_below(name, heads))
        for name, tensor in network.state_dict().items()
        if isinstance(tensor, Tensor)
    ]


def pair(targets: Sequence[Target], tensors: Mapping[str, Tensor]) -> Pairs:
    """Pair tensors that bear one name, then those left over in their order.

    Names may have a prefix in the file, of a larger network that this one is a part of. The rest
    is paired in order only where kinds and shapes agree all along; a head's number of classes
    may differ, and the file may have no head.
    """
    prefix = _prefix(targets, tensors)
    named = {t.name: prefix + t.name for t in targets if prefix + t.name in tensors}
    used = set(named.values())
    ours = [t for t in targets if t.name not in named and t.kind != COUNTER]
    theirs = [n for n in tensors if n not in used and _kind(n) != COUNTER]
    headless = [target for target in ours if not target.in_head]
    ours = headless if len(ours) != len(theirs) else ours
    apart = _where_apart(ours, theirs, tensors)
    if apart or not ours:
        return Pairs(named, {}, apart)
    placed = {target.name: name for target, name in zip(ours, theirs, strict=True)}
    return Pairs(named, placed | _counters(targets, placed, tensors))


def _prefix(targets: Sequence[Target], tensors: Mapping[str, Tensor]) -> str:
    """What stands in the file in front of most of the network's names: nothing, or `backbone.`."""
    names = {target.name for target in targets}
    found = Counter[str]()
    for name in tensors:
        parts = name.split(".")[:64]
        rests = {".".join(parts[:depth]): ".".join(parts[depth:]) for depth in range(len(parts))}
        found.update(f"{start}." if start else "" for start, rest in rests.items() if rest in names)
    prefix, number = found.most_common(1)[0] if found else ("", 0)
    return prefix if number > found[""] and number >= LEAST_SHARE * len(names) else ""


def _where_apart(
    ours: Sequence[Target], theirs: Sequence[str], tensors: Mapping[str, Tensor]
) -> str:
    """The first place at which the two orders disagree, as text; empty where they do not."""
    for target, name in zip(ours, theirs, strict=False):
        found = tensors[name]
        agree = target.kind == _kind(name)
        if not agree or not (adapt(target, found)[0] is not None or _is_other_head(target, found)):
            return (
                f"{target.name} ({spell(tuple(target.tensor.shape))}) "
                f"meets {name[:80]} ({spell(tuple(found.shape))})"
            )
    if len(ours) != len(theirs):
        return f"the network has {len(ours)} more tensors, the file {len(theirs)}"
    return ""


def _is_other_head(target: Target, found: Tensor) -> bool:
    return target.in_head and found.shape[1:] == target.tensor.shape[1:]


def _counters(
    targets: Sequence[Target], placed: Mapping[str, str], tensors: Mapping[str, Tensor]
) -> dict[str, str]:
    """Counters of batches, which old files lack, go where their norm's statistics have gone."""
    found = {}
    for target in targets:
        beside = placed.get(target.name.removesuffix(COUNTER) + "running_mean", "")
        name = beside.removesuffix("running_mean") + COUNTER
        if target.kind == COUNTER and beside and name in tensors:
            found[target.name] = name
    return found


def adapt(target: Target, found: Tensor) -> tuple[Tensor | None, str]:
    """`found` in the shape of `target` and what was done for it; None, and the reason, if nothing.

    A fully connected layer equals a convolution whose kernel is the map's size. A first
    convolution's weights, summed over the three colours, see in a grey picture what they saw in
    the same picture in colour, whose channels are equal.
    """
    wanted = target.tensor
    if found.is_floating_point() != wanted.is_floating_point():
        return None, f"the file has {str(found.dtype).removeprefix('torch.')} numbers"
    if found.shape == wanted.shape:
        return found, ""
    return _reshaped(target, found) or (None, _other_shape(target, found))


def _reshaped(target: Target, found: Tensor) -> tuple[Tensor, str] | None:
    wanted, as_large = target.tensor, found.numel() == target.tensor.numel()
    if target.kind == SCALE and as_large and wanted.numel() in wanted.shape:
        return found.reshape(wanted.shape), "one number a channel"
    if target.kind != "weight" or found.shape[:1] != wanted.shape[:1]:
        return None
    if as_large and _are_one_layer(target.owner, found):
        return found.reshape(wanted.shape), "a linear layer is a convolution of the map's size"
    if _sees_grey(target.owner) and found.shape == (len(wanted), 3, *wanted.shape[2:]):
        return found.sum(1, keepdim=True, dtype=wanted.dtype), "three colours summed to grey"
    return None


def _are_one_layer(owner: nn.Module, found: Tensor) -> bool:
    if isinstance(owner, nn.Linear):
        return found.dim() == 4
    return isinstance(owner, nn.Conv2d) and owner.groups == 1 and found.dim() == 2


def _sees_grey(owner: nn.Module) -> bool:
    return isinstance(owner, nn.Conv2d) and owner.in_channels == 1


def _other_shape(target: Target, found: Tensor) -> str:
    if _is_other_head(target, found) and found.dim():
        return f"the file has {found.shape[0]} classes, the network {target.tensor.shape[0]}"
    return "other shape"
