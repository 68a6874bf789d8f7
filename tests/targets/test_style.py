"""Generated code is what the formatter, the linter and the type checker would leave alone."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.api import Check, check_text
from tests.cases.reader import cases
from tests.targets.networks import Row, chains, generate, source
from tests.targets.test_printer import assert_formatted

CONV: Row = {"op": "conv2d", "out_channels": 4, "kernel_size": 3}
LONG = "a_name_of_just_the_length_that_a_name_may_have_and_no_letter_more"[:64]


def nested(depth: int) -> Row:
    row: Row = {"name": "leaf", "layers": [CONV, {**CONV, "padding": [1, 0]}]}
    for i in range(depth):
        row = {"name": f"level{i}", "layers": [CONV | {"padding": 1, "groups": 1}, row]}
    return row


# Each has something that could be laid out, spelt or typed in a wrong way.
SPECIMENS: dict[str, tuple[list[Row], dict[str, Any]]] = {
    "unnamed at the root": ([CONV, {"op": "relu"}, CONV], {}),
    "numbers at the root": (
        [{"name": "7", "layers": [{"name": "3", **CONV}]}, {"name": "5", **CONV}],
        {"shape": [3, 33, 33]},
    ),
    "mixed at the root": ([CONV, {"name": "a", **CONV}, {"op": "relu"}], {}),
    "nothing to construct": ([{"op": "relu"}, {"op": "flatten"}], {}),
    "nothing to do": ([{"op": "identity"}], {}),
    "a vector": (
        [{"name": "fc", "op": "linear", "out_features": "w"}, {"op": "log_softmax"}],
        {"shape": [12], "vars": {"w": 5}},
    ),
    "long names": (
        [
            {"name": LONG, **CONV, "padding": [1, 2], "stride": 2, "activation": "relu"},
            {"name": f"{LONG[:60]}pool", "op": "max_pool", "kernel_size": 2, "padding": [0, 1]},
            {"name": "group", "layers": [{"name": LONG, **CONV, "norm": "batch_norm"}]},
        ],
        {},
    ),
    "one step in a group": ([{"name": "a", "layers": [{"name": "b", "layers": [CONV]}]}], {}),
    "deep groups": ([nested(5)], {"shape": [3, 33, 33]}),
    "many arguments": (
        [
            {
                "name": "fc",
                "op": "linear",
                "out_features": " + ".join(f"variable_{i}" for i in range(4)),
            }
        ],
        {"shape": [7], "vars": {f"variable_{i}": i + 1 for i in range(4)}},
    ),
    "expressions": (
        [
            {"name": "a", **CONV, "out_channels": "make_divisible(64 * m)", "norm": "batch_norm"},
            {"name": "b", **CONV, "out_channels": "ceil(in_channels / 3) * (2 if wide else 1)"},
            {"name": "c", **CONV, "out_channels": "max(8, round(m * 10), in_channels // 2)"},
            {"op": "dropout", "p": "rate"},
            {"op": "flatten"},
            {"name": "fc", "op": "linear", "out_features": "64 * m / 2", "activation": "relu"},
            {"name": "fc2", "op": "linear", "out_features": "64 * m / 2"},
        ],
        {"vars": {"m": 0.5, "wide": True, "rate": 0.25}},
    ),
    "every helper": (
        [
            {
                "name": "a",
                "layers": [
                    {**CONV, "padding": [1, 2]},
                    {**CONV, "padding": "same", "stride": 2},
                    {**CONV, "kernel_size": 2, "padding": "same", "stride": 3},
                    {"op": "max_pool", "kernel_size": 3, "padding": [0, 1], "ceil_mode": True},
                    {"op": "max_pool", "kernel_size": 3, "padding": "same", "stride": 2},
                    {
                        "op": "avg_pool",
                        "kernel_size": 3,
                        "padding": [1, 2],
                        "ceil_mode": True,
                        "count_include_pad": False,
                    },
                    {"op": "avg_pool", "kernel_size": 2, "padding": "same"},
                    {"op": "max_pool", "kernel_size": 2, "padding": [0, 1]},
                    {"op": "avg_pool", "kernel_size": 2, "padding": [0, 1]},
                ],
            },
            {"op": "avg_pool", "kernel_size": 2, "padding": "same"},
            {"op": "softmax"},
        ],
        {"shape": [3, 65, 65]},
    ),
    "options": (
        [
            {"name": "a", **CONV, "dilation": [1, 2], "groups": 1, "bias": False},
            {"op": "batch_norm", "eps": 0.001, "momentum": None},
            {"op": "local_response_norm", "size": 5, "alpha": 0.0005, "k": 2},
            {"op": "elu", "alpha": 1e-05},
            {"op": "gelu", "approximate": "tanh"},
            {"op": "adaptive_avg_pool", "output_size": [3, 1]},
        ],
        {},
    ),
    "texts": (
        [CONV],
        {
            "name": "a network with a long name " * 5,
            "source": "a long source " * 20,
            "description": "https://example.com/" + "x" * 150,
        },
    ),
}


@pytest.fixture(scope="module")
def specimens(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them and all the cases, and with the project's configuration."""
    folder = tmp_path_factory.mktemp("specimens")
    (folder / "generated").mkdir()
    for name in ("pyproject.toml", "generated/ruff.toml"):
        (folder / name).write_bytes((root / name).read_bytes())
    generated = folder / "generated"
    for i, (rows, keys) in enumerate(SPECIMENS.values()):
        (generated / f"specimen_{i}.py").write_text(source(rows, **keys), encoding="utf-8")
    for i, (_, case) in enumerate(cases("generated")):
        (generated / f"case_{i}.py").write_text(
            generate(check_text(case["spec"])), encoding="utf-8"
        )
    return folder


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_formatter_changes_nothing(specimens: Path) -> None:
    assert not run(specimens, "ruff", "format", "--diff", "--no-cache", "generated")


