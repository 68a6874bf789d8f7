"""The first, or the last, of repeated modules stands apart where it is another one."""

from tests.targets.networks import Row, body, build, check, generate, tensors_counted

UNIT: Row = {
    "args": {"width": None, "stride": 1},
    "layers": [
        {
            "name": "conv",
            "op": "conv2d",
            "out_channels": "width",
            "kernel_size": 3,
            "stride": "stride",
            "padding": 1,
        },
        {"op": "relu"},
    ],
}


def text_of(**more: object) -> str:
    row: Row = {"name": "stage", "op": "Unit", "repeat": 4, "width": 8, **more}
    checked = check([row], (4, 32, 32), blocks={"Unit": UNIT})
    counted = {name: shape for name, (shape, _) in tensors_counted(checked).items()}
    assert counted == {n: tuple(t.shape) for n, t in build(checked).state_dict().items()}
    return body(generate(checked))


def test_the_first_is_apart() -> None:
    text = text_of(stride="2 if i == 0 else 1")
    assert "Unit(4, 8, stride=2),\n" in text
    assert "*[Unit(8, 8) for _ in range(3)],\n" in text
    assert " if i" not in text


def test_the_last_is_apart() -> None:
    text = text_of(width=4, stride="2 if i == 3 else 1")
    assert "*[Unit(4) for _ in range(3)],\n            Unit(4, stride=2),\n" in text


def test_both_ends_are_apart_where_there_are_as_many() -> None:
    text = text_of(stride="2 if i == 3 else 1")
    assert "Unit(4, 8),\n            *[Unit(8, 8) for _ in range(2)],\n" in text
    assert "            Unit(8, 8, stride=2),\n" in text


def test_one_other_needs_no_loop() -> None:
    text = text_of(stride="2 if i == 0 else 1", repeat=2)
    assert "Unit(4, 8, stride=2),\n            Unit(8, 8),\n" in text
    assert "range" not in text


def test_where_others_are_counted_all_are() -> None:
    text = text_of(width="8 * (i + 1)")
    assert "for i in range(4)" in text
