"""Generated code is what the formatter, the linter and the type checker would leave alone."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.api import Check
from archspec.targets.torch.layout import Bracketed, Expr, Keyword, lines, tuple_of
from tests.targets.networks import Row, chains, generate, source

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
                "out_features": " + ".join(f"variable_{i}" for i in range(5)),
            }
        ],
        {"shape": [7], "vars": {f"variable_{i}": i + 1 for i in range(5)}},
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
            "source": "a long source " * 20,
            "description": "https://example.com/" + "x" * 150,
        },
    ),
}


@pytest.fixture(scope="module")
def specimens(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them, and with the project's configuration."""
    folder = tmp_path_factory.mktemp("specimens")
    (folder / "pyproject.toml").write_bytes((root / "pyproject.toml").read_bytes())
    generated = folder / "generated"
    generated.mkdir()
    for i, (rows, keys) in enumerate(SPECIMENS.values()):
        (generated / f"specimen_{i}.py").write_text(source(rows, **keys), encoding="utf-8")
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


def assert_formatted(text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--line-length", "100", "--diff", "-"],
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


words = st.sampled_from(["x", "width", "nn.functional", "256 * 6 * 6", "1", '"text"', "a" * 30])


def brackets(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    keywords = st.builds(Keyword, st.sampled_from(["kernel_size", "p", "padding"]), inner)
    calls = st.builds(
        # Python wants keywords last, and each once.
        lambda head, items, last, spread: Bracketed(
            head, (*items, *last), spread=spread and len(items) + len(last) > 1
        ),
        st.sampled_from(["nn.Conv2d", "F.pad", "OrderedDict"]),
        st.lists(inner, max_size=5),
        st.lists(keywords, max_size=2, unique_by=lambda keyword: keyword.name),
        st.booleans(),
    )
    tuples = st.lists(inner, max_size=4).map(lambda items: tuple_of(*items))
    listed = st.lists(inner, max_size=4).map(lambda items: Bracketed("", tuple(items), "[]"))
    return calls | tuples | listed


@given(st.lists(st.recursive(words, brackets, max_leaves=14), min_size=300, max_size=300))
@settings(max_examples=1)
def test_calls_break_as_the_formatter_breaks_them(expressions: list[Expr]) -> None:
    statements = (line for e in expressions for line in lines("self.layer = ", e, 0))
    assert_formatted("\n".join(statements) + "\n")
