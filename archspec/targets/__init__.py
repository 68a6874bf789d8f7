"""Every target there is, in one mapping."""

from archspec.targets.base import Emission, Order, Target, TemplateFault
from archspec.targets.torch import TorchTarget

__all__ = ["TARGETS", "Emission", "Order", "Target", "TemplateFault"]

_ALL: tuple[Target, ...] = (TorchTarget(),)

TARGETS: dict[str, Target] = {target.name: target for target in _ALL}
