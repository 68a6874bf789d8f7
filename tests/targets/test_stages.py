"""Stages that are alike but for numbers are made by one method."""

from typing import Any

import torch

from tests.targets.networks import Row, body, build, check, generate

UNIT: Row = {
    "args": {"width": None, "stride": 1, "groups": 1},
    "layers": [
        {
            "name": "conv",
            "op": "conv2d",
            "out_channels": "width",
            "kernel_size": 3,
            "stride": "stride",
            "padding": 1,
            "groups": "groups",
        },
        {"op": "relu"},
    ],
}


def stage(number: int, width: int, **more: Any) -> Row:
    row = {"name": f"stage{number}", "op": "Unit", "repeat": number + 1, "width": width}
    return {**row, "stride": "2 if i == 0 else 1", **more}


def text_of(*rows: Row, blocks: Row | None = None) -> str:
    return body(generate(check([*rows], (4, 32, 32), blocks=blocks or {"Unit": UNIT})))


def test_three_stages_are_made_by_one_method() -> None:
    text = text_of(*(stage(i, 8 * i) for i in (1, 2, 3)))
    assert "    @staticmethod\n    def _make_stage(" in text
    assert text.count("nn.Sequential(") == 1
    assert "self.stage2 = self._make_stage(8, 16, 3)" in text


def test_two_stages_are_written_down() -> None:
    assert "def _make" not in text_of(stage(1, 8), stage(2, 16))


def test_what_is_not_alike_stays() -> None:
    other: Row = {"args": {"width": None, "stride": 1}, "layers": UNIT["layers"][:1]}
    other["layers"] = [{**other["layers"][0], "groups": 1}]
    rows = [stage(1, 8), {**stage(2, 16), "op": "Other"}, stage(3, 16)]
    assert "def _make" not in text_of(*rows, blocks={"Unit": UNIT, "Other": other})


def test_what_one_stage_leaves_out_is_the_default_of_its_class() -> None:
    rows = [stage(1, 8), *(stage(i, 8 * i, groups=4) for i in (2, 3, 4))]
    text = text_of(*rows)
    assert "groups: int = 4" in text
    assert "self._make_stage(4, 8, 2, groups=1)" in text


def test_the_first_or_the_last_may_be_another_one() -> None:
    rows = [stage(i, 8 * i) for i in (1, 2, 3)]
    first = {**stage(0, 4), "repeat": 2, "stride": "2 if i == 1 else 1", "groups": "1 + i"}
    text = text_of(first, *rows)
    assert text.count("self._make_stage(") == 3
    assert "self.stage0 = nn.Sequential(" in text


def test_they_compute_what_the_spec_says() -> None:
    checked = check([stage(i, 8 * i) for i in (1, 2, 3)], (4, 32, 32), blocks={"Unit": UNIT})
    network = build(checked)
    assert network(torch.zeros(1, 4, 32, 32).double()).shape == (1, 24, 4, 4)
    assert len([*network.get_submodule("stage3").children()]) == 4
    first, second = (network.get_submodule(f"stage3.{i}.conv") for i in (0, 1))
    assert first.stride == (2, 2)
    assert second.in_channels == 24
