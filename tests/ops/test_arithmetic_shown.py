"""The arithmetic that is shown is true: both sides of every equation are computed here."""

import re
from fractions import Fraction
from math import prod
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from archspec import expressions
from archspec.diagnostics import Fault
from archspec.ops import OPS_BY_NAME, Shape, Unary
from tests.cases.reader import cases
from tests.ops.strategies import Padding, dilations, paddings, pairs, shapes, strides

CASES = dict(cases("ops"))
SIGNS = str.maketrans({"−": "-", "·": "*", " ": ""})
NUMBERS = re.compile(r"[\d+*/().-]+")


def value(text: str) -> Fraction:
    """What a shown term of numbers is worth."""
    text = text.translate(SIGNS)
    assert NUMBERS.fullmatch(text), text
    return eval(re.sub(r"(\d+)", r"Fraction(\1)", text), {"Fraction": Fraction})  # type: ignore[no-any-return]  # noqa: S307 - digits and signs only


def macs_of(op: Unary, shape: Shape, output: Shape) -> int:
    counts = op.counts(shape, output)
    assert counts is not None
    return counts.macs


def make(name: str, **attributes: Any) -> Unary:
    op = OPS_BY_NAME[name](**attributes)
    assert isinstance(op, Unary)
    return op


@given(shapes, pairs, strides, dilations, paddings(), st.integers(1, 4), st.booleans())
def test_a_convolutions_lines_are_true(
    shape: Shape, kernel: Any, stride: Any, dilation: Any, padding: Padding, groups: int, bias: Any
) -> None:
    shape = (groups * shape[0], *shape[1:])
    sizes = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "groups": groups}
    op = make("conv2d", out_channels=2 * groups, padding=padding.written, bias=bias, **sizes)
    try:
        output = op.output_shape(shape)
    except Fault:
        assume(False)  # noqa: FBT003 - hypothesis has no other word for it
    shown = [line for line in op.output_text(shape) if " + 1 = " in line.how]
    expected = output[1:] if len(shown) == 2 else output[2:]
    for line, size in zip(shown, expected, strict=True):
        _, letters, quotient, result = line.how.split(" = ")
        assert letters == "(W − F + P_before + P_after)/S + 1"
        exact = value(quotient)
        assert exact // 1 == size
        assert str(size) in result
        assert ("rounded down" in result) == (exact != size)
    (params,) = op.params_text(shape)
    *_, product, total = params.how.split(" = ")
    assert value(product) == value(total) == sum(tensor.numel for tensor in op.state(shape))
    (macs,) = op.macs_text(shape)
    *_, product, total = macs.how.split(" = ")
    assert value(product) == value(total) == macs_of(op, shape, output)


@given(st.integers(1, 9999), st.integers(1, 9999), st.booleans())
def test_a_linear_layers_lines_are_true(inputs: int, outputs: int, bias: Any) -> None:
    op = make("linear", out_features=outputs, bias=bias)
    (params,) = op.params_text((inputs,))
    *_, product, total = params.how.split(" = ")
    assert value(product) == value(total) == sum(tensor.numel for tensor in op.state((inputs,)))
    (macs,) = op.macs_text((inputs,))
    *_, product, total = macs.how.split(" = ")
    assert value(product) == value(total) == inputs * outputs


@given(shapes)
def test_flatten_shows_its_product(shape: Shape) -> None:
    (line,) = make("flatten").output_text(shape)
    product, total = line.how.split(" = ")
    assert value(product) == value(total) == prod(shape)


@given(shapes, pairs, strides, dilations, paddings(), st.integers(1, 12), st.integers(1, 12))
def test_what_would_mend_a_size_does_mend_it(
    shape: Shape, kernel: Any, stride: Any, dilation: Any, padding: Padding, high: int, wide: int
) -> None:
    sizes = {"kernel_size": kernel, "stride": stride, "dilation": dilation}
    op = make("conv2d", out_channels=1, padding=padding.written, **sizes)
    try:
        op.output_shape(shape)
    except Fault:
        assume(False)  # noqa: FBT003 - hypothesis has no other word for it
    advice = op.remedy(shape, (1, high, wide))
    new = re.search(r"padding (\[\d+, \d+\]|\d+)", advice)
    if new:
        written = [int(number) for number in re.findall(r"\d+", new[1])]
        mended = make(
            "conv2d", out_channels=1, padding=written if len(written) == 2 else written[0], **sizes
        )
        assert mended.output_shape(shape) == (1, high, wide)
    other = re.search(r"an input of (\d+)×(\d+)", advice)
    if other:
        assert op.output_shape((shape[0], int(other[1]), int(other[2]))) == (1, high, wide)


def equation(text: str) -> list[Fraction]:
    """The sides of a shown equation that are numbers; the letters before them are no sides."""
    sides = [side.translate(SIGNS) for side in re.split(r" = |: ", text)]
    return [value(side) for side in sides if NUMBERS.fullmatch(side)]


def evaluated(written: Any) -> Any:
    """An attribute's worth: PyYAML takes `1e-6` for text, as it does an expression."""
    if not isinstance(written, str) or not re.match(r"\d", written):
        return written
    return expressions.evaluate(expressions.parse(written), {})


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "behind" not in case])
def test_every_ops_lines_are_true(name: str) -> None:
    """Over the case files: all sides of a line agree, and with the tensors and operations."""
    case = CASES[name]
    written = dict(yaml.safe_load(case["row"]))
    op = OPS_BY_NAME[name.partition("/")[0]]
    if not issubclass(op, Unary) or "in_channels" in written.values():
        return
    numbers = {k: evaluated(v) for k, v in written.items() if k != "op"}
    made, shape = op(**numbers), tuple(case["input"])
    output = made.output_shape(shape)
    total = macs_of(made, shape, output)
    trained = sum(tensor.numel for tensor in made.state(shape) if tensor.trainable)
    params = [equation(line.how) for line in made.params_text(shape)]
    assert {worth for sides in params for worth in sides} == ({trained} if trained else set())
    macs = [equation(line.how) for line in made.macs_text(shape)]
    assert {worth for sides in macs for worth in sides} == ({total} if total else set())
    lines = list(made.output_text(shape))
    for line in lines:
        rounded = "rounded" in line.how or "≤" in line.how
        assert rounded or len(set(equation(line.how))) <= 1
    for axis, what in enumerate(("height", "width"), 1):
        shown = [equation(line.how) for line in lines if line.what == what and " = " in line.how]
        assert all(sides[-1] == output[axis] for sides in shown if sides)
