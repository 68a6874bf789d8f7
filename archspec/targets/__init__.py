"""Every target there is, in one mapping."""

from archspec.targets.base import CannotWrite, Target
from archspec.targets.torch import TorchTarget

__all__ = ["TARGETS", "CannotWrite", "Target"]

_ALL: tuple[Target, ...] = (TorchTarget(),)

TARGETS: dict[str, Target] = {target.name: target for target in _ALL}
