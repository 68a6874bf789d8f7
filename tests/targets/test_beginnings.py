"""The loop over all modules is run for one of a kind, and all begin as they would by themselves."""

from typing import Any

import pytest

from archspec.targets.python import tree
from archspec.targets.python.machine import Machine
from archspec.targets.torch.beginnings import only_begins
from archspec.targets.torch.framework import Torch
from archspec.targets.torch.symbols import place
from archspec.targets.torch.validate import IMPORTED
from tests.targets.reader import read

CLASS = """
class Part(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(4, width, kernel_size=3, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.ones_(self.conv.weight)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(4, 4, kernel_size=3)
        self.b = nn.Conv2d(4, 8, kernel_size=3)
        self.c = nn.Conv2d(4, 4, kernel_size=3, bias=False)
        self.d = nn.Conv2d(4, 4, kernel_size=3, groups=4)
        self.parts = nn.Sequential(Part(4), Part(4), Part(6))
        self.plain = nn.BatchNorm2d(4, affine=False)
        self.last = nn.Linear(4, 2)
        nn.init.zeros_(self.b.weight)
        for module in self.modules():
            BODY
"""
PLAIN = """if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.zeros_(module.weight)"""
OF_A_BLOCK = """if isinstance(module, nn.Conv2d):
                nn.init.ones_(module.weight)
            elif isinstance(module, Part):
                nn.init.zeros_(module.norm.weight)"""
BY_GROUPS = """if isinstance(module, nn.Conv2d) and module.groups > 1:
                nn.init.ones_(module.weight)
            elif isinstance(module, nn.Conv2d):
                nn.init.zeros_(module.weight)"""
WITHOUT = """if isinstance(module, nn.BatchNorm2d):
                if module.weight is not None:
                    nn.init.zeros_(module.weight)"""
WITH_A_ROOT = """if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), mode="fan_out")"""
SHORT = {
    "with a root": WITH_A_ROOT,
    "plain": PLAIN,
    "of a block": OF_A_BLOCK,
    "by its groups": BY_GROUPS,
    "where there is one": WITHOUT,
}
LONG = {
    "of another module": (
        "if isinstance(module, nn.Conv2d):\n"
        "                nn.init.ones_(module.weight)\n"
        "                nn.init.zeros_(self.a.weight)"
    ),
    "no question": "nn.init.zeros_(self.last.weight)",
    "the module itself": "if module is self.a:\n                nn.init.zeros_(module.weight)",
    "an assignment": "if isinstance(module, nn.Conv2d):\n                seen = module",
    "a call": "if isinstance(module, nn.Conv2d):\n                self.parts.append(nn.ReLU())",
    "the module as an argument": (
        "if isinstance(module, nn.Conv2d):\n                self.parts.append(module)"
    ),
    "a question behind another": (
        "if self.training and isinstance(module, nn.Conv2d):\n"
        "                nn.init.zeros_(module.weight)"
    ),
}


def loop_of(body: str) -> tree.For:
    *_, net = read(CLASS.replace("BODY", body))
    assert isinstance(net, tree.Class)
    made = net.method("__init__")
    assert made is not None
    loop = made.body[-1]
    assert isinstance(loop, tree.For)
    return loop


def beginnings(body: str) -> dict[str, Any]:
    """How every parameter begins, by the path of its layer."""
    torch = Torch()
    machine = Machine(read(CLASS.replace("BODY", body)), torch, imported=IMPORTED)  # type: ignore[arg-type]  # definitions
    torch.run = machine.call
    placed = place(machine.call(machine.globals["Net"], (), {})).layers
    return {path: layer.inits for path, layer in placed.items()}


@pytest.mark.parametrize("body", SHORT.values(), ids=list(SHORT))
def test_a_shortened_loop_does_what_the_whole_one_does(
    body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert only_begins(loop_of(body))
    shortened = beginnings(body)
    monkeypatch.setattr(Torch, "shorten", lambda *_: None)
    assert shortened == beginnings(body)


@pytest.mark.parametrize("body", LONG.values(), ids=list(LONG))
def test_a_loop_that_does_anything_else_is_not_shortened(body: str) -> None:
    assert not only_begins(loop_of(body))


def test_layers_of_a_kind_are_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    begin = Torch._begin

    def counted(self: Torch, path: str, *rest: Any) -> None:
        runs.append(path)
        begin(self, path, *rest)

    monkeypatch.setattr(Torch, "_begin", counted)
    beginnings(PLAIN)
    # one with and one without a bias, whatever their groups, and four told something before
    assert runs.count("nn.init.kaiming_normal_") == 6
    runs.clear()
    beginnings(BY_GROUPS)
    assert runs.count("nn.init.zeros_") == 1 + 6  # `d` is asked for its groups, and begins in ones
    runs.clear()
    beginnings(WITHOUT)
    assert runs.count("nn.init.zeros_") == 2  # the `b.weight` above, and one of three norms
