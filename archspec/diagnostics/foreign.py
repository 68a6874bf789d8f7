"""The words of other tools, PyTorch's and Keras' above all, and what they are called here."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import islice, product

from archspec.diagnostics.wording import MOST_CHOICES, did_you_mean, is_list, suggest

_OPS: Mapping[str, str] = {
    "conv2d": "conv conv2 convolution convolution2d conv2dlayer spatialconvolution",
    "depthwise_conv2d": "depthwiseconv depthwise dwconv dwconv2d depthwiseconvolution",
    "conv_transpose2d": (
        "deconv deconv2d deconvolution deconvolution2d convtranspose conv2dtranspose transposeconv "
        "transposedconv transposedconv2d transposedconvolution upconv upconvolution tconv"
    ),
    "linear": "dense fc fullyconnected innerproduct lazylinear affine",
    "max_pool": "maxpool maxpool2d maxpooling maxpooling2d pool pooling",
    "avg_pool": "avgpool avgpool2d averagepool averagepooling averagepooling2d avgpooling meanpool",
    "adaptive_avg_pool": (
        "globalavgpool globalavgpool2d globalaveragepool globalaveragepooling gap globalpool "
        "globalaveragepooling2d adaptiveavgpool2d adaptiveaveragepool2d globalpooling avgpoolglobal"
    ),
    "adaptive_max_pool": "globalmaxpool globalmaxpool2d globalmaxpooling2d adaptivemaxpool2d",
    "local_response_norm": "lrn localresponsenormalization responsenorm crossmaplrn2d",
    "batch_norm": "bn batchnorm batchnorm1d batchnorm2d batchnormalization batchnorm2dlayer",
    "group_norm": "gn groupnorm groupnormalization",
    "layer_norm": "ln layernorm layernormalization",
    "instance_norm": "instancenorm2d instancenormalization",
    "dropout": "drop alphadropout",
    "stochastic_depth": "droppath dropconnect",
    "flatten": "view ravel",
    "identity": "noop passthrough none",
    "add": "sum plus eltwise elementwiseadd residual shortcut skip skipconnection",
    "mul": "multiply times elementwisemul product",
    "concat": "cat concatenate concatenation join torchcat",
    "chunk": "split",
    "slice": "narrow crop channelslice",
    "pixel_shuffle": "depthtospace subpixel",
    "pixel_unshuffle": "spacetodepth",
    "channel_shuffle": "shuffle",
    "upsample": (
        "upsampling upsampling2d upsamplingnearest2d upsamplingbilinear2d interpolate resize"
    ),
    "zero_pad2d": "zeropad zeropadding zeropadding2d pad padding",
    "silu": "swish",
    "hardswish": "hswish hardsilu",
    "hardsigmoid": "hsigmoid",
    "leaky_relu": "lrelu leaky",
}
_ABSENT: Mapping[str, str] = {
    "there is no one-dimensional op: networks are of pictures": (
        "conv1d maxpool1d avgpool1d adaptiveavgpool1d convtranspose1d"
    ),
    "there is no three-dimensional op: networks are of pictures": (
        "conv3d maxpool3d avgpool3d adaptiveavgpool3d convtranspose3d batchnorm3d"
    ),
    "there is no recurrent op: networks are of pictures": "rnn lstm gru convlstm",
    "there is no attention: networks are of pictures": (
        "attention multiheadattention selfattention transformer transformerencoderlayer"
    ),
    "nothing keeps where a maximum was: `upsample` or `conv_transpose2d` make a map larger": (
        "unpool unpooling maxunpool maxunpool2d maxunpooling maxunpooling2d"
    ),
    "a map becomes a vector with `flatten`; nothing else changes its form but `permute`": "reshape",
    "a block or a group stands for steps in a row": "sequential modulelist",
    "it is two rows here, `depthwise_conv2d` and then `conv2d` with `kernel_size: 1`": (
        "separableconv separableconv2d sepconv sepconv2d depthwiseseparableconv "
        "depthwiseseparableconv2d dsconv"
    ),
    "`dropout` drops single numbers, `stochastic_depth` whole branches; none drops whole maps": (
        "spatialdropout spatialdropout2d dropout2d featuredropout"
    ),
    "what arrives stands at the top, as `input: [C, H, W]`": "inputlayer input data",
    "an activation is an op by its own name, as `op: relu`": "activation act nonlinearity",
    "there is no SELU; the nearest is `elu`": "selu",
}
_KEYS: Mapping[str, str] = {
    "out_channels": (
        "filters filter channels width planes num_filters outchannels nout kernels out_features"
    ),
    "out_features": "units outfeatures num_units neurons hidden features out_channels width",
    "kernel_size": "kernel ksize k pool_size poolsize kernelsize filter_size window window_size",
    "stride": "strides step s subsample",
    "padding": "pad pads p border_mode zero_padding",
    "dilation": "dilation_rate dilate atrous rate",
    "bias": "use_bias has_bias",
    "p": "rate drop drop_rate prob probability dropout_rate",
    "eps": "epsilon",
    "negative_slope": "alpha slope leak",
    "output_size": "size out_size output_shape",
    "scale_factor": "scale factor size",
    "num_groups": "groups",
    "channel_multiplier": "depth_multiplier multiplier",
    "affine": "scale center",
    "activation": "act activation_fn act_layer nonlinearity",
    "norm": "norm_layer normalization bn batch_norm",
    "dim": "axis",
    "mode": "interpolation resample method",
}
_NOT_SAID: Mapping[str, str] = {
    "padding_mode": "padding is with zeros",
    "inplace": "what may be overwritten is worked out when code is written",
    "input_shape": "the shape of what arrives stands at the top, as `input: [C, H, W]`",
    "data_format": "maps are channels first, [C, H, W]",
    "device": "a spec says nothing of devices",
    "dtype": "a spec says nothing of number formats",
    "return_indices": "a pooling gives one output",
    "kernel_initializer": "how parameters begin stands under `init`",
    "weight_init": "how parameters begin stands under `init`",
    "trainable": "a spec says nothing of what is trained",
    **dict.fromkeys(
        ("description", "desc", "comment", "comments", "note", "notes", "remark"),
        "rows have none; a remark is a comment of YAML, behind `#`",
    ),
}
_OF_OPS: Mapping[tuple[str, str], str] = {
    **dict.fromkeys(
        (("concat", "axis"), ("concat", "dim")),
        "leave it out: it is always channels that are joined",
    ),
    ("depthwise_conv2d", "out_channels"): (
        "`channel_multiplier` says how many times the channels that arrive; else as many leave"
    ),
    **dict.fromkeys(
        product(
            ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool"),
            ("out_channels", "kernel_num", "filters", "depth", "channels", "width"),
        ),
        "leave it out, or its cell empty: as many channels leave a pooling as arrive",
    ),
    ("depthwise_conv2d", "groups"): "leave it out: every channel is a group of its own",
}
"""Help for keys that only some ops are given elsewhere."""
_INVERTED: Mapping[str, tuple[str, str]] = {
    "keep_prob": ("p", "how probable it is that a number is dropped"),
    "keep_probability": ("p", "how probable it is that a number is dropped"),
    "survival_prob": ("p", "how probable it is that the branch is dropped"),
    "decay": ("momentum", "the share of the new"),
}
"""Keys whose number is 1 minus the one that stands here, and what that one is."""
_OF_ROWS: Mapping[str, str] = {
    "from": "inputs inbound inbound_nodes bottom input_from sources",
    "when": "if condition enabled cond",
    "repeat": "times repeats num_repeats loop",
    "each": "foreach for for_each zip",
    "else": "otherwise",
    "branches": "paths parallel",
    "expect": "claims assert expected",
}
"""Words for what decides where a row stands, and what is claimed of it."""
_NESTED = frozenset({"attributes", "attrs", "args", "kwargs", "params", "parameters", "config"})
FOLLOWING = frozenset(
    {"in_channels", "in_features", "num_features", "num_channels", "in_planes", "input_channels"}
)
"""What other tools have to be told, and what follows here from what arrives."""
_LIBRARIES = frozenset({"torch", "nn", "keras", "layers", "tf", "functional", "f", "slim"})

_LONGEST = 80
"""Characters of a word that are looked at."""
_MOST_SHOWN = 30
"""So many ops a message names; all of them are a wall that nobody reads."""
OPS_PAGE = "no op is called like that; `docs/ops.md` has all of them"


@cache
def _ops() -> dict[str, str]:
    return by_word(_OPS)


@cache
def _absent() -> dict[str, str]:
    return by_word(_ABSENT)


def by_word(table: Mapping[str, str]) -> dict[str, str]:
    """A table of words by what they are called here, the other way round."""
    return {word: ours for ours, words in table.items() for word in words.split()}


def is_foreign(word: str) -> bool:
    """Whether a word is the name that some other tool has for an op, `nn.Conv2d` for one."""
    plain = plain_of(word)
    library, dot, _ = word.lower().partition(".")
    return plain in _ops() or plain in _absent() or (bool(dot) and library in _LIBRARIES)


def suggest_op(word: str, known: Iterable[str]) -> str:
    """Help for a word that is no op: what it is called here, or why there is none."""
    known = list(islice(known, MOST_CHOICES))
    plain = plain_of(word)
    same = next((name for name in known if plain_of(name) == plain), None)
    if plain in _absent():
        return _absent()[plain]
    ours = same or _ops().get(plain)
    if ours in known:
        return did_you_mean(ours)
    sized = re.fullmatch(r"([a-z_]+?)_?(\d+)(?:x\d+)?", word.lower()[:_LONGEST])
    ours = _ops().get(plain_of(sized[1])) if sized else None
    if sized and ours in known:
        return f"did you mean `{ours}`, with `kernel_size: {sized[2]}`?"
    help_ = suggest(word, known)
    return OPS_PAGE if len(known) > _MOST_SHOWN and is_list(help_) else help_


def op_in(name: str, known: Iterable[str]) -> str:
    """The op that a step's name begins with, as on slides: `Conv1`, `Maxpool2`, `FC6`."""
    words = _ops() | {plain_of(ours): ours for ours in known}
    plain = plain_of(name)
    found = (plain[:length] for length in range(len(plain), 1, -1))
    return next((words[start] for start in found if start in words), "")


