"""Every attribute of every op may come from wherever a value comes from, and is written as such.

An argument of a block, a variable of the network, a column of a table, the number of a repetition:
each is tried with every attribute but for words, with two values where the op takes two.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from archspec.api import check_text
from archspec.ops import OPS_BY_NAME
from tests.fuzz.samples import ATTRIBUTES
from tests.fuzz.trial import examine
from tests.targets.forms import made
from tests.targets.networks import Row

MAP = (4, 8, 8)
VECTOR = (6,)
NO_EXPRESSION = {
    ("partial_conv2d", "table"): "connections are data: a list of lists of numbers",
}
PLAINLY: Mapping[tuple[str, str, str], str] = {
    ("gelu", "approximate", "argument"): "a `tanh` that is handed on is the activation",
    ("gelu", "approximate", "column"): "the same",
}
"""Combinations that have no other form than the plain one so far, and why."""


class Trial(NamedTuple):
    """Values of an attribute (any number, at least one), and what stands beside it."""

    values: tuple[Any, ...]
    beside: Mapping[str, Any] = {}
    shape: tuple[int, ...] = MAP
    form: Any = "a"  # the attribute, in terms of `a`


def windowed(**beside: Any) -> dict[str, Trial]:
    """Attributes of what slides a window."""
    kernel = {"kernel_size": 3, **beside}
    return {
        "kernel_size": Trial((1, 3), beside),
        "stride": Trial((1, 2), kernel),
        "padding": Trial((0, 1), kernel),
    }


CONV = windowed() | {"dilation": Trial((1, 2), {"kernel_size": 3})}
POOL = {**windowed(), "kernel_size": Trial((2, 3)), "stride": Trial((1, 2), {"kernel_size": 2})}
ROUNDED = Trial((True, False), {"kernel_size": 3, "stride": 2})
TRUTH = Trial((True, False))
EPS = Trial((1e-3, 0.25))
MOMENTUM = Trial((0.25, 0.5))


def beside(trials: Mapping[str, Trial], **more: Any) -> dict[str, Trial]:
    """The same, with more beside them, but for what is tried itself."""
    return {
        name: trial._replace(
            beside={k: v for k, v in {**more, **trial.beside}.items() if k != name}
        )
        for name, trial in trials.items()
    }


TRIALS: Mapping[str, Mapping[str, Trial]] = {
    "conv2d": beside(
        {**CONV, "groups": Trial((1, 2)), "out_channels": Trial((2, 6)), "bias": TRUTH},
        out_channels=4,
        kernel_size=3,
    ),
    "depthwise_conv2d": beside(
        {**CONV, "channel_multiplier": Trial((1, 2)), "bias": TRUTH}, kernel_size=3
    ),
    "conv_transpose2d": beside(
        {
            **CONV,
            "groups": Trial((1, 2)),
            "out_channels": Trial((2, 6)),
            "output_padding": Trial((0, 1), {"stride": 2}),
            "bias": TRUTH,
        },
        out_channels=4,
        kernel_size=3,
    ),
    "partial_conv2d": beside(
        {**windowed(), "bias": TRUTH}, table=[[0, 1], [2, 3], [0, 3]], kernel_size=3
    ),
    "linear": {
        "out_features": Trial((2, 5), shape=VECTOR),
        "bias": Trial((True, False), {"out_features": 5}, VECTOR),
    },
    "rbf": {
        "out_features": Trial((2, 5), shape=VECTOR),
        "trainable": Trial((True, False), {"out_features": 5}, VECTOR),
    },
    "max_pool": {**POOL, "dilation": Trial((1, 2), {"kernel_size": 2}), "ceil_mode": ROUNDED},
    "avg_pool": {
        **POOL,
        "ceil_mode": ROUNDED,
        "count_include_pad": Trial((True, False), {"kernel_size": 3, "padding": 1}),
    },
    "scaled_avg_pool": {
        "kernel_size": Trial((2, 4), {"stride": 2}),
        "stride": Trial((1, 2), {"kernel_size": 2}),
    },
    "adaptive_avg_pool": {"output_size": Trial((1, 3))},
    "adaptive_max_pool": {"output_size": Trial((1, 3))},
    "mean": {
        "keepdim": Trial((True, True), {"dim": [2, 3]}),
        "dim": Trial((2, 3), {"keepdim": True}),
    },
    "local_response_norm": {
        "size": Trial((3, 5)),
        **{name: Trial((0.5, 2), {"size": 3}) for name in ("alpha", "beta", "k")},
    },
    "batch_norm": {
        "eps": EPS,
        "momentum": MOMENTUM,
        "affine": TRUTH,
        "track_running_stats": TRUTH,
    },
    "instance_norm": {
        "eps": EPS,
        "momentum": Trial((0.25, 0.5), {"track_running_stats": True}),
        "affine": TRUTH,
        "track_running_stats": TRUTH,
    },
    "group_norm": beside({"num_groups": Trial((1, 2)), "eps": EPS, "affine": TRUTH}, num_groups=2),
    "layer_norm": beside(
        {
            "normalized_shape": Trial((8, 8)),
            "eps": EPS,
            "elementwise_affine": TRUTH,
            "bias": TRUTH,
        },
        normalized_shape=[8, 8],
    ),
    "layer_norm2d": {"eps": EPS, "elementwise_affine": TRUTH},
    "dropout": {"p": Trial((0.25, 0.5))},
    "stochastic_depth": {
        "p": Trial((0.25, 0.5)),
        "mode": Trial(("batch", "row"), {"p": 0.5}),
    },
    "gelu": {"approximate": Trial(("tanh", "none"))},
    "layer_scale": {"init_value": Trial((0.5, 20))},
    "permute": {"dims": Trial((1, 1), form=[0, 2, 3, "a"])},
    "add": {"alpha": Trial((2, 0.5))},
    "chunk": {
        "chunks": Trial((2, 4), {"index": 1}),
        "index": Trial((0, 1), {"chunks": 2}),
    },
    "slice": {"start": Trial((-1, -3)), "stop": Trial((2, 3), {"start": 1})},
    "pad_channels": {"before": Trial((0, 2), {"after": 1}), "after": Trial((1, 3))},
    "channel_shuffle": {"groups": Trial((2, 4))},
    "pixel_shuffle": {"upscale_factor": Trial((1, 2))},
    "pixel_unshuffle": {"downscale_factor": Trial((1, 2))},
    "upsample": {
        "scale_factor": Trial((2, 3)),
        "size": Trial((5, 7)),
        "mode": Trial(("bilinear", "nearest"), {"scale_factor": 2}),
        "align_corners": Trial((True, False), {"mode": "bilinear", "scale_factor": 2}),
    },
    "zero_pad2d": {"padding": Trial((1, 2))},
    "leaky_relu": {"negative_slope": Trial((0.2, 0.5))},
    "prelu": {"num_parameters": Trial((1, 4))},
    "elu": {"alpha": Trial((0.5, 2))},
    "softplus": {"beta": Trial((0.5, 2)), "threshold": Trial((0.5, 2))},
    "hardtanh": {"min_val": Trial((-0.5, -2)), "max_val": Trial((0.5, 2))},
    "softmax": {"dim": Trial((1, 2))},
    "log_softmax": {"dim": Trial((1, 2))},
}
PAIRS = ("kernel_size", "stride", "dilation", "padding", "output_padding", "output_size", "size")
FORMS: Sequence[tuple[str, str, Trial]] = [
    *(
        (op, name, trial._replace(form=["a", 1] if name != "padding" else {"width": "a"}))
        for op, trials in TRIALS.items()
        for name, trial in trials.items()
        if name in (*PAIRS, "scale_factor") and op != "local_response_norm"
    ),
    *(
        (op, "padding", Trial((1, 2), {**TRIALS[op]["padding"].beside}, form=form))
        for op in ("conv2d", "depthwise_conv2d", "partial_conv2d", "zero_pad2d")
        for form in (["a", 0], {"width": ["2 * a", 0]}, [["a", 0], [0, "a - 1"]])
    ),
    ("layer_norm", "normalized_shape", Trial((8, 8), form=["a", "a"])),
    ("mean", "dim", Trial((2, 2), {"keepdim": True}, form=["a", 3])),
]
"""Pairs and sides in which one number is open; causal padding among them."""


# --- specs ----------------------------------------------------------------------------------------


def body(op: str, attribute: str, trial: Trial, written: Any) -> list[Row]:
    """Rows around the step, so that they give what arrived: any number of them can follow."""
    step: Row = {"op": op, **trial.beside, attribute: written}
    if trial.shape == VECTOR:
        return [step, {"op": "linear", "out_features": VECTOR[0]}]
    before: list[Row] = []
    if OPS_BY_NAME[op].arity != "one":
        conv = {"name": "conv", "op": "conv2d", "out_channels": "in_channels", "kernel_size": 1}
        before, step = [conv], {**step, "from": ["conv", "input"]}
    after: list[Row] = [
        {"op": "adaptive_avg_pool", "output_size": MAP[1]},
        {"op": "conv2d", "out_channels": MAP[0], "kernel_size": 1},
    ]
    back: list[Row] = [{"op": "permute", "dims": [0, 3, 1, 2]}] if op == "permute" else []
    return [*before, step, *back, *after]


def by_number(form: Any, values: Sequence[Any]) -> Any:
    """A form of `a` as one of `i`: its first value at 0, its last at any other."""
    if isinstance(form, list):
        return [by_number(part, values) for part in form]
    if isinstance(form, dict):
        return {key: by_number(part, values) for key, part in form.items()}
    if not isinstance(form, str):
        return form
    first, last = (str(value).lower() for value in (values[0], values[-1]))
    return form.replace("a", f"({first} if i == 0 else {last})")


def of_argument(op: str, attribute: str, trial: Trial) -> dict[str, Any]:
    block = {"args": {"a": None}, "layers": body(op, attribute, trial, trial.form)}
    uses = [{"name": f"use{i}", "op": "Unit", "a": v} for i, v in enumerate(trial.values)]
    return {"blocks": {"Unit": block}, "layers": uses}


def of_variable(op: str, attribute: str, trial: Trial) -> dict[str, Any]:
    return {"vars": {"a": trial.values[-1]}, "layers": body(op, attribute, trial, trial.form)}


def of_column(op: str, attribute: str, trial: Trial) -> dict[str, Any]:
    rows = body(op, attribute, trial, trial.form)
    return {"layers": [{"name": "s", "each": [{"a": v} for v in trial.values], "layers": rows}]}


def of_number(op: str, attribute: str, trial: Trial) -> dict[str, Any]:
    rows = body(op, attribute, trial, by_number(trial.form, trial.values))
    return {"layers": [{"name": "s", "repeat": 2, "layers": rows}]}


KINDS = {
    "argument": of_argument,
    "variable": of_variable,
    "column": of_column,
    "number": of_number,
}


def assert_written(op: str, attribute: str, kind: str, trial: Trial) -> None:
    """It is the network, and looks as a person would write it."""
    keys = KINDS[kind](op, attribute, trial)
    text = json.dumps({"archspec": 1, "name": "Net", "input": list(trial.shape), **keys})
    checked = check_text(text)
    assert checked.ok, [fault.message for fault in checked.diagnostics]
    assert examine(text, fields="none").failures == ()
    reason = made(checked).reason
    assert bool(reason) is ((op, attribute, kind) in PLAINLY), reason


def test_no_attribute_is_forgotten() -> None:
    tried = {(op, name) for op, trials in TRIALS.items() for name in trials}
    assert tried == set(ATTRIBUTES) - NO_EXPRESSION.keys()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("op", "attribute"), [(op, name) for op, trials in TRIALS.items() for name in trials]
)
def test_every_attribute_takes_every_kind_of_value(op: str, attribute: str, kind: str) -> None:
    assert_written(op, attribute, kind, TRIALS[op][attribute])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("op", "attribute", "trial"), FORMS, ids=lambda v: str(getattr(v, "form", v))
)
def test_so_does_every_number_in_a_pair(op: str, attribute: str, trial: Trial, kind: str) -> None:
    assert_written(op, attribute, kind, trial)
