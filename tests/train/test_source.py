"""Generated modules: read without running them, and fitted to the data."""

import traceback
from pathlib import Path

import pytest
import torch
from torch import nn

from archspec.train.errors import TrainError
from archspec.train.source import (
    ModuleSource,
    _network_class,
    build_network,
    read_module,
    read_module_file,
)

HEAD = """\
import torch
from torch import nn

__all__ = ["Net", "Other"]

INPUT_SHAPE = (3, 4, 4)


class Net(nn.Module):
"""


def module(body: str) -> ModuleSource:
    return read_module("net", HEAD + body)


def outputs(number: int, *, after: str = "nn.Identity()", argument: str = "") -> ModuleSource:
    return module(f"""\
    def __init__(self{argument}):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(48, {number}), {after})

    def forward(self, x):
        return self.body(x)
""")


def test_reading_finds_class_and_input_without_running() -> None:
    code = '__all__ = ["Net"]\nINPUT_SHAPE: tuple[int, int, int] = (1, 28, 30)\nraise SystemExit\n'
    source = read_module("net", code)
    assert (source.class_name, source.input_shape) == ("Net", (1, 28, 30))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def", "not a Python module"),
        ("\0", "not a Python module"),
        ("(" * 5000, "not a Python module"),
        ("INPUT_SHAPE = (3, 4, 4)", "no __all__"),
        ("__all__ = []", "no __all__"),
        ("__all__ = ['A']", "no INPUT_SHAPE"),
        ("__all__ = ['A']\nINPUT_SHAPE = (3, 0, 4)", "no INPUT_SHAPE"),
        ("__all__ = ['A']\nINPUT_SHAPE = (3, len('ab'), 4)", "no INPUT_SHAPE"),
    ],
)
def test_other_texts_are_refused(code: str, message: str) -> None:
    with pytest.raises(TrainError, match=message) as caught:
        read_module("net", code)
    assert caught.value.exit_code == 2


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"cannot read .*net\.py: No such file"):
        read_module_file(tmp_path / "net.py")


def test_the_number_of_classes_comes_from_the_data(tiny: ModuleSource) -> None:
    network = build_network(tiny, 7)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_arguments_are_passed_and_unknown_ones_refused(tiny: ModuleSource) -> None:
    wide = build_network(ModuleSource("t", tiny.code, "Tiny", (3, 32, 32), {"width": 20}), 2)
    assert wide.get_parameter("features.0.weight").shape[0] == 20
    with pytest.raises(TrainError, match="no 'depth'; it takes num_classes, width"):
        build_network(ModuleSource("t", tiny.code, "Tiny", (3, 32, 32), {"depth": 2}), 2)
    with pytest.raises(TrainError, match="num_classes is set to 3: the data has 2"):
        build_network(ModuleSource("t", tiny.code, "Tiny", (3, 32, 32), {"num_classes": 3}), 2)


def test_a_network_without_num_classes_has_to_fit() -> None:
    assert build_network(outputs(5), 5)(torch.zeros(1, 3, 4, 4)).shape == (1, 5)
    with pytest.raises(TrainError, match=r"5 classes do not fit: its output is \[10\], and it"):
        build_network(outputs(10), 5)


def test_a_module_that_fails_is_told_not_raised() -> None:
    with pytest.raises(TrainError, match="does not run: ZeroDivisionError"):
        build_network(module("    x = 1 / 0\n"), 5)
    with pytest.raises(TrainError, match="the network cannot be run"):
        build_network(ModuleSource("net", outputs(5).code, "Net", (3, 5, 5)), 5)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("__all__ = ['x']\nx = 3", "x is not a class of torch.nn.Module"),
        ("__all__ = ['x']\ndef x(): pass", "x is not a class of torch.nn.Module"),
        ("__all__ = ['x']\nraise SystemExit", "does not run: SystemExit"),
        ("__all__ = ['x']", "does not run: AttributeError"),
    ],
)
def test_a_module_without_a_network_is_told(code: str, message: str) -> None:
    with pytest.raises(TrainError, match=message):
        build_network(read_module("net", f"{code}\nINPUT_SHAPE = (3, 4, 4)"), 5)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise SystemExit(0)", "cannot be run: SystemExit: 0"),
        ("return self.f(x), x", "a tuple, not one tensor"),
        ("return None", "a NoneType, not one tensor"),
        ("return self.f(x).argmax(1)", "of torch.int64"),
        ("return self.f(x).sum()", "0-dimensional"),
        ("return x.flatten(1)[:, :5]", "no parameters to train"),
        ("return self.f(x).detach()", "no parameters to train"),
        ("return (self.f(x), x) if self.training else self.f(x)", r"its output is \[3, 4, 4\]"),
    ],
)
def test_what_cannot_be_trained_is_told(body: str, message: str) -> None:
    source = module(f"""\
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))

    def forward(self, x):
        {body}
""")
    with pytest.raises(TrainError, match=message):
        build_network(source, 5)


def test_a_network_that_needs_numbers_is_tried_on_them() -> None:
    cumulative = outputs(5, after="nn.BatchNorm1d(5, momentum=None)")  # asks its counter
    assert build_network(cumulative, 5)(torch.zeros(2, 3, 4, 4)).shape == (2, 5)


def test_batches_too_small_for_batch_norm_are_told() -> None:
    source = outputs(5, after="nn.BatchNorm1d(5)")
    build_network(source, 5, batch_size=2)
    with pytest.raises(TrainError, match="cannot be trained on batches of 1: ValueError"):
        build_network(source, 5, batch_size=1)


def test_tracebacks_show_the_modules_lines() -> None:
    source = module("    def forward(self, x):\n        return x + missing_name\n")
    network = build_network_unchecked(source)
    with pytest.raises(NameError) as caught:
        network(torch.zeros(1))
    assert "return x + missing_name" in "".join(traceback.format_exception(caught.value))


def build_network_unchecked(source: ModuleSource) -> nn.Module:
    network: nn.Module = _network_class(source)()
    return network
