"""Which variables become arguments, how widths are spelt with them, and that they work."""

import pytest
import torch

from archspec.targets.torch.run import instantiate, load_module
from tests.targets.networks import Row, body, source

CONV: Row = {"name": "conv", "op": "conv2d", "out_channels": "width", "kernel_size": 3}


def constructor(text: str) -> str:
    """The constructor's `def` line."""
    return next(line.strip() for line in body(text).splitlines() if "def __init__" in line)


def constructed(text: str) -> list[str]:
    """The statements of the constructor."""
    lines = body(text).split("super().__init__()\n")[1].split("\n\n")[0].splitlines()
    return [line.strip() for line in lines]


def test_a_width_and_a_rate_are_arguments() -> None:
    text = source(
        [CONV, {"op": "dropout", "p": "rate"}], vars={"width": 8, "rate": 0.5, "unused": 1}
    )
    assert constructor(text) == "def __init__(self, width: int = 8, rate: float = 0.5) -> None:"
    assert constructed(text) == [
        "self.conv = nn.Conv2d(3, width, kernel_size=3)",
        "self.dropout = nn.Dropout(p=rate)",
    ]
    assert "x = self.dropout(self.conv(x))\n" in text


@pytest.mark.parametrize(
    "geometry",
    [
        {"kernel_size": "width"},
        {"kernel_size": ["width", 1]},
        {"stride": "width"},
        {"padding": {"height": "width"}},
        {"dilation": "width"},
        {"stride": "half * 2"},
        {"bias": "width > 1"},
    ],
    ids=str,
)
def test_what_geometry_reads_is_bound(geometry: Row) -> None:
    text = source([CONV | geometry], vars={"width": 2, "half": "width // 2"})
    assert "def __init__(self) -> None:" in text
    assert "nn.Conv2d(3, 2, " in text


def test_what_geometry_reads_through_the_channels_is_bound() -> None:
    pool = {"op": "max_pool", "kernel_size": "in_channels"}
    text = source([CONV, pool], vars={"width": 2})
    assert "def __init__(self) -> None:" in text
    assert "F.max_pool2d(x, kernel_size=2)" in text


def test_the_input_is_geometry() -> None:
    text = source([CONV], shape=["width", 9, 9], vars={"width": 4})
    assert "nn.Conv2d(4, 4, kernel_size=3)" in text


def test_the_width_is_followed() -> None:
    rows = [
        CONV | {"norm": "batch_norm"},
        CONV | {"name": "b", "out_channels": "width * 2", "groups": "in_channels"},
        CONV | {"name": "c", "out_channels": "in_channels + 1"},
        {"op": "flatten"},
        {"name": "fc", "op": "linear", "out_features": "classes"},
    ]
    assert constructed(source(rows, vars={"width": 8, "classes": 10})) == [
        "self.conv = nn.Conv2d(3, width, kernel_size=3)",
        "self.conv_norm = nn.BatchNorm2d(width)",
        "self.b = nn.Conv2d(width, width * 2, kernel_size=3, groups=width)",
        "self.c = nn.Conv2d(width * 2, width * 2 + 1, kernel_size=3)",
        "self.fc = nn.Linear((width * 2 + 1) * 3 * 2, classes)",
    ]


def test_a_constant_width_is_not_the_one_before_it() -> None:
    rows = [CONV, CONV | {"name": "b", "out_channels": 8}, CONV | {"name": "c"}]
    assert constructed(source(rows, vars={"width": 8}))[1:] == [
        "self.b = nn.Conv2d(width, 8, kernel_size=3)",
        "self.c = nn.Conv2d(8, width, kernel_size=3)",
    ]


def test_a_computed_width_gets_a_name_where_it_is_read_twice() -> None:
    rows = [
        CONV | {"out_channels": "64 * m", "norm": "batch_norm"},
        CONV | {"name": "b", "out_channels": "max(width, 4)"},
    ]
    text = source(rows, vars={"m": 0.5, "width": 3})
    assert constructor(text) == "def __init__(self, m: float = 0.5, width: int = 3) -> None:"
    assert constructed(text) == [
        "stem_channels = int(64 * m)",
        "self.conv = nn.Conv2d(3, stem_channels, kernel_size=3)",
        "self.conv_norm = nn.BatchNorm2d(stem_channels)",
        "self.b = nn.Conv2d(stem_channels, max(width, 4), kernel_size=3)",
    ]