def suggest_key(word: str, known: Iterable[str], op: str = "", value: object = None) -> str:
    """Help for a word that is no attribute, of an op and with a value if they are given."""
    known, lower = list(known), word.lower()
    if (op, lower) in _OF_OPS:
        return _OF_OPS[op, lower]
    if lower in _NOT_SAID:
        return f"leave it out: {_NOT_SAID[lower]}"
    if lower in _INVERTED and _INVERTED[lower][0] in known:
        ours, meaning = _INVERTED[lower]
        is_share = isinstance(value, int | float) and 0 <= value <= 1
        worth = f"{1 - value:.6g}" if is_share else f"1 - {word}"  # type: ignore[operator]  # a number
        return f"it is `{ours}: {worth}` here: {meaning}"
    for ours, words in _OF_ROWS.items():
        if lower in words.split():
            return did_you_mean(ours)
    if lower in _NESTED:
        return f"what stands under `{word}` stands in the row itself"
    same = _same_key(lower, known)
    return did_you_mean(same) if same else suggest(word, known)


def _same_key(word: str, known: Sequence[str]) -> str:
    """The known key that means the same; a block's argument may be called as elsewhere."""
    for ours, words in _KEYS.items():
        if ours in known and word in words.split():
            return ours
    for ours, words in _KEYS.items():
        same = {ours, *words.split()}
        if word == ours and (found := [key for key in known if key in same]):
            return found[0]
    return ""


