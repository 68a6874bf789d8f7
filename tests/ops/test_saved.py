"""What ops declare for whoever works in place, against what autograd keeps when they run."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
import torch
import yaml

from archspec.ops import OPS, OPS_BY_NAME
from tests.cases.reader import cases
from tests.targets.networks import Row, check, module_of

# Where an op does nothing it might hand on what arrives; the case files have no such rows.
MORE: tuple[tuple[tuple[int, ...], list[Row]], ...] = (
    ((4, 4, 4), [{"op": "pixel_shuffle", "upscale_factor": 1}]),
    ((4, 4, 4), [{"op": "pixel_unshuffle", "downscale_factor": 1}]),
    ((4, 4, 4), [{"op": "channel_shuffle", "groups": 1}]),
    ((4, 4, 4), [{"op": "upsample", "scale_factor": 1}]),
    ((4, 4, 4), [{"op": "upsample", "size": 4, "mode": "bilinear"}]),
    ((4, 4, 4), [{"op": "zero_pad2d", "padding": 0}]),
    ((4, 4, 4), [{"op": "pad_channels"}]),
    ((4, 4, 4), [{"op": "adaptive_avg_pool", "output_size": 4}]),
    ((4, 4, 4), [{"op": "adaptive_max_pool", "output_size": 4}]),
    ((4, 4, 4), [{"op": "avg_pool", "kernel_size": 1}]),
    ((4, 4, 4), [{"op": "max_pool", "kernel_size": 1}]),
    ((4, 1, 1), [{"op": "mean", "keepdim": True}]),
    ((4, 4, 4), [{"op": "dropout", "p": 0}]),
    ((4, 4, 4), [{"op": "stochastic_depth", "p": 0}]),
    (
        (4, 4, 4),
        [{"name": "gamma", "op": "layer_scale"}, {"op": "add", "from": ["gamma", "input"]}],
    ),
    ((4, 4, 4), [{"op": "add", "from": ["input", "input"]}]),
    ((4, 4, 4), [{"op": "add", "from": ["input", "input"], "alpha": 0.5}]),
    ((4, 4, 4), [{"op": "mul", "from": ["input", "input"]}]),
    ((4, 4, 4), [{"op": "concat", "from": ["input", "input"]}]),
    ((4, 4, 4), [{"op": "concat", "from": ["input"]}]),
)


def rows() -> Iterator[tuple[str, tuple[int, ...], list[Row]]]:
    """Rows that run an op alone on their input: its name, the input's shape, the rows."""
    for name, case in cases("ops"):
        op = name.partition("/")[0]
        alone = OPS_BY_NAME[op].arity == "one" and "behind" not in case and op != "layer_scale"
        if alone:
            yield op, tuple(case["input"]), [yaml.safe_load(case["row"])]
    for shape, more in MORE:
        yield more[0]["op"], shape, more


def kept(module: torch.nn.Module, x: torch.Tensor) -> tuple[set[str], bool]:
    """Which of input and output autograd keeps, and whether they share their memory."""
    saved: set[int] = set()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved.add(tensor.untyped_storage().data_ptr())
        return tensor

    given = x.clone().requires_grad_().clone()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = module(given)
    tensors = {"input": given, "output": output}
    places = {name: tensor.untyped_storage().data_ptr() for name, tensor in tensors.items()}
    shared = places["input"] == places["output"]
    return {name for name, place in places.items() if place in saved}, shared


@pytest.fixture(scope="module")
def seen() -> tuple[dict[str, set[str]], set[str]]:
    """Over all rows, what each op's backward pass keeps, and the ops that hand on their input."""
    needs: dict[str, set[str]] = defaultdict(set)
    views = set()
    for op, shape, made in rows():
        module: torch.nn.Module = module_of(check(made, shape)).Net()
        for training in (True, False):
            found, shared = kept(module.train(training), torch.rand(2, *shape))
            needs[op] |= found
            if shared:
                views.add(op)
    return needs, views


def test_backward_needs_what_autograd_keeps(seen: tuple[dict[str, set[str]], set[str]]) -> None:
    needs, _ = seen
    declared = {op.op_name: set(op.backward_needs) for op in OPS}
    # It pads before it convolves, so what is kept is a copy of the input.
    needs["partial_conv2d"].add("input")
    assert needs == declared


def test_a_view_is_what_shares_its_inputs_memory(
    seen: tuple[dict[str, set[str]], set[str]],
) -> None:
    """A sum or product of one thing is that thing, too; there the row says so, not the op."""
    _, views = seen
    assert views == {op.op_name for op in OPS if op.is_view}
