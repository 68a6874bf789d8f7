"""How a network is trained: the numbers, and what is built from them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from archspec.train.errors import TrainError


@dataclass(frozen=True)
class Recipe:
    """The defaults are the flower tutorial's: Adam at 2e-4, batches of 32, 10 epochs."""

    epochs: int = 10
    batch_size: int = 32
    optimizer: str = "adam"
    lr: float = 2e-4
    weight_decay: float = 0.0
    augment: bool = True
    seed: int = 0


def _adam(parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> Optimizer:
    return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True)


def _adamw(parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> Optimizer:
    return AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)


def _sgd(parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> Optimizer:
    return SGD(parameters, lr=lr, weight_decay=weight_decay, momentum=0.9, fused=True)


# `fused` updates all parameters in one pass: of an AlexNet's step on a CPU, Adam's part halves.
OPTIMIZERS: dict[str, Callable[[Iterable[nn.Parameter], float, float], Optimizer]] = {
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
}


def build_optimizer(
    name: str, parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float
) -> Optimizer:
    """The optimiser `name` (one of OPTIMIZERS; SGD with momentum 0.9) for `parameters`."""
    return OPTIMIZERS[name](parameters, lr, weight_decay)


def check_recipe(recipe: Recipe) -> None:
    """Raise TrainError for numbers that cannot be trained with."""
    problems = {
        "epochs must be at least 1": recipe.epochs < 1,
        "the batch size must be at least 1": recipe.batch_size < 1,
        "the learning rate must be a number above 0": not 0 < recipe.lr < float("inf"),
        "the weight decay must not be negative": not 0 <= recipe.weight_decay < float("inf"),
        f"the optimizer must be one of {', '.join(OPTIMIZERS)}": recipe.optimizer not in OPTIMIZERS,
    }
    for problem, found in problems.items():
        if found:
            raise TrainError(problem, exit_code=2)


def pick_device(wanted: str) -> torch.device:
    """The device of that name; `auto` is CUDA where there is one, else the CPU.

    On CUDA, deterministic convolutions are chosen: the same seed gives the same training, as far
    as PyTorch's other kernels allow it. Raises TrainError for a device that is not there.
    """
    available = torch.cuda.is_available()
    if wanted == "auto":
        wanted = "cuda" if available else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise TrainError(f"no device {wanted!r}: auto, cpu or cuda", exit_code=2) from error
    if device.type not in {"cpu", "cuda"}:
        raise TrainError(f"no device {wanted!r}: auto, cpu or cuda", exit_code=2)
    if device.type == "cuda" and not (
        available and (device.index or 0) < torch.cuda.device_count()
    ):
        raise TrainError(f"no device {wanted!r} on this machine", exit_code=2)
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
    return device