def suggest_value(op: str, key: str, given: Mapping[str, object]) -> str:
    """Help for a value that an attribute does not take, and has elsewhere."""
    if (op, key) != ("conv_transpose2d", "padding") or given.get(key) not in ("same", "valid"):
        return ""
    if given[key] == "valid":
        return "leave it out: without padding nothing is cut off"
    kernel, stride = given.get("kernel_size"), given.get("stride", 1)
    if not isinstance(kernel, int) or not isinstance(stride, int) or kernel < stride:
        return "write numbers: 2·padding − output_padding is kernel_size − stride"
    padding = (kernel - stride + 1) // 2
    extra = 2 * padding - (kernel - stride)
    more = f", output_padding: {extra}" if extra else ""
    return f"write numbers, here `padding: {padding}{more}`"


def as_step(name: str) -> str:
    """Help for a step that is told by its distance, as `from: -1` does elsewhere."""
    if name.lower() in ("prev", "last", "before", "above", "prior"):
        return did_you_mean("previous")
    if not name.removeprefix("-").isdigit():
        return ""
    before = "leave `from` away to read the step before" if name == "-1" else "steps are named"
    return f"{before}; a step that is read from further behind is given a `name`"


def plain_of(word: str) -> str:
    """A word without what differs between styles: `nn.Conv2d`, `conv_2d` and `Conv2D` are one."""
    *libraries, name = word.lower()[:_LONGEST].split(".")
    return "" if set(libraries) - _LIBRARIES else "".join(filter(str.isalnum, name))
