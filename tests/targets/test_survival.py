"""Networks with paths, conditions and loops survive what PyTorch does to modules."""

import copy
import importlib
import pickle
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

import archspec
from archspec.api import check_text, write
from tests.targets.networks import batch

HEAD = "archspec: 1\nname: Net\ninput: [3, 33, 31]\n"
TAIL = """
  - {name: pool, op: adaptive_avg_pool, output_size: 1}
  - {name: flatten, op: flatten}
  - {name: fc, op: linear, out_features: 5}
"""
NETWORKS = {
    "residual": """
blocks:
  Basic:
    args: {width: ~, stride: 1}
    layers:
      - {name: conv1, op: conv2d, out_channels: width, kernel_size: 3, stride: stride, padding: 1}
      - {name: bn1, op: batch_norm}
      - {op: relu}
      - {name: conv2, op: conv2d, out_channels: width, kernel_size: 3, padding: 1}
      - {name: bn2, op: batch_norm}
      - name: downsample
        from: input
        when: stride != 1 or in_channels != width
        layers: [{op: conv2d, out_channels: width, kernel_size: 1, stride: stride}]
      - {op: add, from: [bn2, downsample]}
      - {op: relu}
layers:
  - {name: stem, op: conv2d, out_channels: 8, kernel_size: 3, padding: [1, 2], stride: 2}
  - {name: layer1, op: Basic, width: 8, repeat: 2}
  - {name: layer2, op: Basic, width: 12, stride: 2 if i == 0 else 1, repeat: 2}
""",
    "branches": """
blocks:
  Mix:
    args: {width: ~}
    layers:
      - op: concat
        branches:
          one: {op: conv2d, out_channels: width, kernel_size: 1}
          three:
            - {op: conv2d, out_channels: width, kernel_size: 1}
            - {op: relu}
            - {op: conv2d, out_channels: width, kernel_size: 3, padding: same}
          pool:
            - {op: max_pool, kernel_size: 3, stride: 1, padding: 1}
            - {op: conv2d, out_channels: width, kernel_size: 1}
layers:
  - {name: stem, op: conv2d, out_channels: 6, kernel_size: 3, stride: 2, padding: same}
  - {name: mix, op: Mix, width: 4 + i, repeat: 2}
""",
    "gate": """
blocks:
  Inverted:
    args: {width: ~, stride: 1, rate: 0.0}
    vars: {hidden: in_channels * 2}
    layers:
      - {name: expand, op: conv2d, out_channels: hidden, kernel_size: 1, activation: hardswish}
      - name: dw
        op: conv2d
        out_channels: hidden
        kernel_size: 3
        stride: stride
        padding: 1
        groups: hidden
        norm: batch_norm
      - {name: squeeze, op: adaptive_avg_pool, output_size: 1}
      - {name: fc1, op: conv2d, out_channels: hidden // 4, kernel_size: 1, activation: relu}
      - {name: fc2, op: conv2d, out_channels: hidden, kernel_size: 1}
      - {name: gate, op: hardsigmoid}
      - {name: scale, op: mul, from: [gate, dw]}
      - {name: project, op: conv2d, out_channels: width, kernel_size: 1}
      - {name: drop, op: dropout, p: rate, when: rate > 0}
      - {op: add, from: [drop, input], when: stride == 1 and in_channels == width}
layers:
  - {name: stem, op: conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - name: features
    each: [{c: 8, s: 1}, {c: 12, s: 2}, {c: 12, s: 1}]
    op: Inverted
    width: c
    stride: s
""",
    "dense": """
blocks:
  Layer:
    args: {growth: ~}
    layers:
      - {name: norm, op: batch_norm}
      - {op: relu}
      - {name: conv, op: conv2d, out_channels: growth, kernel_size: 3, padding: 1}
      - {op: concat, from: [input, conv]}
  Dense:
    args: {growth: ~, depth: ~}
    layers: [{name: "layer{i + 1}", op: Layer, growth: growth, repeat: depth}]
layers:
  - {name: stem, op: conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - {name: dense1, op: Dense, growth: 4, depth: 3}
  - {name: transition, op: avg_pool, kernel_size: 2}
  - {name: dense2, op: Dense, growth: 4, depth: 2}
""",
}
SIZE = (3, 33, 31)


@pytest.fixture(params=NETWORKS)
def imported(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModuleType]:
    """A generated file, imported as anybody would."""
    name = f"survives_{request.param}"
    text = write(check_text(HEAD + NETWORKS[request.param] + TAIL.lstrip("\n")))
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    sys.path.insert(0, str(tmp_path))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()


@pytest.fixture
def module(imported: ModuleType) -> nn.Module:
    """The network in evaluation, with statistics that are not the default."""
    torch.manual_seed(0)
    made: nn.Module = imported.Net().eval().double()
    for buffer in made.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2)
    return made


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_symbolic_trace(module: nn.Module, training: bool) -> None:  # noqa: FBT001 - a parameter
    module.train(training)
    traced = torch.fx.symbolic_trace(module)
    for x in (batch(SIZE), batch((3, 40, 36))):
        torch.manual_seed(1)
        expected = copy.deepcopy(module)(x)
        torch.manual_seed(1)
        torch.testing.assert_close(copy.deepcopy(traced)(x), expected)


def test_export(module: nn.Module) -> None:
    x = batch(SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        exported = torch.export.export(module, (x,)).module()
    torch.testing.assert_close(exported(x), module(x))


def test_compile_takes_all_of_it(module: nn.Module) -> None:
    x = batch(SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        compiled = torch.compile(module, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(x), module(x))


def test_copies_and_pickles(imported: ModuleType, module: nn.Module) -> None:
    x = batch(SIZE)
    expected = module(x)
    twins = [copy.deepcopy(module), pickle.loads(pickle.dumps(module))]  # noqa: S301 - our own
    for twin in twins:
        assert type(twin) is imported.Net
        assert torch.equal(twin(x), expected)
        assert not {p.data_ptr() for p in twin.parameters()} & {
            p.data_ptr() for p in module.parameters()
        }


def test_channels_last(module: nn.Module) -> None:
    x = batch(SIZE)
    expected = module(x)
    module = module.to(memory_format=torch.channels_last)
    torch.testing.assert_close(module(x.contiguous(memory_format=torch.channels_last)), expected)


def test_another_size_of_input(module: nn.Module) -> None:
    assert module(batch((3, 47, 64))).shape == (2, 5)


def test_an_input_is_never_overwritten(module: nn.Module) -> None:
    x = batch(SIZE)
    for training in (False, True):
        module.train(training)(x)
        assert torch.equal(x, batch(SIZE))


@pytest.mark.parametrize("spec", ["resnet18", "mobilenet_v3_small", "googlenet", "densenet121"])
def test_the_zoo_is_traced(spec: str) -> None:
    with torch.device("meta"):
        made = archspec.build(spec).eval()
        x = torch.empty(2, 3, 224, 224)
        traced = torch.fx.symbolic_trace(made)
        assert traced(x).shape == made(x).shape == (2, 1000)
