"""Networks with several outputs: named ones in training, the result alone in evaluation."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.api import Check, check_text, write
from tests.targets.networks import batch, made_by, module_of

HEADS = """
archspec: 1
name: Heads
input: [3, 8, 8]
vars: {aux_logits: true}
outputs: {logits: fc, aux: {from: side, training_only: true, optional: true}}
layers:
  - {name: stem, op: conv2d, out_channels: 4, kernel_size: 3}
  - {name: side, op: conv2d, out_channels: 2, kernel_size: 1, when: aux_logits}
  - {name: body, op: conv2d, out_channels: 4, kernel_size: 3, from: stem}
  - {name: fc, op: conv2d, out_channels: 3, kernel_size: 1}
"""
LEVELS = """
archspec: 1
name: Levels
input: [3, 8, 8]
outputs: {low: stem, high: top}
layers:
  - {name: stem, op: conv2d, out_channels: 4, kernel_size: 3}
  - {name: top, op: conv2d, out_channels: 6, kernel_size: 3, stride: 2}
"""


def made(checked: Check) -> torch.nn.Module:
    return made_by(module_of(checked), checked).double()


def test_training_gives_all_of_them_by_name_and_evaluation_the_result() -> None:
    network, x = made(check_text(HEADS)), batch((3, 8, 8))
    given = network.train()(x)
    assert given._fields == ("logits", "aux")
    assert (given.logits.shape, given.aux.shape) == ((2, 3, 4, 4), (2, 2, 6, 6))
    result = network.eval()(x)
    assert torch.equal(result, given.logits)


FAMILY = HEADS.replace(
    "outputs:", "variants:\n  whole: {}\n  without: {aux_logits: false}\noutputs:"
)


def test_a_head_that_a_variant_leaves_out_gives_none() -> None:
    module = module_of(check_text(FAMILY))
    whole, without = (made().double() for made in (module.whole, module.without))
    assert not any(name.startswith("side") for name in without.state_dict())
    assert whole.train()(batch((3, 8, 8))).aux.shape == (2, 2, 6, 6)
    given = without.train()(batch((3, 8, 8)))
    assert given.aux is None
    assert given.logits.shape == (2, 3, 4, 4)
    assert isinstance(without.eval()(batch((3, 8, 8))), torch.Tensor)


def test_a_head_that_is_not_there_gives_nothing_back() -> None:
    checked = check_text(HEADS, overrides={"aux_logits": False})
    network = made(checked)
    given = network.train()(batch((3, 8, 8)))
    if not isinstance(given, torch.Tensor):
        assert getattr(given, "aux", None) is None
        given = given.logits
    assert given.shape == (2, 3, 4, 4)


def test_evaluation_does_not_run_a_head_for_training() -> None:
    network = made(check_text(HEADS)).eval()
    ran: list[str] = []
    network.get_submodule("side").register_forward_hook(lambda *_: ran.append("side"))
    network(batch((3, 8, 8)))
    assert ran == []
    network.train()(batch((3, 8, 8)))
    assert ran == ["side"]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_outputs_that_are_always_there(training: bool) -> None:  # noqa: FBT001 - a parameter
    network = made(check_text(LEVELS)).train(training)
    given = network(batch((3, 8, 8)))
    assert given._fields == ("low", "high")
    assert (given.low.shape, given.high.shape) == ((2, 4, 6, 6), (2, 6, 2, 2))
    assert torch.equal(given.low, network.get_submodule("stem")(batch((3, 8, 8))))


@pytest.mark.parametrize(
    ("spec", "heads"),
    [
        ("googlenet", {"logits": 1000, "aux1": 1000, "aux2": 1000}),
        ("inception_v3", {"logits": 1000, "aux": 1000}),
    ],
)
def test_networks_of_the_zoo_with_heads_for_training(spec: str, heads: dict[str, int]) -> None:
    checked = archspec.check(spec)
    assert checked.network is not None
    assert checked.network.input_shape is not None
    module = module_of(checked)
    with torch.device("meta"):
        x = torch.empty(2, *checked.network.input_shape)
        network = made_by(module, checked)
        given = network.train()(x)
        assert {name: tensor.shape[1] for name, tensor in given._asdict().items()} == heads
        assert tuple(network.eval()(x).shape) == (2, 1000)
        fewer = archspec.build(spec, aux_logits=False).train()
        outputs = fewer(x)
    assert not any(name.lower().startswith("aux") for name in fewer.state_dict())
    assert isinstance(outputs, torch.Tensor) or [o is None for o in outputs][1:] == [True] * (
        len(heads) - 1
    )


def test_what_is_returned_is_typed() -> None:
    text = write(check_text(HEADS))
    assert "class HeadsOutputs(NamedTuple):" in text
    assert "aux: torch.Tensor\n" in text
    assert "aux: torch.Tensor | None\n" in write(check_text(FAMILY))  # a variant is without it
    assert "-> HeadsOutputs | torch.Tensor:" in text or "-> torch.Tensor | HeadsOutputs:" in text


EMPTY = """
archspec: 1
name: Empty
input: [3, 4, 4]
outputs: {high: top, low: never}
layers:
  - {name: never, op: relu, each: [], else: input}
  - {name: top, op: conv2d, out_channels: 2, kernel_size: 1}
"""


def test_an_output_may_name_a_step_that_is_repeated_no_time() -> None:
    """Nothing is there, and what its name stands for is the output."""
    network, x = made(check_text(EMPTY)), batch((3, 4, 4))
    given = network(x)
    assert given._fields == ("high", "low")
    assert torch.equal(given.low, x)


UNREAD = """
archspec: 1
name: Unread
input: [3, 4, 4]
blocks:
  Pair:
    layers:
      - {name: dead, op: conv2d, out_channels: 7, kernel_size: 1}
      - {name: relu, op: relu, from: input}
layers:
  - {name: pair, op: Pair}
  - {name: lost, op: conv2d, out_channels: 5, kernel_size: 3}
  - {name: last, op: conv2d, out_channels: 2, kernel_size: 1, from: pair}
"""


@pytest.mark.parametrize("training", [True, False])
def test_what_nothing_reads_is_there_and_not_run(*, training: bool) -> None:
    checked = check_text(UNREAD)
    network, x = made(checked).train(training), batch((3, 4, 4), size=1)
    assert {"pair.dead.weight", "lost.weight"} < network.state_dict().keys()
    with FlopCounterMode(display=False) as counter:
        network(x)
    assert counter.get_total_flops() == 2 * (checked.totals.macs or 0) == 2 * 3 * 2 * 16
