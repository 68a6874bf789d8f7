"""The arguments of PyTorch's layers and functions, so that equal calls are known to be equal.

`nn.Conv2d(3, 8, 3)` and `nn.Conv2d(3, 8, kernel_size=(3, 3), stride=1)` make the same layer. A
signature gives the names in order, `=` a default, and `:` a kind: `pair` is one number for both
axes or two, `number` an int or a float, `float` certainly a float (it becomes a tensor's), `flag` a
truth value.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from archspec.targets.python.objects import MachineError
from archspec.targets.python.text import flat
from archspec.targets.python.tree import Argument, Call, Expr, Keyword, Starred

_CONVOLUTION = (
    "in_channels out_channels kernel_size:pair stride:pair=1 padding:pair=0 dilation:pair=1 "
    "groups=1 bias:flag=True"
)
_POOL = "kernel_size:pair stride:pair=kernel_size padding:pair=0"
_NORM = "num_features eps:number=1e-5 momentum:number=0.1 affine:flag=True "
_LAYERS: Mapping[str, str] = {
    "nn.Conv2d": _CONVOLUTION,
    "Conv2dSame": (
        "in_channels out_channels kernel_size:pair stride:pair=1 padding:pair=0 dilation:pair=1 "
        "groups=1 bias:flag=True"
    ),
    "PaddedConv2d": (
        "in_channels out_channels kernel_size:pair pad stride:pair=1 dilation:pair=1 groups=1 "
        "bias:flag=True"
    ),
    "nn.ConvTranspose2d": (
        "in_channels out_channels kernel_size:pair stride:pair=1 padding:pair=0 "
        "output_padding:pair=0 groups=1 bias:flag=True dilation:pair=1"
    ),
    "PartialConv2d": (
        "in_channels table kernel_size:pair pad=(0,0,0,0) stride:pair=1 bias:flag=True"
    ),
    "nn.Linear": "in_features out_features bias:flag=True",
    "RBF": "in_features out_features trainable:flag=True",
    "nn.MaxPool2d": f"{_POOL} dilation:pair=1 return_indices=False ceil_mode:flag=False",
    "MaxPool2dSame": f"{_POOL} dilation:pair=1 return_indices=False ceil_mode:flag=False",
    "PaddedMaxPool2d": (
        "kernel_size:pair pad stride:pair=kernel_size dilation:pair=1 ceil_mode:flag=False"
    ),
    "nn.AvgPool2d": f"{_POOL} ceil_mode:flag=False count_include_pad:flag=True",
    "AvgPool2dSame": f"{_POOL} ceil_mode:flag=False count_include_pad:flag=True",
    "PaddedAvgPool2d": (
        "kernel_size:pair pad stride:pair=kernel_size ceil_mode:flag=False "
        "count_include_pad:flag=True"
    ),
    "ScaledAvgPool2d": "channels kernel_size:pair stride:pair=kernel_size",
    "nn.AdaptiveAvgPool2d": "output_size:pair",
    "nn.AdaptiveMaxPool2d": "output_size:pair",
    "Mean": "dim keepdim:flag=False",
    "nn.LocalResponseNorm": "size alpha:number=1e-4 beta:number=0.75 k:number=1.0",
    "nn.BatchNorm1d": f"{_NORM} track_running_stats:flag=True",
    "nn.BatchNorm2d": f"{_NORM} track_running_stats:flag=True",
    "nn.InstanceNorm2d": (
        "num_features eps:number=1e-5 momentum:number=0.1 affine:flag=False "
        "track_running_stats:flag=False"
    ),
    "nn.GroupNorm": "num_groups num_channels eps:number=1e-5 affine:flag=True",
    "nn.LayerNorm": (
        "normalized_shape:sizes eps:number=1e-5 elementwise_affine:flag=True bias:flag=True"
    ),
    "LayerNorm2d": "normalized_shape:sizes eps:number=1e-5 elementwise_affine:flag=True",
    "nn.Dropout": "p:number=0.5 inplace=False",
    "StochasticDepth": "p:number mode='row'",
    "LayerScale": "shape init_value:float=1e-6",
    "nn.Flatten": "start_dim=1 end_dim=-1",
    "nn.Identity": "",
    "Permute": "*dims",
    "Chunk": "chunks index",
    "Slice": "start stop=None",
    "nn.ZeroPad1d": "padding",
    "nn.ZeroPad2d": "padding",
    "nn.ZeroPad3d": "padding",
    "nn.ConstantPad2d": "padding value:number",
    "nn.ChannelShuffle": "groups",
    "nn.PixelShuffle": "upscale_factor",
    "nn.PixelUnshuffle": "downscale_factor",
    "nn.Upsample": "size:pair=None scale_factor:pair=None mode='nearest' align_corners=None",
    "nn.ReLU": "inplace=False",
    "nn.ReLU6": "inplace=False",
    "nn.LeakyReLU": "negative_slope:number=0.01 inplace=False",
    "nn.PReLU": "num_parameters=1 init:number=0.25",
    "nn.ELU": "alpha:number=1.0 inplace=False",
    "nn.SiLU": "inplace=False",
    "nn.Hardswish": "inplace=False",
    "nn.Hardsigmoid": "inplace=False",
    "nn.Mish": "inplace=False",
    "nn.Softplus": "beta:number=1.0 threshold:number=20.0",
    "nn.Hardtanh": "min_val:number=-1.0 max_val:number=1.0 inplace=False",
    "nn.GELU": "approximate='none'",
    "nn.Sigmoid": "",
    "nn.Tanh": "",
    "ScaledTanh": "",
    "nn.Softmax": "dim=None",
    "nn.LogSoftmax": "dim=None",
    "torch.full": "size fill_value:float",
}
_FUNCTIONS: Mapping[str, str] = {
    "F.pad": "pad mode='constant' value:number=0.0",
    "F.max_pool2d": f"{_POOL} dilation:pair=1 ceil_mode:flag=False",
    "F.avg_pool2d": f"{_POOL} ceil_mode:flag=False count_include_pad:flag=True",
    "F.adaptive_avg_pool2d": "output_size:pair",
    "F.adaptive_max_pool2d": "output_size:pair",
    "F.local_response_norm": "size alpha:number=1e-4 beta:number=0.75 k:number=1.0",
    "F.dropout": "p:number=0.5 training=True inplace=False",
    "torch.flatten": "start_dim=0 end_dim=-1",
    "torch.mean": "dim keepdim:flag=False",
    "torch.narrow": "dim start length",
    "torch.permute": "dims",
    "F.channel_shuffle": "groups",
    "F.pixel_shuffle": "upscale_factor",
    "F.pixel_unshuffle": "downscale_factor",
    "F.interpolate": "size:pair=None scale_factor:pair=None mode='nearest' align_corners=None",
    "F.relu": "inplace=False",
    "F.relu6": "inplace=False",
    "F.leaky_relu": "negative_slope:number=0.01 inplace=False",
    "F.elu": "alpha:number=1.0 inplace=False",
    "F.silu": "inplace=False",
    "F.hardswish": "inplace=False",
    "F.hardsigmoid": "inplace=False",
    "F.mish": "inplace=False",
    "F.softplus": "beta:number=1.0 threshold:number=20.0",
    "F.hardtanh": "min_val:number=-1.0 max_val:number=1.0 inplace=False",
    "F.gelu": "approximate='none'",
    "F.softmax": "dim=None",
    "F.log_softmax": "dim=None",
    "torch.sigmoid": "",
    "torch.tanh": "",
}


_RESIZING = frozenset({"nn.Upsample", "F.interpolate"})
_POOLS = frozenset({"nn.MaxPool2d", "F.max_pool2d", "nn.AvgPool2d", "F.avg_pool2d"})


class _Parameter(NamedTuple):
    name: str
    kind: str
    default: Any
    is_required: bool


class BadCall(MachineError):
    """A call that PyTorch would refuse, or that nothing is known about."""


def is_layer(head: str) -> bool:
    """Whether calling this makes a module (or a tensor, with `torch.full`)."""
    return head in _LAYERS


def is_function(head: str) -> bool:
    """Whether this is a function of a tensor."""
    return head in _FUNCTIONS


def names_of(head: str) -> tuple[str, ...]:
    """The names of what a call takes, in order; none where it takes any number of one kind."""
    return tuple(parameter.name for parameter in _parameters(head) or ())


def difference(found: Any, wanted: Any) -> str:
    """Two layers beside each other, in words: `nn.Conv2d with stride (2, 2) in place of (1, 1)`."""
    if not isinstance(found, tuple) or not isinstance(wanted, tuple) or found[0] != wanted[0]:
        heads = (
            each[0] if isinstance(each, tuple) and each else "a number" for each in (found, wanted)
        )
        return "{} in place of {}".format(*heads)
    one, other = _named(found), _named(wanted)
    differing = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    changes = (f"{name} {one.get(name)} in place of {other.get(name)}" for name in differing)
    return f"{found[0]} with {', '.join(changes)}"


def _named(key: tuple[Any, ...]) -> dict[str, Any]:
    """The arguments in what a layer is known by: pairs, or values in the signature's order."""
    head, *values = key
    if all(
        isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)
        for value in values
    ):
        return dict(values)
    return dict(zip(names_of(head), values, strict=False))


