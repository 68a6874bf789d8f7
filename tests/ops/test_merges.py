"""What stands where paths meet: a factor of the second path, and shapes that are stretched."""

import re
from typing import Any

import pytest
import torch
from torch import nn

from archspec.api import check_text, write
from archspec.ops import OPS_BY_NAME
from archspec.targets.torch.run import instantiate
from tests.targets.networks import batch


def scaled(alpha: str, width: int = 4, head: str = "") -> str:
    """A spec with a convolution added to what arrives."""
    return f"""\
archspec: 1
name: Net
input: [{width}, 5, 5]
{head}layers:
  - {{name: up, op: conv2d, out_channels: {width}, kernel_size: 1}}
  - {{name: sum, op: add, from: [input, up], alpha: {alpha}}}
"""


def generated(text: str) -> str:
    checked = check_text(text)
    checked.raise_for_errors()
    return write(checked, "torch")


@pytest.mark.parametrize(
    ("alpha", "written"),
    [
        ("0.17", "x + 0.17 * out"),
        ("-1", "x - out"),
        ("-0.5", "x - 0.5 * out"),
        ("1", "x + out"),
        ("1 / 8", "x + 0.125 * out"),
        ("1e-4", "x + 1e-4 * out"),
    ],
)
def test_a_factor_is_written_and_computed(alpha: str, written: str) -> None:
    text = generated(scaled(alpha))
    assert f"out: torch.Tensor = self.up(x)\n        return {written}\n" in text
    module: Any = instantiate(text).double()
    x = batch((4, 5, 5))
    factor = 0.125 if "/" in alpha else float(alpha)
    torch.testing.assert_close(module(x), torch.add(x, module.up(x), alpha=factor))


def test_a_factor_that_is_a_variable_is_an_argument() -> None:
    text = generated(scaled("scale / 2", head="vars: {scale: 0.5}\n"))
    assert "self.alpha = scale / 2\n" in text
    x = batch((4, 5, 5))
    for scale in (0.5, 3.0):
        module: Any = instantiate(text, scale=scale).double()
        torch.testing.assert_close(module(x), x + scale / 2 * module.up(x))
    assert list(module.state_dict()) == ["up.weight", "up.bias"]


BLOCKS = """\
archspec: 1
name: Net
input: [4, 5, 5]
blocks:
  Unit:
    args: {scale: 1}
    layers:
      - {name: a, op: conv2d, out_channels: in_channels, kernel_size: 1}
      - {name: s, op: add, from: [input, a], alpha: scale}
      - {name: b, op: conv2d, out_channels: in_channels, kernel_size: 1}
      - {name: t, op: add, from: [s, b], alpha: "0.5 * scale"}
layers:
  - {name: first, op: Unit, scale: 0.25}
  - {name: second, op: Unit}
"""


def test_the_factors_of_a_block_are_its_arguments() -> None:
    """One is called as the argument is, the other as in PyTorch."""
    text = generated(BLOCKS)
    module: Any = instantiate(text).double()
    x = expected = batch((4, 5, 5))
    for unit, scale in ((module.first, 0.25), (module.second, 1)):
        assert (unit.scale, unit.alpha) == (scale, 0.5 * scale)
        middle = expected + scale * unit.a(expected)
        expected = middle + 0.5 * scale * unit.b(middle)
    torch.testing.assert_close(module(x), expected)


def test_a_rate_that_is_whole_in_one_use_is_not_rounded_in_another() -> None:
    text = re.sub(r"alpha: scale}", "alpha: scale}\n      - {op: dropout, p: scale}", BLOCKS)
    text = text.replace("scale: 0.25", "scale: 1").replace("op: Unit}", "op: Unit, scale: 0.25}")
    module: Any = instantiate(generated(text))
    assert (module.first.scale, module.second.scale) == (1, 0.25)
    assert [m.p for m in module.modules() if isinstance(m, nn.Dropout)] == [1, 0.25]


def test_a_factors_name_hides_nothing() -> None:
    """`half` is a method of every module, and `alpha` a step here."""
    text = BLOCKS.replace("scale", "half").replace("name: b", "name: alpha").replace("b]", "alpha]")
    module: Any = instantiate(generated(text)).double()
    assert callable(module.first.half)
    assert isinstance(module.first.alpha, nn.Conv2d)
    assert (module.first.alpha2, module.first.alpha3) == (0.25, 0.125)


def test_a_factor_goes_with_two_inputs() -> None:
    row = "{name: sum, op: add, from: [input, up, up], alpha: 0.5}"
    text = re.sub(r"\{name: sum.*", row, scaled("1"))
    (fault,) = check_text(text).diagnostics
    assert fault.name == "merge-mismatch"
    assert fault.where == ("layers", 1, "alpha")
    assert fault.message == (
        "add: the input is 4×5×5, up gives 4×5×5, up gives 4×5×5; "
        "they need to be two, as there is an alpha"
    )


def test_a_factor_is_a_number() -> None:
    (fault,) = check_text(scaled("true")).diagnostics
    assert "has to be a number, not true" in fault.message


def explained(name: str, shapes: list[tuple[int, ...]], **attributes: Any) -> list[str]:
    op = OPS_BY_NAME[name](**attributes)
    return [text.how for text in op.explain_output(shapes)]


@pytest.mark.parametrize("name", ["add", "mul"])
def test_what_is_stretched_is_explained_with_all_shapes(name: str) -> None:
    assert explained(name, [(64, 28, 28), (64, 1, 1)]) == [
        "64×28×28 and 64×1×1, sizes of 1 stretched = 64×28×28"
    ]
    assert explained(name, [(1, 3, 1), (8, 1, 1), (1, 1, 2)]) == [
        "1×3×1 and 8×1×1 and 1×1×2, sizes of 1 stretched = 8×3×2"
    ]
    assert explained(name, [(8, 2, 2)] * 3) == ["3 inputs of 8×2×2, element by element"]


def test_a_factor_is_explained() -> None:
    assert explained("add", [(8, 2, 2)] * 2, alpha=0.17) == [
        "2 inputs of 8×2×2, element by element",
        "the first + 0.17 · the second",
    ]
