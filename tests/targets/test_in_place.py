"""Nothing is overwritten that is needed once more: by a later step, or on the way back."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.api import check_text
from tests.fuzz.trial import examine
from tests.targets.forms import made
from tests.targets.networks import Row

SHAPE = (4, 8, 8)


def conv(name: str, **more: Any) -> Row:
    return {"name": name, "op": "conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1, **more}


def step(name: str, op: str, *read: str, **more: Any) -> Row:
    return {"name": name, "op": op, **more} | ({"from": list(read)} if read else {})


SHARED: dict[str, list[Row]] = {
    "a sum with what a convolution has read": [
        conv("a"),
        conv("b"),
        conv("c"),
        step("sum", "add", "a", "c"),
    ],
    "the same, an identity between": [
        conv("a"),
        step("same", "identity"),
        conv("b"),
        step("sum", "add", "same", "b"),
        step("act", "relu"),
    ],
    "the other way round": [conv("a"), conv("b"), step("sum", "add", "b", "a"), step("r", "relu")],
    "a relu whose output is read twice": [
        conv("a"),
        step("act", "relu"),
        conv("b"),
        step("sum", "add", "b", "act"),
        step("last", "relu"),
        conv("c"),
    ],
    "a relu over what a sum wants as it was": [
        conv("a"),
        step("act", "relu"),
        step("sum", "add", "a", "act"),
    ],
    "a relu over what an output is": [conv("a"), step("act", "relu"), conv("b")],
    "a gate": [
        conv("a"),
        step("pool", "adaptive_avg_pool", output_size=1),
        conv("fc", kernel_size=1, padding=0),
        step("gate", "sigmoid"),
        step("scaled", "mul", "gate", "a"),
        step("act", "relu"),
    ],
    "a sum with a gate's output": [
        conv("a"),
        step("gate", "sigmoid"),
        step("scaled", "mul", "gate", "a"),
        step("sum", "add", "scaled", "gate"),
    ],
    "a sum in front of a product": [
        conv("a"),
        conv("b"),
        step("product", "mul", "a", "b"),
        step("sum", "add", "a", "product"),
        step("act", "relu"),
    ],
    "dropout between": [
        conv("a"),
        step("drop", "dropout", p=0.25),
        conv("b"),
        step("sum", "add", "drop", "b"),
        step("act", "relu6"),
    ],
    "dropout that drops nothing": [
        conv("a"),
        step("drop", "dropout", p=0),
        conv("b"),
        step("sum", "add", "drop", "b"),
    ],
    "a path of chance": [
        conv("a"),
        step("act", "relu"),
        conv("b"),
        step("drop", "stochastic_depth", p=0.25),
        step("sum", "add", "drop", "act"),
        step("last", "hardswish"),
    ],
    "flattened": [
        conv("a"),
        step("flat", "flatten"),
        step("act", "relu", "a"),
        step("pool", "flatten", "act"),
        step("sum", "add", "flat", "pool"),
        step("fc", "linear", out_features=3),
    ],
    "flattened, what is flat changed in place": [
        conv("a"),
        step("flat", "flatten"),
        step("fc", "linear", out_features=256),
        step("sum", "add", "flat", "fc"),
        step("act", "relu"),
        step("out", "linear", "act", out_features=2),
    ],
    "parts": [
        conv("a"),
        step("one", "chunk", "a", chunks=2, index=0),
        step("two", "chunk", "a", chunks=2, index=1),
        step("act", "relu", "one"),
        step("cat", "concat", "act", "two"),
        step("sum", "add", "cat", "a"),
        step("last", "relu"),
    ],
    "a part, and the whole behind it": [
        conv("a"),
        step("part", "slice", "a", start=1, stop=3),
        step("act", "relu"),
        conv("b", **{"from": "a"}),
        step("pool", "concat", "act", "b"),
    ],
    "turned": [
        conv("a"),
        step("last", "permute", dims=[0, 2, 3, 1]),
        step("norm", "layer_norm", normalized_shape=4),
        step("fc", "linear", out_features=4),
        step("act", "relu"),
        step("first", "permute", dims=[0, 3, 1, 2]),
        step("sum", "add", "first", "a"),
        step("end", "relu"),
    ],
    "a convolution that keeps what a sum gives": [
        conv("a"),
        step("norm", "batch_norm"),
        step("sum", "add", "norm", "a"),
        conv("b"),
        step("more", "add", "b", "sum"),
        step("act", "silu"),
    ],
    "poolings and an average": [
        conv("a"),
        step("act", "relu"),
        step("pool", "max_pool", kernel_size=3, stride=1, padding=1),
        step("mean", "avg_pool", "act", kernel_size=3, stride=1, padding=1),
        step("sum", "add", "pool", "mean"),
        step("last", "relu"),
        step("all", "add", "last", "pool"),
    ],
}


def text_of(rows: list[Row], **keys: Any) -> str:
    return json.dumps({"archspec": 1, "name": "Net", "input": SHAPE, "layers": rows, **keys})


def assert_trains(text: str) -> None:
    """It is accepted, and its outputs and gradients are the interpreter's."""
    checked = check_text(text)
    assert checked.ok, [fault.message for fault in checked.diagnostics]
    assert examine(text, fields="none").failures == ()


