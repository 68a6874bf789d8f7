"""Modules that may be missing are chosen where they are made, or called where they are there."""

from tests.targets.networks import Row, build, check, generate, tensors_counted

CONV: Row = {"op": "conv2d", "out_channels": "in_channels", "kernel_size": 1}


def text_of(*rows: Row) -> str:
    block = {"args": {"stride": 1}, "layers": [{"name": "a", **CONV}, *rows]}
    uses: list[Row] = [{"name": "one", "op": "B"}, {"name": "two", "op": "B", "stride": 2}]
    checked = check(uses, (4, 16, 16), blocks={"B": block})
    counted = {name: shape for name, (shape, _) in tensors_counted(checked).items()}
    assert counted == {n: tuple(t.shape) for n, t in build(checked).state_dict().items()}
    return generate(checked)


def test_a_short_module_is_chosen_on_one_line() -> None:
    text = text_of({"name": "pool", "op": "max_pool", "kernel_size": 2, "when": "stride > 1"})
    assert "self.pool = nn.MaxPool2d(kernel_size=2) if stride > 1 else nn.Identity()\n" in text


def test_the_contrary_of_a_condition_is_turned_round() -> None:
    row: Row = {"name": "act", "op": "prelu", "when": "not stride > 1"}
    assert "self.act = nn.Identity() if stride > 1 else nn.PReLU()\n" in text_of(row)


def test_a_long_module_stands_under_its_condition() -> None:
    row: Row = {"name": "down", **CONV, "stride": "stride", "groups": 2, "when": "stride > 1"}
    text = text_of(row)
    assert "        self.down: nn.Module = nn.Identity()\n        if stride > 1:\n" in text


def test_a_convolution_and_its_norm_are_called_where_they_are_there() -> None:
    row: Row = {"name": "down", **CONV, "stride": "stride", "norm": "batch_norm"}
    text = text_of(row | {"when": "stride > 1"}, {"name": "b", **CONV})
    assert "self.stride = stride\n        if stride > 1:\n            self.down = nn." in text
    assert "if self.stride > 1:\n            x = self.down_norm(self.down(x))\n" in text
    assert "Identity" not in text
