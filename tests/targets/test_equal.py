"""Arguments that are the same in every use of a class are one."""

import pytest

from tests.targets.networks import Row, build, check, generate, tensors_counted

BLOCK: Row = {
    "args": {"width": None},
    "layers": [
        {"name": "a", "op": "conv2d", "out_channels": 4, "kernel_size": 1},
        {"name": "b", "op": "conv2d", "out_channels": "width", "kernel_size": 1},
    ],
}
SAME: Row = {"op": "Block", "width": 8}


def text_of(*rows: Row, block: Row = BLOCK) -> str:
    checked = check([*rows], (8, 6, 6), blocks={"Block": block})
    counted = {name: shape for name, (shape, _) in tensors_counted(checked).items()}
    assert counted == {n: tuple(t.shape) for n, t in build(checked).state_dict().items()}
    return generate(checked)


def signature(text: str) -> str:
    return text[text.index("(self, ") + 7 : text.index(") -> None")]


@pytest.mark.parametrize(
    "rows",
    [
        [SAME | {"name": "one"}, SAME | {"name": "two"}],
        [SAME | {"name": "several", "repeat": 3}],
        [
            {"name": "first", "op": "conv2d", "out_channels": 6, "kernel_size": 1},
            {"name": "one", "op": "Block", "width": 6},
            {"name": "more", "op": "conv2d", "out_channels": 8, "kernel_size": 1},
            SAME | {"name": "two"},
        ],
    ],
)
def test_a_width_that_is_what_arrives_is_no_argument(rows: list[Row]) -> None:
    text = text_of(*rows)
    assert signature(text) == "in_channels: int"
    assert "nn.Conv2d(4, in_channels, kernel_size=1)" in text
    assert "Block(8)" in text


def test_a_width_that_is_another_once_is_one() -> None:
    text = text_of(SAME | {"name": "one"}, {"name": "two", "op": "Block", "width": 4})
    assert signature(text) == "in_channels: int, width: int"


def test_numbers_that_are_the_same_once_say_nothing() -> None:
    assert signature(text_of(SAME | {"name": "one"})) == "in_channels: int, width: int"


def test_what_is_taken_out_is_the_right_one() -> None:
    block: Row = {
        "args": {"hidden": None, "width": None, "bias": True},
        "layers": [
            {"name": "a", "op": "conv2d", "out_channels": "hidden", "kernel_size": 1},
            {
                "name": "b",
                "op": "conv2d",
                "out_channels": "width",
                "kernel_size": 1,
                "bias": "bias",
            },
        ],
    }
    first: Row = {"name": "one", "op": "Block", "hidden": 4, "width": 8}
    text = text_of(first, first | {"name": "two", "hidden": 6, "bias": False}, block=block)
    assert "Block(8, 4)" in text
    assert "Block(8, 6, bias=False)" in text


def test_classes_that_stand_for_each_other_keep_their_arguments() -> None:
    other = BLOCK | {"layers": BLOCK["layers"][1:]}
    blocks = {"Block": BLOCK, "Other": other}
    rows: list[Row] = [{"name": n, "op": "kind", "width": 8} for n in ("one", "two")]
    family = {"vars": {"kind": "Block"}, "variants": {"a": {}, "b": {"kind": "Other"}}}
    text = generate(check(rows, (8, 6, 6), blocks=blocks, **family))
    assert text.count("(self, in_channels: int, width: int)") == len(blocks)