def test_names_that_are_taken_are_left_alone() -> None:
    rows = [CONV | {"out_channels": "int_ * stem_channels / 2", "norm": "batch_norm"}]
    text = source(rows, vars={"int_": 2, "stem_channels": 3})
    assert "stem_channels2 = int(int_ * stem_channels / 2)" in text


@pytest.mark.parametrize("name", ["nn", "F", "torch", "self", "int", "x", "math", "input"])
def test_a_variable_that_would_hide_something_is_bound(name: str) -> None:
    text = source([CONV | {"out_channels": f"{name} * 2"}], vars={name: 4})
    assert "nn.Conv2d(3, 8, kernel_size=3)" in text
    instantiate(text)


def test_a_variable_computed_from_an_argument_is_computed() -> None:
    rows = [{"name": "fc", "op": "linear", "out_features": "hidden"}]
    text = source(rows, shape=[4], vars={"width": 8, "hidden": "width * 4"})
    assert constructor(text) == "def __init__(self, width: int = 8) -> None:"
    assert constructed(text) == ["hidden = width * 4", "self.fc = nn.Linear(4, hidden)"]


def test_an_expression_too_long_for_a_line_is_bound() -> None:
    long = " + ".join(["width"] * 20)
    text = source([CONV | {"out_channels": long}, CONV | {"name": "b"}], vars={"width": 2})
    assert constructed(text) == [
        "self.conv = nn.Conv2d(3, 40, kernel_size=3)",
        "self.b = nn.Conv2d(40, 2, kernel_size=3)",
    ]


def test_truth_values_are_given_by_name() -> None:
    text = source(
        [CONV | {"out_channels": "width * (2 if wide else 1)"}], vars={"wide": True, "width": 4}
    )
    assert constructor(text) == "def __init__(self, width: int = 4, wide: bool = True) -> None:"


def test_truth_values_stand_last_where_python_allows_that() -> None:
    rows = [CONV | {"out_channels": "width * (2 if wide else 1)"}]
    variants = {"a": {"wide": True}, "b": {"wide": False}}
    text = source(rows, vars={"wide": None, "width": 4}, variants=variants)
    assert "def __init__(self, width: int = 4, *, wide: bool) -> None:" in text
    assert "wide=True" in text


def test_arguments_change_the_network() -> None:
    rows = [
        CONV | {"out_channels": "make_divisible(width * m)", "norm": "batch_norm"},
        CONV | {"name": "b", "out_channels": "ceil(in_channels / 3)"},
        {"op": "flatten"},
        {"name": "fc", "op": "linear", "out_features": "classes"},
    ]
    text = source(rows, vars={"width": 20, "m": 0.5, "classes": 10})
    small, large = instantiate(text), instantiate(text, width=40, classes=3)
    assert small.conv.out_channels == 16
    assert large.conv.out_channels == 24
    assert (small.b.out_channels, large.b.out_channels) == (6, 8)
    assert large(torch.zeros(2, 3, 9, 8)).shape == (2, 3)


def test_make_divisible_is_the_language_s() -> None:
    from archspec.expressions import make_divisible

    rows = [CONV | {"out_channels": "make_divisible(width)"}]
    rounded = load_module(source(rows, vars={"width": 20}))._make_divisible
    for value in (1, 3.5, 12, 13, 20, 100.1, 1000):
        for divisor in (1, 4, 8, 12):
            assert rounded(value, divisor) == make_divisible(value, divisor)


def test_what_has_a_name_goes_by_it() -> None:
    block: Row = {
        "vars": {"half": "in_channels // 2"},
        "layers": [
            {"name": "left", "op": "slice", "start": 0, "stop": "half"},
            {"name": "conv", "op": "conv2d", "out_channels": "half", "kernel_size": 1},
        ],
    }
    text = source([{"name": "unit", "op": "Unit"}], (8, 4, 4), blocks={"Unit": block})
    assert "half = in_channels // 2" in text
    assert "self.conv = nn.Conv2d(half, half, kernel_size=1)" in text


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1 - 0.9997", "1 - 0.9997"), ("0.25", "0.25"), ("1 / 3", "0.3333333333333333")],
)
def test_a_long_number_is_what_a_short_one_leaves_of_one(written: str, expected: str) -> None:
    text = source([{"op": "batch_norm", "momentum": written}])
    assert f"momentum={expected})" in text
    assert instantiate(text).get_submodule("0").momentum == eval(expected)  # noqa: S307 - a number
