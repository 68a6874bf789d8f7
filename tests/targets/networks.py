"""Networks to generate: how a test gets from rows to a module, and random chains of rows."""

import json
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn

import archspec
from archspec.api import Check, write
from archspec.graph.network import Node
from archspec.ops import OPS
from archspec.ops.activation import Activation
from archspec.targets.torch.run import instantiate, load_module
from tests.ops.strategies import dilations, paddings, pairs, strides

Row = dict[str, Any]


def check(rows: Sequence[Row], shape: Sequence[Any] = (3, 9, 8), **keys: Any) -> Check:
    """A spec of these rows, checked."""
    spec = {"archspec": 1, "name": "Net", "input": list(shape), "layers": list(rows), **keys}
    text = json.dumps(spec, ensure_ascii=False)
    # JSON is YAML, but for characters beyond the first 65 536 and a few that YAML wants escaped.
    return archspec.check_text("".join(c if " " <= c <= "~" else f"\\U{ord(c):08x}" for c in text))


def generate(checked: Check) -> str:
    """The module of a spec that has no errors."""
    checked.raise_for_errors()
    return write(checked)


def source(rows: Sequence[Row], shape: Sequence[Any] = (3, 9, 8), **keys: Any) -> str:
    """The module of a spec of these rows."""
    return generate(check(rows, shape, **keys))


def body(text: str) -> str:
    """A generated module from its class on."""
    return text[text.rindex("\nclass ") + 1 :]


def build(checked: Check) -> nn.Module:
    """The network in evaluation, in double precision, with statistics that are not the default."""
    torch.manual_seed(0)
    module: nn.Module = instantiate(generate(checked)).eval().double()
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2)
    return module


def members_of(checked: Check) -> tuple[Check, ...]:
    """The checks of a family's variants, or the one check that there is."""
    return checked.family or (checked,)


def module_of(checked: Check) -> ModuleType:
    """The generated module of what was checked without errors, executed."""
    return load_module(generate(checked), checked.variant or checked.name)


def made_by(module: ModuleType, member: Check) -> nn.Module:
    """A network of a module: what the function of a variant makes, or the class."""
    names: list[str] = module.__all__
    made: nn.Module = getattr(module, next((n for n in names if n == member.variant), names[0]))()
    return made


def nodes(checked: Check) -> tuple[Node, ...]:
    assert checked.network is not None
    return checked.network.nodes


def tensors_counted(checked: Check) -> dict[str, tuple[tuple[int, ...], bool]]:
    """Shape of every tensor that the analysis counts, by its name, and whether it is trained."""
    network = checked.network
    assert network is not None
    found = {}
    for node in network.nodes:
        arriving = network.arriving(node)
        assert arriving is not None
        assert node.op is not None
        for tensor in node.op.tensors(arriving):
            name = f"{node.path}.{tensor.name}" if tensor.name else node.path
            found[name] = (tuple(tensor.shape), tensor.trainable)
    return found


def batch(shape: Sequence[int], size: int = 2) -> torch.Tensor:
    """Random inputs, the same every time."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(size, *shape, dtype=torch.double, generator=generator)


truths = st.booleans()
rates = st.sampled_from([0.0, 0.1, 0.5])


@st.composite
def windows(draw: st.DrawFn, op: str) -> Row:
    row = {"op": op, "kernel_size": draw(pairs), "padding": draw(paddings(most=3)).written}
    if draw(truths):
        row["padding"] = "same"
    if op == "conv2d" or draw(truths):
        row["stride"] = draw(strides)
    if op != "avg_pool" and draw(truths):
        row["dilation"] = draw(dilations)
    return row


@st.composite
def convolutions(draw: st.DrawFn) -> Row:
    row = draw(windows("conv2d"))
    row["out_channels"] = draw(st.sampled_from([1, 2, 4, 6]))
    row["groups"] = draw(st.sampled_from([1, 1, 2, 3]))
    row["bias"] = draw(truths)
    return row | draw(sugar)


@st.composite
def poolings(draw: st.DrawFn) -> Row:
    row = draw(windows(draw(st.sampled_from(["max_pool", "avg_pool"]))))
    row["ceil_mode"] = draw(truths)
    if row["op"] == "avg_pool":
        row["count_include_pad"] = draw(truths)
    return row


activations = st.one_of(
    st.sampled_from([op.op_name for op in OPS if issubclass(op, Activation)]).map(
        lambda op: {"op": op}
    ),
    st.just({"op": "identity"}),
    st.just({"op": "gelu", "approximate": "tanh"}),
    st.just({"op": "leaky_relu", "negative_slope": 0.2}),
    st.just({"op": "leaky_relu", "negative_slope": -0.2}),
    st.just({"op": "elu", "alpha": 0.5}),
)
sugar = st.fixed_dictionaries(
    {},
    optional={
        "norm": st.just("batch_norm"),
        "activation": activations,
        "dropout": rates,
    },
)
others = st.one_of(
    activations,
    rates.map(lambda p: {"op": "dropout", "p": p}),
    st.builds(
        lambda size, k: {"op": "local_response_norm", "size": size, "k": k},
        st.integers(1, 5),
        st.sampled_from([1.0, 2]),
    ),
    st.builds(
        lambda affine, tracked: {
            "op": "batch_norm",
            "affine": affine,
            "track_running_stats": tracked,
        },
        truths,
        truths,
    ),
    pairs.map(lambda size: {"op": "adaptive_avg_pool", "output_size": size}),
    st.just({"op": "flatten"}),
    st.builds(
        lambda bias, extra: {"op": "linear", "out_features": 5, "bias": bias} | extra,
        truths,
        sugar,
    ),
)
rows = st.one_of(convolutions(), poolings(), convolutions(), poolings(), others)


@st.composite
def chains(draw: st.DrawFn) -> Check:
    """A network of a few random rows that go together, some of them named, some in a group."""
    shape = draw(st.tuples(st.sampled_from([1, 2, 3, 6]), st.integers(3, 9), st.integers(3, 9)))
    kept: list[Row] = []
    for i, row in enumerate(draw(st.lists(rows, min_size=1, max_size=6))):
        named = {"name": f"{row['op']}_{i}", **row} if draw(truths) else row
        if check([*kept, named], shape).ok:
            kept.append(named)
    cut = draw(st.integers(0, len(kept)))
    if kept[:cut]:
        group: Row = {"layers": kept[:cut]}
        kept = [group | ({"name": "group"} if draw(truths) else {}), *kept[cut:]]
    return check(kept or [{"op": "identity"}], shape)
