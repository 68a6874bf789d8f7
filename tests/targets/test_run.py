"""A generated module in memory behaves as an imported one; what PyTorch does to modules works."""

import copy
import inspect
import pickle
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archspec
from archspec.targets.torch.run import instantiate, load_module
from tests.targets.networks import Row, batch, body, build, check, source

CONV: Row = {"op": "conv2d", "out_channels": 4, "kernel_size": 3}
HEAD: list[Row] = [
    {"name": "pool", "op": "adaptive_avg_pool", "output_size": 2},
    {"op": "flatten"},
    {"name": "fc", "op": "linear", "out_features": "num_classes"},
]
NETWORKS: dict[str, list[Row]] = {
    "attributes": [{"name": "conv", **CONV, "padding": [1, 2], "activation": "relu"}, *HEAD],
    "groups": [
        {
            "name": "features",
            "layers": [
                {**CONV, "padding": [1, 2], "norm": "batch_norm", "activation": "relu"},
                {**CONV, "padding": "same", "stride": 2},
                {"op": "max_pool", "kernel_size": 3, "padding": "same", "stride": 2},
                {"op": "max_pool", "kernel_size": 2, "padding": [0, 1], "ceil_mode": True},
                {"op": "avg_pool", "kernel_size": 2, "stride": 1, "padding": [0, 1]},
            ],
        },
        *HEAD,
    ],
    "positions": [CONV, {"op": "relu"}, {**CONV, "name": "b"}, *HEAD],
}
networks = pytest.mark.parametrize("rows", NETWORKS.values(), ids=NETWORKS)


def made(rows: list[Row]) -> nn.Module:
    return build(check(rows, (3, 19, 17), vars={"num_classes": 5}))


@networks
def test_copies_and_pickles(rows: list[Row]) -> None:
    module, x = made(rows), batch((3, 19, 17))
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):  # noqa: S301 - our own
        assert type(twin) is type(module)
        assert torch.equal(twin(x), module(x))


@networks
def test_symbolic_trace(rows: list[Row]) -> None:
    module, x = made(rows), batch((3, 19, 17))
    traced = torch.fx.symbolic_trace(module)
    assert torch.equal(traced(x), module(x))
    other = batch((3, 24, 22))
    assert torch.equal(traced(other), module(other))  # the padding was not frozen


@networks
def test_export(rows: list[Row]) -> None:
    module, x = made(rows), batch((3, 19, 17))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        exported = torch.export.export(module, (x,)).module()
    torch.testing.assert_close(exported(x), module(x))


@networks
def test_trace(rows: list[Row]) -> None:
    module, x = made(rows), batch((3, 19, 17))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and warns of the sizes it freezes
        traced = torch.jit.trace(module, x)  # type: ignore[no-untyped-call]  # torch has no types there
    torch.testing.assert_close(traced(x), module(x))


@pytest.mark.parametrize("place", ["attributes", "group", "positions"])
def test_script(place: str) -> None:
    conv: Row = {**CONV, "padding": [1, 2]}
    rows = {
        "attributes": NETWORKS["attributes"],
        "group": [{"name": "features", "layers": [conv, {"op": "relu"}]}, *HEAD],
        "positions": [conv, *NETWORKS["positions"]],
    }[place]
    module, x = made(rows), batch((3, 19, 17))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        scripted = torch.jit.script(module)
    torch.testing.assert_close(scripted(x), module(x))


@networks
def test_channels_last(rows: list[Row]) -> None:
    module, x = made(rows), batch((3, 19, 17))
    expected = module(x)
    module = module.to(memory_format=torch.channels_last)
    torch.testing.assert_close(module(x.contiguous(memory_format=torch.channels_last)), expected)


@networks
def test_the_meta_device(rows: list[Row]) -> None:
    text = source(rows, (3, 19, 17), vars={"num_classes": 5})
    with torch.device("meta"):
        module = instantiate(text)
        assert module(torch.empty(2, 3, 19, 17)).shape == (2, 5)


def test_the_source_can_be_read() -> None:
    text = source(NETWORKS["attributes"], vars={"num_classes": 5})
    module = instantiate(text, name="net")
    assert inspect.getsource(type(module)) == body(text)
    assert "def forward" in inspect.getsource(type(module).forward)


def test_a_traceback_shows_the_line() -> None:
    module = instantiate(source([{"name": "fc", "op": "linear", "out_features": 3}], [4]))
    try:
        module(torch.zeros(2, 5))
    except RuntimeError as error:
        shown = "".join(traceback.format_exception(error))
    assert "self.fc(x)" in shown


def test_two_networks_are_two_modules_and_one_network_is_one() -> None:
    one, two = (source([{**CONV, "out_channels": n}]) for n in (1, 2))
    assert type(instantiate(one)) is not type(instantiate(two))
    assert type(instantiate(one)) is type(instantiate(one))
    assert instantiate(one) is not instantiate(one)


def test_what_cannot_run_leaves_nothing_behind() -> None:
    import linecache
    import sys

    before = set(sys.modules), set(linecache.cache)
    with pytest.raises(ZeroDivisionError):
        load_module("1 / 0\n")
    assert (set(sys.modules), set(linecache.cache)) == before


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of all weights."""
    parameters = module.named_parameters()
    return {name: tuple(p.shape) for name, p in parameters if name.endswith("weight")}


def test_a_target_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="there is no target 'jax'; there is torch"):
        archspec.generate("alexnet", target="jax")


def test_build_takes_variables_of_every_kind(tmp_path: Any) -> None:
    spec = tmp_path / "small.yaml"
    spec.write_text(
        "archspec: 1\nname: small\ninput: [3, 8, 8]\nvars: {width: 4, k: 3, num_classes: 10}\n"
        "layers:\n"
        "  - {name: conv, op: conv2d, out_channels: width, kernel_size: k}\n"
        "  - {op: flatten}\n"
        "  - {name: fc, op: linear, out_features: num_classes}\n",
        encoding="utf-8",
    )
    wide = archspec.build(spec, width=6, num_classes=5)  # arguments of the class
    assert shapes(wide) == {"conv.weight": (6, 3, 3, 3), "fc.weight": (5, 6 * 6 * 6)}
    small = archspec.build(spec, k=5)  # a constant in it
    assert shapes(small) == {"conv.weight": (4, 3, 5, 5), "fc.weight": (10, 4 * 4 * 4)}
    again = type(wide)(num_classes=7)  # what was given is the default now
    assert shapes(again) == {"conv.weight": (6, 3, 3, 3), "fc.weight": (7, 6 * 6 * 6)}
    with pytest.raises(archspec.SpecError, match="no variable `depth`"):
        archspec.build(spec, depth=3)


def test_what_is_given_leaves_the_other_arguments_open(tmp_path: Path) -> None:
    """They are compared at another value each, and what was given stays as it is meanwhile."""
    spec = tmp_path / "net.yaml"
    spec.write_text(
        "archspec: 1\nname: Net\ninput: [3, 8, 8]\n"
        "vars: {width: 4, hidden: width * 2, num_classes: 5}\n"
        "layers:\n"
        "  - {name: conv, op: conv2d, out_channels: hidden, kernel_size: 1}\n"
        "  - {op: flatten}\n"
        "  - {name: fc, op: linear, out_features: num_classes}\n",
        encoding="utf-8",
    )
    wide = type(archspec.build(spec, num_classes=3))(width=6)
    assert tuple(wide.get_parameter("fc.weight").shape) == (3, 12 * 8 * 8)
