"""Nothing wrong passes: code with a fault put in is refused, or computes what the network does."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import pytest
import torch

import archspec
from archspec.api import Check, check_text
from archspec.targets.python.objects import MachineError
from archspec.targets.python.tree import Class, Function
from archspec.targets.torch.module import render
from archspec.targets.torch.run import load_module
from archspec.targets.torch.storage import Mismatch
from archspec.targets.torch.validate import Validator
from tests.fuzz import numbers
from tests.fuzz.structure import compare_beginnings, compare_state
from tests.targets.forms import Made, made
from tests.targets.mutants import CHANGES, Changes, Definitions, mutant
from tests.targets.reader import read

PER_CHANGE = 6
ZOO = ("lenet5", "lenet5_1998", "nin_cifar10", "flower_net")
"""Small enough to be run where a change is none."""
CONV = {"op": "conv2d", "kernel_size": 3, "padding": 1}
NORMED = CONV | {"norm": "batch_norm", "activation": "relu", "bias": False}
RESIDUAL: dict[str, Any] = {
    "args": {"width": None, "stride": 1, "act": "relu"},
    "layers": [
        {"name": "conv1", **CONV, "out_channels": "width", "stride": "stride"},
        {"name": "bn1", "op": "batch_norm", "eps": 0.01},
        {"op": "act"},
        {"name": "conv2", **CONV, "out_channels": "width"},
        {"name": "bn2", "op": "batch_norm"},
        {
            "name": "downsample",
            "from": "input",
            "when": "stride != 1 or in_channels != width",
            "layers": [
                {"op": "conv2d", "out_channels": "width", "kernel_size": 1, "stride": "stride"},
                {"op": "batch_norm"},
            ],
        },
        {"op": "add", "from": ["bn2", "downsample"]},
        {"op": "act"},
    ],
}
SPECIMENS: dict[str, dict[str, Any]] = {
    "residual blocks": {
        "blocks": {"Basic": RESIDUAL},
        "vars": {"classes": 5},
        "init": {"conv2d": {"weight": "ones"}, "batch_norm": {"bias": {"constant": {"value": 2}}}},
        "layers": [
            {"name": "stem", **NORMED, "out_channels": 4},
            {"name": "layer1", "op": "Basic", "repeat": 2, "width": 4},
            {
                "name": "layer2",
                "op": "Basic",
                "repeat": 2,
                "width": 6,
                "stride": "2 if i == 0 else 1",
                "act": "silu",
            },
            {"op": "adaptive_avg_pool", "output_size": 1},
            {"op": "flatten"},
            {"name": "fc", "op": "linear", "out_features": "classes"},
        ],
    },
    "branches": {
        "layers": [
            {"name": "stem", **CONV, "out_channels": 4, "activation": "relu"},
            {
                "name": "cat",
                "op": "concat",
                "branches": {
                    "one": [{**CONV, "out_channels": 2}, {"op": "relu"}],
                    "two": [{"op": "max_pool", "kernel_size": 3, "stride": 1, "padding": 1}],
                    "three": [{**CONV, "out_channels": 3, "dilation": 2, "padding": 2}],
                },
            },
            {"op": "relu"},
            {"name": "last", **CONV, "out_channels": 2},
        ]
    },
    "outputs of training": {
        "outputs": {"main": "fc", "aux": {"from": "aux_fc", "training_only": True}},
        "layers": [
            {"name": "conv", **NORMED, "out_channels": 4},
            {"name": "pool", "op": "adaptive_avg_pool", "output_size": 2},
            {"name": "flat", "op": "flatten"},
            {"name": "aux_fc", "op": "linear", "out_features": 3},
            {"name": "drop", "op": "dropout", "p": 0.25, "from": "flat"},
            {"name": "fc", "op": "linear", "out_features": 3},
        ],
    },
    "gates and sums": {
        "layers": [
            {"name": "a", **CONV, "out_channels": 4},
            {"name": "act", "op": "relu"},
            {"name": "squeeze", "op": "adaptive_avg_pool", "output_size": 1},
            {"name": "fc", "op": "conv2d", "out_channels": 4, "kernel_size": 1},
            {"name": "gate", "op": "sigmoid"},
            {"name": "scaled", "op": "mul", "from": ["gate", "act"]},
            {"name": "b", **CONV, "out_channels": 4},
            {"name": "scale", "op": "layer_scale", "init_value": 0.5},
            {"name": "drop", "op": "stochastic_depth", "p": 0.25},
            {"name": "sum", "op": "add", "alpha": 0.5, "from": ["scaled", "drop"]},
            {"op": "relu"},
        ]
    },
    "a table": {
        "layers": [
            {
                "name": "stages",
                "each": [
                    {"c": 4, "k": 3, "d": True, "f": "relu"},
                    {"c": 4, "k": 5, "d": False, "f": "silu"},
                    {"c": 8, "k": 3, "d": True, "f": "relu"},
                ],
                "layers": [
                    {
                        "op": "conv2d",
                        "out_channels": "c",
                        "kernel_size": "k",
                        "padding": "k // 2",
                        "bias": "d",
                    },
                    {"op": "f"},
                    {"op": "max_pool", "kernel_size": 2, "when": "d"},
                ],
            }
        ]
    },
    "a family": {
        "vars": {"width": None, "depth": 1, "wide": False},
        "variants": {"small": {"width": 4}, "large": {"width": 6, "depth": 2, "wide": True}},
        "layers": [
            {"name": "stem", **NORMED, "out_channels": "width"},
            {"name": "body", **NORMED, "out_channels": "width * 2", "repeat": "depth"},
            {"name": "more", **CONV, "out_channels": "width", "when": "wide"},
            {"op": "leaky_relu", "negative_slope": 0.2},
        ],
    },
    "cut and turned": {
        "layers": [
            {"name": "conv", **CONV, "out_channels": 4},
            {"name": "left", "op": "chunk", "chunks": 2, "index": 0},
            {"name": "right", "op": "chunk", "chunks": 2, "index": 1, "from": "conv"},
            {"name": "act", "op": "relu"},
            {"name": "part", "op": "slice", "start": 1, "stop": 3, "from": "conv"},
            {"name": "cat", "op": "concat", "from": ["left", "act", "part"]},
            {"name": "shuffle", "op": "channel_shuffle", "groups": 3},
            {"name": "norm", "op": "group_norm", "num_groups": 2},
            {"name": "up", "op": "upsample", "scale_factor": 2},
            {"name": "pad", "op": "zero_pad2d", "padding": [1, 2]},
            {"name": "pool", "op": "avg_pool", "kernel_size": 3, "padding": "same"},
        ]
    },
}


def checked(name: str) -> Check:
    """A specimen, or a spec of the project."""
    if name not in SPECIMENS:
        return archspec.check(name)
    spec = {"archspec": 1, "name": "Net", "input": [3, 8, 8], **SPECIMENS[name]}
    found = check_text(json.dumps(spec))
    found.raise_for_errors()
    return found


@cache
def specimen(name: str, *, plain: bool) -> Made:
    """Its module."""
    return made(checked(name), plain=plain)


def refused(form: Made, definitions: Definitions) -> bool:
    """Whether the validator finds a fault."""
    try:
        validator = Validator(definitions)
        for member, maker in zip(form.members, form.makers, strict=True):
            validator.validate(member.network, maker, {})
    except (Mismatch, MachineError):
        return True
    return False


def differences(form: Made, definitions: Definitions) -> Iterator[str]:
    """How the code is another network, when PyTorch runs it."""
    count = len(form.page.classes)
    page = replace(form.page, classes=definitions[:count], functions=definitions[count:])  # type: ignore[arg-type]  # in order
    try:
        module = load_module(render(page))
    except Exception as error:  # noqa: BLE001 - whatever it is, it cannot be used
        yield f"not imported: {error}"
        return
    for member, maker in zip(form.members, form.makers, strict=True):
        torch.manual_seed(0)
        try:
            network = getattr(module, maker)()
        except Exception as error:  # noqa: BLE001 - the same
            yield f"not built: {error}"
            return
        found = [
            *compare_state(member.network, network),
            *compare_beginnings(member.network, network),
        ]
        found = found or list(numbers.compare(member.network, network))
        yield from map(str, found)


@pytest.mark.parametrize("plain", [False, True], ids=["rows", "plain"])
@pytest.mark.parametrize("name", [*SPECIMENS, *ZOO])
def test_without_a_fault_it_passes_and_is_the_network(name: str, *, plain: bool) -> None:
    form = specimen(name, plain=plain)
    assert bool(form.reason) is plain
    assert not refused(form, form.definitions)
    assert list(differences(form, form.definitions)) == []


@pytest.mark.parametrize("plain", [False, True], ids=["rows", "plain"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("name", SPECIMENS)
def test_a_fault_is_found_or_is_none(name: str, change: Changes, *, plain: bool) -> None:
    form = specimen(name, plain=plain)
    rng = Random(f"{name} {change.__name__}")  # noqa: S311 - a test
    for _ in range(PER_CHANGE):
        other = mutant(rng, form.definitions, change)
        if other is None:
            return
        if not refused(form, other):
            assert list(differences(form, other)) == []


@pytest.mark.parametrize("name", ZOO)
def test_a_fault_in_the_zoo_is_found_or_is_none(name: str) -> None:
    form = specimen(name, plain=False)
    rng = Random(name)  # noqa: S311 - a test
    found = 0
    for change in CHANGES:
        for _ in range(2):
            other = mutant(rng, form.definitions, change)
            if other is not None and not refused(form, other):
                assert list(differences(form, other)) == []
            elif other is not None:
                found += 1
    assert found >= len(CHANGES)


ROWS = [
    {"name": "conv", "op": "conv2d", "out_channels": 4, "kernel_size": 3},
    {"name": "drop", "op": "dropout", "p": 0.25},
    {"name": "norm", "op": "batch_norm"},
    {"name": "act", "op": "elu", "alpha": 0.5},
    {"name": "one", "op": "chunk", "chunks": 2, "index": 0},
    {"name": "last", "op": "relu"},
]
CODE = """
class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, kernel_size=3)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ELU(alpha=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        x = F.dropout(x, p=0.25, training=self.training)
        x = self.norm(x)
        x = self.act(x)
        x = x.chunk(2, dim=1)[0]
        return F.relu(x)
"""
FAULTS = {
    "super() is not called": ("        super().__init__()\n", ""),
    "it is called too late": (
        "        super().__init__()\n        self.conv = nn.Conv2d(3, 4, kernel_size=3)\n",
        "        self.conv = nn.Conv2d(3, 4, kernel_size=3)\n        super().__init__()\n",
    ),
    "a layer is the base": ("(nn.Module)", "(nn.ReLU)"),
    "statistics are kept twice": ("x = self.norm(x)", "self.norm(x)\n        x = self.norm(x)"),
    "dropout is always on": (", training=self.training", ""),
    "dropout is never on": ("training=self.training", "training=False"),
    "a part is overwritten": ("F.relu(x)", "F.relu(x, inplace=True)"),
    "a module has a method's name": ("self.act", "self.modules"),
    "a module that is not there": ("self.act(x)", 'self.get_parameter("act")(x)'),
    "an argument is missing": ("nn.BatchNorm2d(4)", "nn.BatchNorm2d()"),
    "another number": ("alpha=0.5", "alpha=0.25"),
    "another kind of number": ("nn.BatchNorm2d(4)", "nn.BatchNorm2d(True)"),
    "the other part": ("[0]", "[1]"),
}
"""What random changes have found, or would; each a piece of the code, and what is in its place."""


MORE = {
    "a module without a name": 'self.add_module("", nn.ELU())',
    "a module that is a parameter": 'self.register_parameter("more", nn.ELU())',
    "a list is asked of a module": "self.append(nn.ELU())",
    "a layer more, which is not called": "self.more = nn.InstanceNorm2d(4, affine=True)",
    "a parameter more": "self.more = nn.Parameter(torch.full((4,), 0.5))",
}
"""Statements that a constructor cannot have."""


def test_code_by_hand_passes() -> None:
    assert not refused(by_hand(), definitions_of(CODE))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_known_fault_is_found(fault: tuple[str, str]) -> None:
    assert fault[0] in CODE
    assert refused(by_hand(), definitions_of(CODE.replace(*fault)))


@pytest.mark.parametrize("statement", MORE.values(), ids=MORE)
def test_a_statement_too_much_is_found(statement: str) -> None:
    before = "        self.act = nn"
    text = CODE.replace(before, f"        {statement}\n{before}")
    assert text != CODE
    assert refused(by_hand(), definitions_of(text))


@cache
def by_hand() -> Made:
    """The module of the network that is written by hand above."""
    spec = {"archspec": 1, "name": "Net", "input": [3, 8, 8], "layers": ROWS}
    return made(check_text(json.dumps(spec)))


def definitions_of(text: str) -> Definitions:
    """The classes and functions of a text."""
    return tuple(item for item in read(text) if isinstance(item, Class | Function))


TWICE = {
    "an activation": {"op": "relu"},
    "a dropout": {"op": "dropout"},
    "a pooling": {"op": "max_pool", "kernel_size": 3, "padding": 1, "stride": 1},
    "a pooling with padding of its own": {
        "op": "max_pool",
        "kernel_size": 3,
        "stride": 1,
        "padding": [[1, 1], [0, 2]],
    },
}
"""Rows that are functions in one place, and modules in another, applied to the same."""


@pytest.mark.parametrize("plain", [False, True], ids=["from rows", "plain"])
@pytest.mark.parametrize("first", ["function", "module", "both", "functions"])
@pytest.mark.parametrize("row", TWICE.values(), ids=TWICE)
def test_steps_that_compute_the_same_are_each_read_where_they_stand(
    row: dict[str, Any], first: str, *, plain: bool
) -> None:
    """As a function, and in a chain of modules, whichever comes first."""
    alone = [row, {"op": "sigmoid"}]
    chain = [{"name": "chain", "layers": [row, {"op": "sigmoid"}, {"op": "batch_norm"}]}]
    conv = {"name": "conv", **CONV, "out_channels": 2}
    gated = [row, conv, {"op": "mul", "from": ["conv", "input"]}]
    ends = {
        "function": [alone, chain],
        "module": [chain, alone],
        "both": [chain, alone, chain],
        "functions": [gated, gated, [{"name": "chain", "layers": [row, conv]}]],
    }
    branches = [[{"name": f"end{i}", "layers": end}] for i, end in enumerate(ends[first])]
    layers = [{"op": "relu"}, {"op": "concat", "branches": branches}]
    spec = {"archspec": 1, "name": "Net", "input": [2, 5, 5], "layers": layers}
    form = made(check_text(json.dumps(spec)), plain=plain)
    assert plain or form.reason == ""
    assert list(differences(form, form.definitions)) == []


def test_equal_modules_are_each_a_term_of_a_sum() -> None:
    spec = """
archspec: 1
name: Net
input: [2, 5, 5]
layers:
  - {op: add, branches: {end: {op: scaled_tanh, beside: 5}}}
  - {op: add, from: [end.*, end.*, end.*]}
"""
    for plain in (False, True):
        form = made(check_text(spec), plain=plain)
        assert list(differences(form, form.definitions)) == []
