"""Layouts of memory with which PyTorch itself goes wrong."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class OwnMemory(TorchFunctionMode):
    """Gives what `permute` turns round memory of its own, in the order of its dimensions.

    PyTorch 2.15 computes a wrong gradient where batch norm is given one of a map of a single column
    that was turned round, in a layout both channels first and last; of a copy, the right one.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **kwargs or {})
        return result.contiguous() if func in _TURNING else result


_TURNING = (torch.permute, torch.Tensor.permute)
