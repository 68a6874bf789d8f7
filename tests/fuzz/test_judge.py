"""What is wrong with a module is seen, and rounding is not taken for it."""

from typing import Any

import pytest

from archspec.analysis.fields import Fields
from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import Check, SpecError, check_text
from archspec.diagnostics.generation import ModuleTooLong
from tests.fuzz.failure import Failure
from tests.fuzz.fields import compare_fields
from tests.fuzz.meaning import compare_meaning
from tests.fuzz.proving import prove_one
from tests.fuzz.reports import REPORTS
from tests.fuzz.text import from_yaml
from tests.fuzz.trial import examine

NETWORK = """
archspec: 1
name: Net
input: [3, 8, 8]
vars: {num_classes: 5}
defaults: {batch_norm: {eps: 1e-3, momentum: 0.2}}
layers:
  - {name: conv1, op: conv2d, out_channels: 4, kernel_size: 3, padding: 1, bias: false}
  - {name: norm1, op: batch_norm}
  - {name: act1, op: leaky_relu, negative_slope: 0.2}
  - {name: conv2, op: conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  - {name: drop, op: dropout, p: 0.25}
  - {name: sum, op: add, from: [drop, act1], alpha: 0.5}
  - {name: act2, op: relu}
  - {name: both, op: concat, from: [act2, act1]}
  - {name: pool, op: avg_pool, kernel_size: 3, stride: 2, padding: 1, count_include_pad: false}
  - {name: scale, op: layer_scale, init_value: 0.5}
  - {name: flatten, op: flatten}
  - {name: fc, op: linear, out_features: num_classes}
"""

SOURCE = """
import torch
from torch import nn

__all__ = ["Net"]


class Net(nn.Module):
    def __init__(self, num_classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(4, eps=1e-3, momentum=0.2)
        self.act1 = nn.LeakyReLU(0.2)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.drop = nn.Dropout(0.25)
        self.pool = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.scale = nn.Parameter(torch.full((8, 1, 1), 0.5))
        self.fc = nn.Linear(128, num_classes)

    def forward(self, x):
        x = self.act1(self.norm1(self.conv1(x)))
        out = self.drop(self.conv2(x))
        out = torch.add(out, x, alpha=0.5)
        out = torch.relu(out)
        out = torch.cat([out, x], 1)
        out = self.pool(out) * self.scale
        return self.fc(out.flatten(1))
"""
"""The network, written by hand: what is broken on purpose is broken here."""


def failures_of(source: str, text: str = NETWORK) -> list[Failure]:
    """What the guard says of a module for a spec."""
    return list(examine(text, writer=lambda _: (source, "")).failures)


def broken(*changes: tuple[str, str]) -> str:
    """The module with one thing written otherwise."""
    source = SOURCE
    for right, wrong in changes:
        assert source.count(right) == 1, right
        source = source.replace(right, wrong)
    return source


def test_a_module_that_is_right_passes() -> None:
    assert failures_of(SOURCE) == []


