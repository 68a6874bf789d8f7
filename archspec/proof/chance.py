"""Chance, taken out: dropout that draws the same fixed numbers wherever it is computed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

GOLDEN = 0.6180339887498949
"""Its multiples, whole parts dropped, are spread evenly over 0 to 1 and never come again."""


def draws(kept: float, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """What stands for draws of 1 with probability `kept`, and of 0 otherwise: `kept^(1 + u)`.

    u lies between 0 and 1 and depends on the place alone. Nothing is dropped, so that no fault
    hides behind a zero; each number, divided by `kept` or not, says which probability it was
    drawn with, and where. 0 gives zeros, and 1 ones, as chance would.
    """
    count = torch.Size(shape).numel()
    places = torch.arange(1, count + 1, dtype=torch.float64) * GOLDEN % 1
    return (kept ** (1 + places)).reshape(tuple(shape)).to(dtype)


class FixedChance(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Inside, every draw of `bernoulli_` is one of `draws`: all that dropout knows of chance.

    Other kinds of chance stay what they are: no op of a layer table has any.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not torch.ops.aten.bernoulli_.float or args[0].device.type == "meta":
            return func(*args, **(kwargs or {}))
        mask = args[0]
        kept = args[1] if len(args) > 1 else (kwargs or {}).get("p", 0.5)
        return mask.copy_(draws(kept, mask.shape, mask.dtype))
