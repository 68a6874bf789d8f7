"""Networks that are made without numbers, or with given ones: drawing them costs seconds."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode


def made_on_meta(construct: Callable[[], nn.Module]) -> nn.Module:
    """A new network whose tensors have shapes and no numbers: drawing numbers costs seconds."""
    try:
        with torch.device("meta"), _Undrawn():
            return construct()
    except (NotImplementedError, RuntimeError):  # it computes with numbers while it is made
        with _EmptyOnMeta():
            return construct().to("meta")


@contextmanager
def in_training(network: nn.Module) -> Iterator[nn.Module]:
    """A network on the meta device, in training mode for a while.

    A batch norm without momentum divides by how many batches it has seen: that is no number there.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    without = [norm for norm in norms if norm.momentum is None]
    for norm in without:
        norm.momentum = 0.0
    try:
        yield network.train()
    finally:
        network.eval()
        for norm in without:
            norm.momentum = None


class _Undrawn(TorchFunctionMode):
    """Leaves tensors as they are where their numbers would be drawn or set: they have none.

    On the meta device PyTorch takes each such call apart in Python.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return args[0] if func in _DRAWING else func(*args, **kwargs or {})


_DRAWING = frozenset(
    {
        *(torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.fill_, torch.Tensor.zero_),
        *(torch.Tensor.erfinv_, torch.Tensor.clamp_, torch.Tensor.mul_, torch.Tensor.add_),
    }
)
"""What `torch.nn.init` does to a tensor in place."""


class _EmptyOnMeta(TorchFunctionMode):
    """Makes layers' tensors, which begin empty, on the meta device, and no others."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        return func(*args, **{**kwargs, "device": "meta"} if func is torch.empty else kwargs)


class ShapesOnly(TorchFunctionMode):
    """Batch norm and the usual activations put out a tensor of their input's shape, and no more.

    So do sums and products of two tensors of one shape. On the meta device PyTorch takes each
    apart in Python: that is most of a pass's time. For passes that ask for shapes, and for what
    convolutions and products of matrices are run.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kept = func in KEEPING_SHAPE or (func in _OF_TWO and _are_alike(args))
        return torch.empty_like(args[0]) if kept else func(*args, **kwargs or {})


KEEPING_SHAPE = frozenset(
    {
        *(torch.batch_norm, F.batch_norm, torch.relu, F.relu, F.relu6, F.silu, F.hardswish),
        *(F.gelu, F.leaky_relu, F.elu, F.mish, F.hardtanh, F.hardsigmoid, F.softplus),
        *(torch.sigmoid, F.sigmoid, torch.tanh, F.tanh),
    }
)
_OF_TWO = frozenset({torch.add, torch.Tensor.add, torch.mul, torch.Tensor.mul})
"""What `a + b` and `a * b` call as well."""


def _are_alike(args: Any) -> bool:
    if len(args) != 2 or not all(isinstance(arg, Tensor) for arg in args):
        return False
    return bool(args[0].shape == args[1].shape and args[0].dtype == args[1].dtype)


class NormsInShape(TorchFunctionMode):
    """Batch norm in training as autograd sees it, without its numbers.

    On the meta device PyTorch takes both its passes apart in Python, some thirty operations.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not F.batch_norm:
            return func(*args, **kwargs or {})
        return _batch_norm(*args, **kwargs or {})


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,  # noqa: FBT001, FBT002 - as `F.batch_norm` has it
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """What `F.batch_norm` puts out, where its tensors fit together; where not, what it raises."""
    own = (running_mean, running_var, weight, bias)
    fits = x.dim() > 1 and all(t is None or t.shape == x.shape[1:2] for t in own)
    if not training or not fits or x.numel() <= x.shape[1]:
        return F.batch_norm(x, *own, training, momentum, eps)
    normed: Tensor = _BatchNormInShape.apply(x, weight, bias)
    return normed


class _BatchNormInShape(torch.autograd.Function):
    """Keeps for backward what batch norm keeps, so that overwriting that is an error here, too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias = None if bias is None else bias.shape
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        shift = None if ctx.bias is None else gradients[0].new_empty(ctx.bias)
        scale = None if weight is None else torch.empty_like(weight)
        return torch.empty_like(x), scale, shift


def with_state(construct: Callable[[], nn.Module], state: Mapping[str, Tensor]) -> nn.Module:
    """A new network in evaluation mode with these very tensors, copied nowhere."""
    network = made_on_meta(construct)
    if holds_more_than_state(network):
        network = construct()  # only its constants are numbers yet
    assign(network, state)
    return network.eval()


def assign(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put these very tensors into a network: those of its state_dict, no other, none left out.

    Each module is given its own: a whole network goes through all names for every module in it.
    """
    named = network.state_dict()
    odd = sorted(named.keys() ^ state.keys())
    if odd:
        raise RuntimeError(f"{odd[0]} is on one side only")
    # Versions of modules: without them some take the tensors for those of an older version.
    versions: Mapping[str, Any] = getattr(named, "_metadata", {})
    own: dict[str, OrderedDict[str, Tensor]] = {}
    for name, tensor in state.items():
        path, _, last = name.rpartition(".")
        own.setdefault(path, OrderedDict())[last] = tensor
    for path, tensors in own.items():
        tensors._metadata = {"": versions.get(path, {})}  # type: ignore[attr-defined]  # noqa: SLF001 - so torch has it
        network.get_submodule(path).load_state_dict(tensors, strict=False, assign=True)


def holds_more_than_state(network: nn.Module) -> bool:
    """Whether a state_dict leaves out tensors of a network: constants it has computed."""
    saved = network.state_dict().keys()
    if any(name not in saved for name, _ in network.named_buffers(remove_duplicate=False)):
        return True
    return any(isinstance(v, Tensor) for m in network.modules() for v in vars(m).values())