BROKEN = {
    "eps": ("eps=1e-3", "eps=2e-3", "output differs"),
    "momentum": ("momentum=0.2", "momentum=0.1", "statistics differ"),
    "slope": ("LeakyReLU(0.2)", "LeakyReLU(0.3)", "output differs"),
    "chance": ("Dropout(0.25)", "Dropout(0.5)", "output differs"),
    "what is counted": ("count_include_pad=False", "count_include_pad=True", "output differs"),
    "factor": ("alpha=0.5", "alpha=0.25", "output differs"),
    "activation dropped": ("torch.relu(out)", "out", "output differs"),
    "inputs swapped": ("torch.cat([out, x], 1)", "torch.cat([x, out], 1)", "output differs"),
    "shape": ("self.pool(out)", "self.pool(out)[:, :, :1, :1]", "cannot be run"),
    "width": ("num_classes)", "num_classes + 1)", "state differs"),
    "name": ("self.scale = ", "self.factor = ", "state differs"),
    "bias": ("bias=False", "bias=True", "state differs"),
    "parameter and buffer": (
        "self.scale = nn.Parameter(torch.full((8, 1, 1), 0.5))",
        "self.register_buffer('scale', torch.full((8, 1, 1), 0.5))",
        "state differs",
    ),
    "beginning": ("(8, 1, 1), 0.5", "(8, 1, 1), 0.25", "init differs"),
    "syntax": ("def forward", "def def forward", "does not parse"),
    "import": ("import torch\n", "import torch, no_such_module\n", "does not import"),
    "class": ('["Net"]', '["Network"]', "does not import"),
    "constructor": ("super().__init__()", "super().__init__(1, 2)", "cannot be built"),
    "unknown name": ("return self.fc", "return self.head", "cannot be run"),
    "overwritten value": ("out = torch.relu(out)", "out = torch.relu_(out)", ""),
    "value that backward needs": (
        "out = torch.relu(out)",
        "out = torch.relu(out); x += 1; x -= 1",
        "",
    ),
    "saved value overwritten": (
        "self.drop(self.conv2(x))",
        "self.drop(self.conv2(x)); x.mul_(1.0)",
        "cannot be differentiated",
    ),
    "input overwritten": ("x = self.act1(", "x.data.add_(1); x = self.act1(", "input overwritten"),
    "gradient of the input": ("self.conv1(x)", "self.conv1(x.detach())", "gradient differs"),
    "gradient of a parameter": ("* self.scale", "* self.scale.detach()", "gradient differs"),
    "statistics in evaluation": (
        "self.norm1(self.conv1(x))",
        "self.norm1.train()(self.conv1(x))",
        "statistics differ",
    ),
    "in training only": ("alpha=0.5", "alpha=0.5 if self.training else 0.25", "output differs"),
    "operations for nothing": (
        "return self.fc",
        "self.conv1(x[:, :3]); return self.fc",
        "macs differ",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_module_that_is_broken_is_seen(name: str) -> None:
    right, wrong, kind = BROKEN[name]
    found = {failure.kind for failure in failures_of(broken((right, wrong)))}
    assert kind in found if kind else not found & {"output differs", "state differs"}


def test_an_argument_that_is_ignored_is_seen() -> None:
    failures = failures_of(broken(("(128, num_classes)", "(128, 5)")))
    assert [(f.kind, f.where) for f in failures] == [("state differs", "(num_classes=6)")]


def test_a_function_of_a_family_that_ignores_what_follows_from_its_argument_is_seen() -> None:
    text = """
archspec: 1
name: Net
input: [6]
vars: {num_classes: 5, least: ~, hidden: "max(num_classes, least)"}
variants: {small: {least: 4}, large: {least: 8}}
layers:
  - {name: fc1, op: linear, out_features: hidden}
  - {name: fc2, op: linear, out_features: num_classes}
"""
    right = """
from torch import nn

__all__ = ["Net", "small", "large"]


class Net(nn.Sequential):
    def __init__(self, hidden, num_classes):
        super().__init__()
        self.fc1 = nn.Linear(6, hidden)
        self.fc2 = nn.Linear(hidden, num_classes)


def small(num_classes=5):
    return Net(max(num_classes, 4), num_classes)


def large(num_classes=5):
    return Net(max(num_classes, 8), num_classes)
"""
    assert failures_of(right, text) == []
    failures = failures_of(right.replace("max(num_classes, 4)", "5"), text)
    assert [(f.kind, f.where) for f in failures] == [("state differs", "small(num_classes=6)")]


def test_a_function_that_is_missing_is_seen() -> None:
    text = NETWORK + "variants: {small: {num_classes: 3}}\n"
    assert [failure.kind for failure in failures_of(SOURCE, text)] == ["does not import"]


def test_text_that_is_another_the_second_time_is_seen() -> None:
    texts = iter((SOURCE, SOURCE + "# again"))
    outcome = examine(NETWORK, writer=lambda _: (next(texts), ""))
    assert [failure.kind for failure in outcome.failures] == ["not the same twice"]


def test_what_gen_refuses_or_does_not_survive_is_seen() -> None:
    def refusing(check: Check) -> tuple[str, str]:
        raise SpecError(check.document, (ModuleTooLong((), limit=0, form=""),))

    def crashing(check: Check) -> tuple[str, str]:
        raise KeyError(check.name)

    kinds = [examine(NETWORK, writer=writer).failures[0].kind for writer in (refusing, crashing)]
    assert kinds == ["refused", "crash in gen"]


def test_a_plain_form_without_a_reason_is_seen() -> None:
    """The rules may say no; where they go wrong they have said nothing."""

    def failures(plain: str) -> list[str]:
        return [f.kind for f in examine(NETWORK, writer=lambda _: (SOURCE, plain)).failures]

    assert failures("`act1` is several branches") == []
    assert failures("no rule has a form for it (list index out of range)") == ["no reason"]


def test_a_report_that_crashes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def crashing(check: Check) -> None:
        raise KeyError(check.name)

    monkeypatch.setitem(REPORTS, "table", crashing)
    (failure,) = failures_of(SOURCE)
    assert (failure.kind, failure.message) == ("crash in a report", "table: KeyError: 'Net'")


LINKED = """
archspec: 1
name: Net
input: [4, 8, 8]
vars: {deep: false}
blocks:
  Cell:
    inputs: {h: ~, before: optional}
    outputs: {out: sum, prev: h}
    layers:
      - {name: conv, op: conv2d, out_channels: 4, kernel_size: 1}
      - {name: sum, op: add, from: [conv, before]}
layers:
  - {name: stem, op: relu}
  - {name: gone, op: tanh, from: input, when: deep, else: stem}
  - {name: enc, op: sigmoid, repeat: 2, from: gone}
  - {name: dec, op: add, repeat: 2, from: [previous, "enc.{1 - i}"]}
  - {name: cells, op: Cell, repeat: 2, from: [dec, gone]}
  - {name: all, op: concat, branches: {a: {op: relu, beside: 2}, b: []}}
  - {op: concat, from: [all, enc.*, cells.prev]}
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("else: stem", "else: input"),
        ("when: deep", "when: not deep"),
        ("{1 - i}", "{i}"),
        ("from: [dec, gone]", "from: [gone, dec]"),
        ("beside: 2", "beside: 1"),
        ("prev: h", "prev: conv"),
        ("enc.*", "enc.0"),
        ("{a: {op: relu", "{c: {op: relu"),
        ("{op: relu, beside: 2}", "{op: tanh, beside: 2}"),
    ],
)
def test_a_network_that_is_not_what_the_spec_says_is_seen(right: str, wrong: str) -> None:
    """What `check` has wrong is played by the check of another spec."""
    check = check_text(LINKED)
    check.raise_for_errors()
    assert list(compare_meaning(from_yaml(LINKED), check)) == []
    assert LINKED.count(right) == 1
    other = check_text(LINKED.replace(right, wrong))
    other.raise_for_errors()
    (failure,) = compare_meaning(from_yaml(LINKED), other)
    assert failure.kind == "meaning differs"


def test_what_is_not_proven_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    check = check_text(NETWORK)
    monkeypatch.setattr("archspec.proof.run.write", lambda _: SOURCE)
    assert list(prove_one(NETWORK, check)) == []
    monkeypatch.setattr("archspec.proof.run.write", lambda _: broken(BROKEN["slope"][:2]))
    found = list(prove_one(NETWORK, check))
    assert {failure.kind for failure in found} == {"not proven"}
    assert {"constants", "training_step"} <= {f.message.partition(":")[0] for f in found}


def test_a_field_that_is_too_small_is_seen() -> None:
    """A field that `check` has wrong is played by a network whose rows see more than it says."""
    check = check_text(NETWORK)
    assert check.results is not None
    assert check.network is not None
    smaller = ReceptiveField()
    fields = tuple(smaller if f != "global" else f for f in check.results.fields)
    wrong = check._replace(results=check.results._replace(seen=lambda: Fields(fields, fields)))
    namespace: dict[str, Any] = {}
    exec(SOURCE, namespace)  # noqa: S102 - it stands above
    assert compare_fields(check, namespace["Net"]()) == []
    assert [f.kind for f in compare_fields(wrong, namespace["Net"]())] == ["field differs"]


def test_rounding_is_no_fault() -> None:
    """Behind an instance norm of a constant map, a relu decides by what rounding leaves."""
    text = """
archspec: 1
name: Net
input: [4, 6, 6]
layers:
  - {name: pool, op: adaptive_avg_pool}
  - {name: up, op: upsample, size: 3}
  - {name: norm, op: instance_norm, eps: 1e-30}
  - {name: relu, op: relu}
"""
    source = """
from torch import nn

__all__ = ["Net"]


class Net(nn.Module):
    def forward(self, x):
        x = x.sum((2, 3), keepdim=True) / 36
        x = x.expand(-1, -1, 3, 3)
        return nn.functional.instance_norm(x, eps=1e-30).relu()
"""
    assert failures_of(source, text) == []


def test_rounding_that_norms_enlarge_is_no_fault() -> None:
    """A norm of single numbers leaves what rounding makes of 0; two more enlarge it.

    In exact numbers both rows are the same, and the last norm takes every gradient but its own
    away. `x * rstd + (b - mean * rstd)`, which PyTorch computes, is off by more than its output
    shows: by roundings of x, over √eps.
    """
    text = """
archspec: 1
name: Net
input: [10]
layers:
  - {name: fc, op: linear, out_features: 10}
  - {name: one, op: group_norm, num_groups: 10}
  - {name: two, op: layer_norm, normalized_shape: 10}
  - {name: three, op: batch_norm, momentum: 1, eps: 1e-7}
"""
    source = """
from torch import nn

__all__ = ["Net"]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(10, 10)
        self.one = nn.GroupNorm(10, 10)
        self.two = nn.LayerNorm(10)
        self.three = nn.BatchNorm1d(10, momentum=1, eps=1e-7)

    def forward(self, x):
        return self.three(self.two(self.one(self.fc(x))))
"""
    assert failures_of(source, text) == []
    (failure,) = failures_of(source.replace("10, momentum=1,", "10, momentum=0.5,"), text)
    assert failure.kind == "statistics differ"


def test_bins_that_are_no_whole_pixels_may_have_a_larger_field() -> None:
    """One row in two bins: either has a hull of four rows of the input, and sees three of them."""
    text = """
archspec: 1
name: Net
input: [1, 4, 3]
layers:
  - {name: conv, op: conv2d, out_channels: 1, kernel_size: 3, stride: 2, bias: false}
  - {name: pool, op: adaptive_avg_pool, output_size: 2}
"""
    source = """
from torch import nn

__all__ = ["Net"]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, kernel_size=3, stride=2, bias=False)

    def forward(self, x):
        return nn.functional.adaptive_avg_pool2d(self.conv(x), 2)
"""
    assert failures_of(source, text) == []