def test_the_formatter_changes_nothing_for_someone_who_configured_nothing(specimens: Path) -> None:
    assert not run(specimens, "ruff", "format", "--isolated", "--diff", "--no-cache", "generated")


def test_the_linter_finds_nothing(specimens: Path) -> None:
    assert not run(specimens, "ruff", "check", "--no-cache", "generated")


def test_the_type_checker_finds_nothing(specimens: Path, root: Path) -> None:
    cache = root / ".mypy_cache"  # torch alone takes it ten seconds the first time
    assert not run(specimens, "mypy", "--strict", "--cache-dir", cache, "generated")


@given(st.lists(chains(), min_size=40, max_size=40))
@settings(max_examples=1)
def test_the_formatter_changes_nothing_in_random_networks(networks: list[Check]) -> None:
    text = "\n\n".join(generate(network).rstrip("\n") + "\n" for network in networks)
    classes = [part for part in text.split("\n\n\n") if part.startswith("class ")]
    assert_formatted("\n\n\n".join(part.rstrip("\n") for part in classes) + "\n")


SPELLINGS: list[tuple[Row, str]] = [
    (
        CONV | {"stride": [2, 1], "padding": {"height": 1}, "groups": 2},
        "nn.Conv2d(4, 4, kernel_size=3, stride=(2, 1), padding=(1, 0), groups=2)",
    ),
    (CONV | {"dilation": [1, 2]}, "nn.Conv2d(4, 4, kernel_size=3, dilation=(1, 2))"),
    (CONV | {"stride": 1, "bias": False}, "nn.Conv2d(4, 4, kernel_size=3, bias=False)"),
    (CONV | {"padding": "same"}, 'nn.Conv2d(4, 4, kernel_size=3, padding="same")'),
    (CONV | {"padding": [1, 2]}, "PaddedConv2d(4, 4, kernel_size=3, pad=(1, 2, 1, 2))"),
    ({"op": "max_pool", "kernel_size": 2}, "nn.MaxPool2d(kernel_size=2)"),
    ({"op": "max_pool", "kernel_size": 2, "stride": 2}, "nn.MaxPool2d(kernel_size=2, stride=2)"),
    (
        {"op": "max_pool", "kernel_size": 3, "padding": 1, "dilation": 2, "ceil_mode": True},
        "nn.MaxPool2d(kernel_size=3, padding=1, dilation=2, ceil_mode=True)",
    ),
    (
        {"op": "avg_pool", "kernel_size": 3, "padding": 1, "count_include_pad": False},
        "nn.AvgPool2d(kernel_size=3, padding=1, count_include_pad=False)",
    ),
    ({"op": "adaptive_avg_pool", "output_size": 1}, "nn.AdaptiveAvgPool2d(1)"),
    ({"op": "adaptive_avg_pool", "output_size": 6}, "nn.AdaptiveAvgPool2d((6, 6))"),
    (
        {"op": "batch_norm", "eps": 0.001, "momentum": 0.01, "affine": False},
        "nn.BatchNorm2d(4, eps=0.001, momentum=0.01, affine=False)",
    ),
    (
        {"op": "batch_norm", "momentum": None, "track_running_stats": False},
        "nn.BatchNorm2d(4, momentum=None, track_running_stats=False)",
    ),
    (
        {"op": "local_response_norm", "size": 5, "alpha": 5e-4, "beta": 0.5, "k": 2},
        "nn.LocalResponseNorm(size=5, alpha=5e-4, beta=0.5, k=2)",
    ),
    ({"op": "dropout"}, "nn.Dropout(p=0.5)"),
    ({"op": "elu", "alpha": 0.5}, "nn.ELU(alpha=0.5)"),
    ({"op": "leaky_relu", "negative_slope": 0.2}, "nn.LeakyReLU(negative_slope=0.2)"),
    ({"op": "gelu", "approximate": "tanh"}, 'nn.GELU(approximate="tanh")'),
    ({"op": "softmax"}, "nn.Softmax(dim=1)"),
    ({"op": "log_softmax", "dim": -1}, "nn.LogSoftmax(dim=-1)"),
]


@pytest.mark.parametrize(("row", "spelling"), SPELLINGS, ids=lambda value: str(value)[:60])
def test_what_is_the_default_is_left_out_and_the_rest_is_not(row: Row, spelling: str) -> None:
    text = source([{"name": "group", "layers": [{"op": "identity"}, row]}], (4, 9, 8))
    assert f"            nn.Identity(),\n            {spelling},\n        )\n" in text


def test_steps_in_a_group_stand_one_to_a_line() -> None:
    text = source([{"name": "a", "layers": [{"op": "relu"}, {"name": "b", "op": "relu"}]}])
    assert (
        """
                [
                    ("0", nn.ReLU()),
                    ("b", nn.ReLU()),
                ]
"""
        in text
    )