def in_block(rows: list[Row]) -> dict[str, Any]:
    uses = [{"name": f"use{i}", "op": "Unit"} for i in range(2)]
    return {"blocks": {"Unit": {"layers": rows}}, "layers": uses}


@pytest.mark.parametrize("rows", SHARED.values(), ids=SHARED)
def test_what_is_shared_is_kept(rows: list[Row]) -> None:
    assert_trains(text_of(rows))


@pytest.mark.parametrize("rows", SHARED.values(), ids=SHARED)
def test_so_it_is_in_a_group(rows: list[Row]) -> None:
    assert_trains(text_of([conv("stem"), {"name": "group", "layers": rows}, step("end", "relu")]))


@pytest.mark.parametrize(
    "rows", [rows for rows in SHARED.values() if "flat" not in str(rows)], ids=lambda r: r[-1]["op"]
)
def test_so_it_is_in_a_block(rows: list[Row]) -> None:
    rows = [*rows, conv("finish")]
    assert_trains(text_of([], **in_block(rows)))


@pytest.mark.parametrize("read", ["a", "b"])
@pytest.mark.parametrize("op", ["relu", "relu6", "silu", "hardswish", "leaky_relu", "elu", "mish"])
def test_an_output_in_the_middle_is_kept(op: str, read: str) -> None:
    rows = [conv("a"), step("b", op), step("c", "relu"), conv("d")]
    assert_trains(text_of(rows, outputs={"middle": read, "end": "d"}))


@pytest.mark.parametrize(
    "before", ["conv2d", "batch_norm", "max_pool", "sigmoid", "elu", "leaky_relu", "silu"]
)
@pytest.mark.parametrize("op", ["relu", "relu6", "silu", "hardswish", "leaky_relu", "elu", "mish"])
def test_an_activation_leaves_what_is_before_it_its_output(op: str, before: str) -> None:
    needs = {"conv2d": {"out_channels": 4, "kernel_size": 1}, "max_pool": {"kernel_size": 2}}
    row = {"op": before, **needs.get(before, {})}
    assert_trains(text_of([conv("stem"), {"name": "group", "layers": [row, {"op": op}]}]))


def test_what_nobody_needs_is_overwritten() -> None:
    """As a person writes it: the sum of a residual block, and the relu behind a norm."""
    rows = [
        conv("a"),
        step("norm", "batch_norm"),
        {"name": "act", "op": "relu"},
        conv("b"),
        step("norm2", "batch_norm"),
        step("sum", "add", "norm2", "input"),
        step("last", "relu"),
    ]
    text = made(check_text(text_of([], **in_block(rows)))).text
    assert "+= " in text
    assert "inplace=True" in text


UNARY: tuple[Row, ...] = (
    {"op": "relu"},
    {"op": "relu"},
    {"op": "hardswish"},
    {"op": "elu", "alpha": 0.5},
    {"op": "sigmoid"},
    {"op": "identity"},
    {"op": "dropout", "p": 0.25},
    {"op": "batch_norm"},
    {"op": "layer_scale", "init_value": 0.5},
    {"op": "max_pool", "kernel_size": 3, "stride": 1, "padding": 1},
    {"op": "conv2d", "out_channels": 4, "kernel_size": 1},
    {"op": "channel_shuffle", "groups": 2},
)


def random_rows(rng: Random) -> list[Row]:
    """Steps that read any that stand before them; what nothing reads is added up at the end."""
    rows: list[Row] = [conv("s0")]
    unread = {"s0"}
    for i in range(1, rng.randint(3, 9)):
        name, before = f"s{i}", [row["name"] for row in rows]
        if rng.random() < 0.35 and len(before) > 1:
            read = rng.sample(before, 2)
            row = step(name, rng.choice(["add", "add", "mul"]), *read)
        else:
            read = [before[-1] if rng.random() < 0.7 else rng.choice(before)]
            row = {"name": name, **rng.choice(UNARY), "from": read[0]}
        rows.append(row)
        unread = (unread - set(read)) | {name}
    if len(unread) > 1:
        rows.append(step("all", "add", *sorted(unread)))
    return rows


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=120, deadline=None)
def test_random_readers(seed: int, in_a_block: bool) -> None:  # noqa: FBT001 - drawn
    rows = random_rows(Random(seed))  # noqa: S311 - a test
    assert_trains(text_of([], **in_block(rows)) if in_a_block else text_of(rows))
