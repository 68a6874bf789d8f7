"""The ways to write a step are worked out once for all that its emitter does not ask about."""

from typing import Any

import pytest

from archspec import check, check_text
from archspec.api import Check
from archspec.targets.torch.emit import Spelling, WatchedRow, spell_step
from archspec.targets.torch.storage import Expected
from archspec.targets.torch.validate import Validator

SIZES = """\
archspec: 1
name: Sizes
input: [4, 9, 8]
layers:
  - {op: conv2d, out_channels: 4, kernel_size: 2, stride: 2, padding: same}
  - {op: max_pool, kernel_size: 3, stride: 2, padding: same}
  - {op: conv2d, out_channels: 8, kernel_size: 2, padding: same}
  - {op: batch_norm}
  - {op: relu}
  - {op: conv2d, out_channels: 4, kernel_size: 2, padding: same}
  - {op: batch_norm}
  - {op: relu}
  - {op: mean, keepdim: true}
  - {op: permute, dims: [0, 2, 3, 1]}
  - {op: layer_norm}
  - {op: permute, dims: [0, 3, 1, 2]}
  - {op: pad_channels, before: 1}
  - {op: flatten}
  - {op: pad_channels, before: 1}
  - {op: relu}
  - {op: batch_norm}
"""
SPECS = ["lenet5_1998", "mobilenet_v3", "inception_v3", "convnext", "alexnet_two_gpu", "densenet"]


def members(checked: Check) -> tuple[Check, ...]:
    assert checked.ok, checked.diagnostics
    return checked.family or (checked,)


def plain(way: Expected) -> Any:
    """What of a way can be compared; `repr` tells 1 from 1.0."""
    made = (way.key, way.parameter, way.bare, way.overwrites)
    return repr((*made, way.function is None, way.padding is None))


@pytest.mark.parametrize("spec", ["sizes", *SPECS])
def test_a_way_that_was_known_is_the_one_that_is_found_anew(spec: str) -> None:
    shared = Validator(())
    for member in members(check_text(SIZES) if spec == "sizes" else check(f"specs/{spec}.yaml")):
        network = member.network
        assert network is not None
        for node, twin in zip(network.nodes, network.twins, strict=True):
            if node.index == twin:
                alone = Validator(()).expect(node, network)
                assert plain(shared.expect(node, network)) == plain(alone)


def test_few_of_many_are_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rectifier is one wherever it stands; a norm one for each number of channels."""
    asked: list[str] = []

    def counted(op: Any, row: WatchedRow) -> Spelling:
        asked.append(op.op_name)
        return spell_step(op, row)

    monkeypatch.setattr("archspec.targets.torch.validate.spell_step", counted)
    (member,) = members(check_text(SIZES))
    network = member.network
    assert network is not None
    validator = Validator(())
    for node in network.nodes:
        validator.expect(node, network)
    assert (asked.count("relu"), asked.count("batch_norm"), asked.count("conv2d")) == (2, 3, 3)