def by_name(made: Call) -> tuple[Argument, ...]:
    """The arguments of a call, each by its name; those that have none as they are."""
    positional = [item for item in made.arguments if not isinstance(item, Keyword | Starred)]
    names = names_of(flat(made.function))[: len(positional)]
    named = [Keyword(name, value) for name, value in zip(names, positional, strict=False)]
    return (*named, *made.arguments[len(named) :])


def unbound(head: Expr, made: Call) -> tuple[Argument, ...]:
    """The arguments that are not said with the head already, which may be a `partial(…)`."""
    if not isinstance(head, Call):
        return made.arguments
    _, *bound = head.arguments
    positions = sum(not isinstance(argument, Keyword) for argument in bound)
    named = {argument.name for argument in bound if isinstance(argument, Keyword)}
    found: list[Argument] = []
    in_place = True  # until an argument is left out, those behind it stand in their places
    for written, keyword in list(zip(made.arguments, by_name(made), strict=True))[positions:]:
        said = isinstance(keyword, Keyword) and keyword.name in named
        in_place = in_place and not said
        if keyword not in bound:
            found.append(written if in_place else keyword)
    return tuple(found)


def bind(head: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument by name, in one form each; raises `BadCall` where they do not fit."""
    parameters = _parameters(head)
    if head == "nn.Identity":
        return {}  # it takes whatever it is given
    if parameters is None:
        return {"dims": _normal("", tuple(arguments), head)}
    given = _given(head, arguments, keywords)
    bound: dict[str, Any] = {}
    for name, kind, default, is_required in parameters:
        if name not in given:
            if is_required:
                raise BadCall(f"{head} needs {name}")
            value = default
        else:
            value = _normal(kind, given[name], head)
        bound[name] = "kernel_size" if value is None and name == "stride" else value
    if bound.get("stride") == "kernel_size":
        bound["stride"] = bound["kernel_size"]
    if head in _POOLS:
        _require_small_padding(head, bound)
    if head in _RESIZING:
        bound["align_corners"] = _aligned(head, bound)
    return bound


def _given(head: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, by name."""
    names = _names(head)
    if len(arguments) > len(names):
        raise BadCall(f"{head} takes at most {len(names)} arguments")
    given = dict(zip(names, arguments, strict=False))
    for name, value in keywords.items():
        if name in given or name not in names:
            raise BadCall(f"{head} takes no {name} here")
        given[name] = value
    return given


def _require_small_padding(head: str, bound: Mapping[str, Any]) -> None:
    pairs = zip(bound["padding"], bound["kernel_size"], strict=True)
    if any(2 * padding > kernel for padding, kernel in pairs):
        raise BadCall(f"{head} takes at most half of its kernel as padding")


def _aligned(head: str, bound: Mapping[str, Any]) -> bool:
    """Whether the corners are aligned: without blending nothing may be said of that."""
    aligned = bound["align_corners"]
    if aligned is not None and (bound["mode"] == "nearest" or not isinstance(aligned, bool)):
        raise BadCall(f"{head} takes no align_corners={aligned!r} with mode={bound['mode']!r}")
    return bool(aligned)


def _normal(kind: str, value: Any, head: str) -> Any:
    """A value in the one form that its kind has."""
    if isinstance(value, list | tuple):
        value = tuple(_normal("", item, head) for item in value)
    if kind == "pair":
        value = _pair(value, head)
    if kind == "sizes" and type(value) is int:
        return (value,)
    if kind == "number" and value is not None:
        if not isinstance(value, int | float):
            raise BadCall(f"{head} takes a number, not {type(value).__name__}")
        return float(value)
    if kind == "float" and type(value) is not float:
        raise BadCall(f"{head} has to be given a float, not {value!r}: it fills a tensor of floats")
    if kind == "flag":
        if not isinstance(value, bool):
            raise BadCall(f"{head} takes True or False, not {value!r}")
        return value
    whole = kind in ("", "pair", "sizes")
    if whole and isinstance(value, float):
        raise BadCall(f"{head} takes a whole number, not {value!r}")
    return value


def _pair(value: Any, head: str) -> Any:
    """A size for both axes; a convolution's padding may be a word, a stride is `kernel_size`."""
    words = ("kernel_size", "same", "valid") if head == "nn.Conv2d" else ("kernel_size",)
    if isinstance(value, str) and value not in words:
        raise BadCall(f"{head} takes numbers here, not {value!r}")
    return (value, value) if type(value) is int else value


_PLAIN: Mapping[str, str] = {
    "Conv2dSame": "nn.Conv2d",
    "PaddedConv2d": "nn.Conv2d",
    "MaxPool2dSame": "nn.MaxPool2d",
    "PaddedMaxPool2d": "nn.MaxPool2d",
    "AvgPool2dSame": "nn.AvgPool2d",
    "PaddedAvgPool2d": "nn.AvgPool2d",
}
"""Helpers that pad, and the layers that do the same where the padding is one these know."""


def plainest(head: str, bound: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a layer is known by: a helper that pads as PyTorch's own layer would is that layer."""
    plain = _PLAIN.get(head, head)
    if plain in _PLAIN.values():
        padding = _padding(head, bound)
        if padding is not None:
            known = {p.name: p.default for p in _parameters(plain) or ()}
            known.update(bound, padding=padding)
            known.setdefault("dilation", (1, 1))
            known.pop("pad", None)
            known.pop("ceil_mode", None) if head.endswith("Same") else None
            return (plain, *sorted(known.items()))
    return (head, *bound.values())


def _padding(head: str, bound: Mapping[str, Any]) -> tuple[int, int] | None:
    """The same padding at both ends of either axis, None where it is of another kind."""
    dilation = bound.get("dilation", (1, 1))
    pairs = zip(bound["kernel_size"], dilation, strict=True)
    reach = tuple(dilated * (kernel - 1) for kernel, dilated in pairs)
    if head.endswith("Same") or bound.get("padding") == "same":
        if reach == (0, 0):
            return (0, 0)
        symmetric = bound["stride"] == (1, 1) and all(size % 2 == 0 for size in reach)
        return (reach[0] // 2, reach[1] // 2) if symmetric else None
    if bound.get("padding") == "valid":
        return (0, 0)
    if "pad" not in bound:
        return bound["padding"]  # type: ignore[no-any-return]  # a pair
    left, right, top, bottom = bound["pad"]
    return (top, left) if left == right and top == bottom else None


@cache
def _parameters(head: str) -> tuple[_Parameter, ...] | None:
    text = _LAYERS.get(head, _FUNCTIONS.get(head))
    if text is None:
        raise BadCall(f"nothing is known of {head}")
    if text.startswith("*"):
        return None
    return tuple(_parameter(part, head) for part in text.split())


@cache
def _names(head: str) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in _parameters(head) or ())


def _parameter(text: str, head: str) -> _Parameter:
    name, equals, default = text.partition("=")
    name, _, kind = name.partition(":")
    value = _normal(kind, _default(default), head) if equals else None
    return _Parameter(name, kind, value, not equals)


def _default(text: str) -> Any:
    known = {"True": True, "False": False, "None": None, "(0,0,0,0)": (0, 0, 0, 0)}
    if text in known:
        return known[text]
    if text.startswith("'"):
        return text.strip("'")
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text  # the name of another argument
