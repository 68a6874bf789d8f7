"""Values of forward go by the names that the spec gives them where they are read again later."""

from typing import Any

import torch

from tests.targets.networks import Row, body, build, check, generate


def conv(name: str, reads: str = "", **more: Any) -> Row:
    row = {"name": name, "op": "conv2d", "out_channels": 4, "kernel_size": 1, **more}
    return {**row, "from": reads} if reads else row


def forward_of(*rows: Row, **keys: Any) -> list[str]:
    """The statements of the last forward, as written; the network has to run."""
    checked = check([*rows], (4, 8, 8), **keys)
    build(checked)(torch.zeros(1, 4, 8, 8).double())
    text = body(generate(checked))
    lines = text[text.rindex("def forward") :].splitlines()[1:]
    return [line.strip() for line in lines if line.strip()]


def test_what_is_read_again_behind_other_steps_keeps_its_name() -> None:
    assert forward_of(
        conv("enc1"),
        {"op": "max_pool", "kernel_size": 2},
        conv("enc2"),
        {"name": "up", "op": "upsample", "scale_factor": 2},
        {"op": "concat", "from": ["up", "enc1"]},
        conv("head"),
    )[:3] == [
        "enc1 = self.enc1(x)",
        "x = F.max_pool2d(enc1, kernel_size=2)",
        "x = self.enc2(x)",
    ]


def test_a_named_value_is_no_variable_of_the_chain_behind_it() -> None:
    found = forward_of(
        conv("a"), conv("b"), conv("c"), conv("d"), {"op": "add", "from": ["d", "a"]}, conv("e")
    )
    assert found[0] == "a = self.a(x)"
    assert not any(line.startswith("a =") for line in found[1:])


def test_branches_keep_their_names() -> None:
    found = forward_of(
        conv("squeeze", activation="relu"),
        conv("left", "squeeze", activation="relu"),
        conv("right", "squeeze", activation="relu"),
        {"op": "concat", "from": ["left", "right"]},
    )
    assert found == [
        "squeeze = F.relu(self.squeeze(x))",
        "left = F.relu(self.left(squeeze))",
        "right = F.relu(self.right(squeeze))",
        "return torch.cat([left, right], dim=1)",
    ]


def test_cells_keep_the_names_of_their_sums() -> None:
    found = forward_of(
        conv("prev"),
        conv("cur", "input"),
        conv("left", "cur"),
        {"name": "first", "op": "add", "from": ["left", "prev"]},
        conv("other", "prev"),
        {"name": "second", "op": "add", "from": ["other", "first"]},
        {"name": "third", "op": "mul", "from": ["second", "cur"]},
        {"op": "concat", "from": ["first", "second", "third"]},
    )
    assert found == [
        "prev = self.prev(x)",
        "cur = self.cur(x)",
        "first = self.left(cur) + prev",
        "second = self.other(prev) + first",
        "return torch.cat([first, second, second * cur], dim=1)",
    ]


def test_a_shortcut_is_called_so() -> None:
    found = forward_of(
        conv("conv1", norm="batch_norm", activation="relu"),
        conv("conv2", norm="batch_norm"),
        conv("shortcut", norm="batch_norm", reads="input"),
        {"op": "add", "from": ["conv2", "shortcut"]},
        {"op": "relu"},
    )
    assert found[0].startswith("out = ")
    assert "shortcut = self.shortcut_norm(self.shortcut(x))" in found


def test_what_a_map_is_multiplied_with_is_a_scale() -> None:
    found = forward_of(
        {"name": "pool", "op": "adaptive_avg_pool"},
        conv("fc1", activation="relu"),
        conv("fc2", activation="sigmoid"),
        {"op": "mul", "from": ["fc2", "input"]},
    )
    assert found[0] == "scale: torch.Tensor = self.pool(x)"
    assert found[-1] == "return scale * x"


def test_several_outputs_keep_their_names() -> None:
    found = forward_of(
        conv("stem"),
        conv("coarse"),
        conv("fine", "stem"),
        outputs={"low": "coarse", "high": "fine"},
    )
    assert found == [
        "stem = self.stem(x)",
        "coarse = self.coarse(stem)",
        "return NetOutputs(coarse, self.fine(stem))",
    ]


def test_a_name_that_python_has_is_no_variable() -> None:
    found = forward_of(conv("max"), conv("b"), conv("c"), {"op": "add", "from": ["c", "max"]})
    assert not any(line.startswith("max =") for line in found)


def test_what_a_gate_gives_is_no_scale() -> None:
    found = forward_of(
        conv("conv", norm="batch_norm"),
        {"name": "squeeze", "op": "adaptive_avg_pool"},
        conv("gate", activation="sigmoid"),
        {"name": "gated", "op": "mul", "from": ["conv", "gate"]},
        conv("long_name_of_a_step", norm="batch_norm"),
        {"op": "add", "from": ["long_name_of_a_step", "input"]},
    )
    assert found[:4] == [
        "conv = self.conv_norm(self.conv(x))",
        "scale = self.squeeze(conv)",
        "scale = torch.sigmoid(self.gate(scale))",
        "out: torch.Tensor = conv * scale",
    ]


def test_the_trunk_of_a_network_is_no_branch() -> None:
    found = forward_of(
        conv("stem"),
        conv("layer1"),
        conv("layer2"),
        conv("layer3"),
        conv("low", "layer1"),
        {"op": "concat", "from": ["layer3", "low"]},
        conv("head"),
    )
    assert found[:4] == [
        "x = self.stem(x)",
        "layer1 = self.layer1(x)",
        "x = self.layer2(layer1)",
        "layer3 = self.layer3(x)",
    ]


def test_what_a_concat_reads_beside_what_follows_from_it_keeps_its_name() -> None:
    pool: Row = {"op": "max_pool", "kernel_size": 3, "stride": 1, "padding": 1}
    found = forward_of(
        conv("first"),
        {"name": "y1", **pool},
        {"name": "y2", **pool},
        {"name": "y3", **pool},
        {"op": "concat", "from": ["first", "y1", "y2", "y3"]},
    )
    assert found == [
        "first = self.first(x)",
        "y1 = self.y1(first)",
        "y2 = self.y2(y1)",
        "return torch.cat([first, y1, y2, self.y3(y2)], dim=1)",
    ]


def test_two_parts_of_a_network_stand_on_two_lines() -> None:
    parts = [{"name": name, "layers": [conv("a"), conv("b")]} for name in ("stage1", "stage2")]
    assert forward_of(*parts) == ["x = self.stage1(x)", "x = self.stage2(x)", "return x"]
