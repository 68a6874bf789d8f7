"""The arithmetic that is shown is true: both sides of every equation are computed here."""

import re
from fractions import Fraction
from math import prod
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from archspec.diagnostics import Fault
from archspec.ops import OPS_BY_NAME, Op, Shape
from tests.ops.strategies import Padding, dilations, paddings, pairs, shapes, strides

SIGNS = str.maketrans({"−": "-", "·": "*", " ": ""})
NUMBERS = re.compile(r"[\d+*/().-]+")


def value(text: str) -> Fraction:
    """What a shown term of numbers is worth."""
    text = text.translate(SIGNS)
    assert NUMBERS.fullmatch(text), text
    return eval(re.sub(r"(\d+)", r"Fraction(\1)", text), {"Fraction": Fraction})  # type: ignore[no-any-return]  # noqa: S307 - digits and signs only


def make(name: str, **attributes: Any) -> Op:
    return OPS_BY_NAME[name](**attributes)


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
    shown = [line for line in op.explain_output(shape) if " + 1 = " in line.how]
    expected = output[1:] if len(shown) == 2 else output[2:]
    for line, size in zip(shown, expected, strict=True):
        _, letters, quotient, result = line.how.split(" = ")
        assert letters == "(W − F + P_before + P_after)/S + 1"
        exact = value(quotient)
        assert exact // 1 == size
        assert str(size) in result
        assert ("rounded down" in result) == (exact != size)
    (params,) = op.explain_params(shape)
    *_, product, total = params.how.split(" = ")
    assert value(product) == value(total) == sum(tensor.numel for tensor in op.tensors(shape))
    (macs,) = op.explain_macs(shape)
    *_, product, total = macs.how.split(" = ")
    assert value(product) == value(total) == op.counts(shape, output).macs


@given(st.integers(1, 9999), st.integers(1, 9999), st.booleans())
def test_a_linear_layers_lines_are_true(inputs: int, outputs: int, bias: Any) -> None:
    op = make("linear", out_features=outputs, bias=bias)
    (params,) = op.explain_params((inputs,))
    *_, product, total = params.how.split(" = ")
    assert value(product) == value(total) == sum(tensor.numel for tensor in op.tensors((inputs,)))
    (macs,) = op.explain_macs((inputs,))
    *_, product, total = macs.how.split(" = ")
    assert value(product) == value(total) == inputs * outputs


@given(shapes)
def test_flatten_shows_its_product(shape: Shape) -> None:
    (line,) = make("flatten").explain_output(shape)
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
    advice = op.mend(shape, (1, high, wide))
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
