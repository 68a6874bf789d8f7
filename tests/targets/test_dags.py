"""Random networks of blocks compute what the table says; what is written is tidy and the same."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from archspec.api import Check, SpecError, check_text, write
from tests.targets.dags import SHAPE, checked, specs
from tests.targets.networks import batch, made_by, members_of, module_of
from tests.targets.reference import run
from tests.targets.test_chains import assert_state_is_as_counted

CAREFUL = settings(
    max_examples=80,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def written(network: Check) -> str:
    """The module of a random network."""
    assume(all(fault.code != "AS214" for fault in network.diagnostics))  # no step is left
    assert network.ok, [fault.message for fault in network.diagnostics]
    assume(all(member.network and member.network.nodes for member in members_of(network)))
    return write(network)


def assert_computes_what_the_rows_say(network: Check, shape: Any = SHAPE) -> None:
    """Every member: its tensors, its output's shape, every number, and a gradient for each."""
    module = module_of(network)
    for member in members_of(network):
        assert member.network is not None
        made = made_by(module, member).double().eval()
        assert_state_is_as_counted(member, made)
        torch.manual_seed(0)
        for buffer in made.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 2)
        x = batch(shape)
        result = made(x)
        assert torch.equal(x, batch(shape))  # nothing was written into it
        expected = run(member.network, made.state_dict(), x)
        output = member.network.output
        assert tuple(result.shape[1:]) == member.network.shape_of(output)
        torch.testing.assert_close(result, expected[output.node])
        made.train()(batch(shape, size=3)).sum().backward()
        assert all(parameter.grad is not None for parameter in made.parameters())


@given(specs())
@CAREFUL
def test_random_blocks(keys: dict[str, Any]) -> None:
    network = checked(keys)
    written(network)
    assert_computes_what_the_rows_say(network)


@given(specs())
@CAREFUL
def test_the_same_rows_give_the_same_text(keys: dict[str, Any]) -> None:
    text = written(checked(keys))
    assert written(checked(keys)) == text
    compile(text, "network.py", "exec")


@given(st.lists(specs(), min_size=40, max_size=40))
@settings(max_examples=1, suppress_health_check=list(HealthCheck))
def test_random_blocks_are_laid_out_and_spelt_as_by_hand(
    root: Path, tmp_path_factory: pytest.TempPathFactory, networks: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("random")
    (folder / "generated").mkdir()
    for name in ("pyproject.toml", "generated/ruff.toml"):
        (folder / name).write_bytes((root / name).read_bytes())
    count = 0
    for keys in networks:
        try:
            text = write(checked(keys))
        except SpecError:
            continue
        (folder / "generated" / f"net_{count}.py").write_text(text, encoding="utf-8")
        count += 1
    assert count > 20
    for command in (["format", "--diff"], ["check"], ["format", "--isolated", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "generated"],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


HEAD = "archspec: 1\nname: Net\ninput: [3, 9, 8]\n"
CONSTRUCTS = {
    "an argument's default names another": """
blocks:
  Two:
    args: {width: ~, hidden: width * 2}
    layers:
      - {op: conv2d, out_channels: hidden, kernel_size: 1}
      - {op: conv2d, out_channels: width, kernel_size: 1}
layers: [{name: a, op: Two, width: 4}, {name: b, op: Two, width: 4, hidden: 3}]
""",
    "ops and norms are arguments": """
vars: {norm: batch_norm}
blocks:
  Conv:
    args: {width: ~, norm: batch_norm, activation: relu}
    layers:
      - {op: conv2d, out_channels: width, kernel_size: 1, norm: norm, activation: activation}
layers:
  - {name: a, op: Conv, width: 4, norm: norm}
  - {name: b, op: Conv, width: 4, activation: gelu}
  - {name: c, op: Conv, width: 4, activation: false}
""",
    "an op that a condition chooses": """
blocks:
  Conv:
    args: {width: ~, use_hs: false}
    layers:
      - {op: conv2d, out_channels: width, kernel_size: 1}
      - {op: hardswish if use_hs else relu6}
layers: [{name: a, op: Conv, width: 4, use_hs: true}, {name: b, op: Conv, width: 4}]
""",
    "repetition in a block": """
blocks:
  Stack:
    args: {width: ~, n: 2}
    layers:
      - {op: conv2d, out_channels: width, kernel_size: 1}
      - {op: conv2d, repeat: n, out_channels: in_channels + i, kernel_size: 1}
      - {op: relu}
layers: [{name: a, op: Stack, width: 4}, {name: b, op: Stack, width: 5, n: 3}]
""",
    "a condition on the index of a table's row": """
vars: {depths: [2, 3]}
layers:
  - name: stages
    each: [{c: 4}, {c: 6}]
    layers:
      - {op: max_pool, kernel_size: 3, stride: 1, padding: 1, when: i > 0}
      - {op: conv2d, out_channels: c, kernel_size: 1, repeat: "depths[i]"}
""",
    "a table that is an argument": """
blocks:
  Stack:
    args: {rows: ~}
    layers: [{each: rows, op: conv2d, out_channels: c, kernel_size: 1}]
layers: [{name: a, op: Stack, rows: [{c: 4}, {c: 5}]}, {name: b, op: Stack, rows: [{c: 6}]}]
""",
    "names with holes, each reading what was joined": """
blocks:
  Layer:
    args: {growth: ~}
    layers:
      - {name: norm, op: batch_norm}
      - {name: conv, op: conv2d, out_channels: growth, kernel_size: 3, padding: 1}
      - {op: concat, from: [input, conv]}
  Dense:
    args: {growth: ~, depth: ~}
    layers: [{name: "layer{i + 1}", op: Layer, growth: growth, repeat: depth}]
layers:
  - {name: dense1, op: Dense, growth: 4, depth: 3}
  - {name: reduce, op: conv2d, out_channels: in_channels // 2, kernel_size: 1}
  - {name: dense2, op: Dense, growth: 4, depth: 2}
""",
    "a branch that is the identity, with a name": """
layers:
  - {op: relu}
  - {op: concat, branches: {work: {op: conv2d, out_channels: 4, kernel_size: 1}, skip: []}}
""",
    "a step repeated no time at all": """
layers:
  - {name: conv, op: conv2d, out_channels: 4, kernel_size: 1}
  - {name: never, op: conv2d, repeat: 0, out_channels: 5, kernel_size: 1}
  - {op: add, from: [never, conv]}
""",
    "names with holes beside a repeated step": """
layers:
  - {name: "unit{i + 1}", op: conv2d, repeat: 2, out_channels: 4, kernel_size: 1}
  - {name: rest, op: conv2d, repeat: 2, out_channels: 4, kernel_size: 1}
""",
    "an index that runs over all of a table": """
layers:
  - name: stages
    each: [{c: 4, n: 2}, {c: 5, n: 3}]
    repeat: n
    op: conv2d
    out_channels: c + i + j
    kernel_size: 1
""",
    "a group that is repeated": """
vars: {n: 3}
layers:
  - name: stage
    repeat: n
    layers: [{op: conv2d, out_channels: 4 + i, kernel_size: 1}, {op: relu}]
  - {name: last, op: conv2d, out_channels: 2, kernel_size: 1}
""",
    "slices of lists": """
vars: {depths: [2, 3], base: 3}
layers:
  - {name: a, op: conv2d, out_channels: "base + i", kernel_size: 1, repeat: "depths[0]"}
  - name: b
    op: conv2d
    out_channels: "base + sum(depths[:1]) + i"
    kernel_size: 1
    repeat: "depths[1]"
""",
    "a norm that a variant does without": """
vars: {norm: ~}
variants:
  one: {norm: batch_norm}
  two: {norm: false}
blocks:
  Conv:
    args: {width: ~, norm: ~}
    layers: [{op: conv2d, out_channels: width, kernel_size: 1, norm: norm, activation: relu}]
layers:
  - {name: c, op: Conv, width: 4, norm: norm}
  - {name: d, op: conv2d, out_channels: 4, kernel_size: 1, norm: norm}
""",
    "values that several steps read": """
layers:
  - {name: a, op: conv2d, out_channels: 4, kernel_size: 1}
  - {name: b, op: conv2d, out_channels: 4, kernel_size: 1, from: input}
  - {name: s, op: add, from: [a, b]}
  - {name: r, op: relu}
  - {name: c, op: conv2d, out_channels: 4, kernel_size: 1, from: s}
  - {name: m, op: mul, from: [c, r]}
  - {op: add, from: [m, s, a]}
""",
    "activations that must not write into what others read": """
blocks:
  Pre: {layers: [{op: relu}, {name: conv, op: conv2d, out_channels: 4, kernel_size: 1}]}
layers:
  - {name: a, op: conv2d, out_channels: 4, kernel_size: 1}
  - {name: g, layers: [{op: relu}, {op: conv2d, out_channels: 4, kernel_size: 1}]}
  - {name: r, op: Pre, from: a}
  - {op: add, from: [r, g, a]}
""",
    "a path that is the identity": """
layers:
  - op: add
    branches: [[{name: c, op: conv2d, out_channels: 3, kernel_size: 1}], []]
  - {name: d, op: conv2d, out_channels: 2, kernel_size: 1}
""",
    "paths of one row, of several, and of none": """
blocks:
  Fork:
    args: {w: ~}
    layers:
      - op: concat
        branches:
          p: {op: conv2d, out_channels: w, kernel_size: 1}
          q: [{op: conv2d, out_channels: w, kernel_size: 1}, {op: relu}]
          skip: []
layers:
  - {name: s, op: Fork, w: 4 + i, repeat: 3}
  - {name: e, op: conv2d, out_channels: 2, kernel_size: 1}
""",
    "a concatenation that a condition drops": """
blocks:
  Join:
    args: {w: ~, joins: false}
    layers:
      - {name: c, op: conv2d, out_channels: w, kernel_size: 1}
      - {name: k, op: concat, from: [c, input], when: joins}
      - {name: d, op: conv2d, out_channels: in_channels, kernel_size: 1}
layers: [{name: a, op: Join, w: 4, joins: true}, {name: b, op: Join, w: 5}]
""",
    "a product that a condition drops, its inputs the other way round": """
blocks:
  Gate:
    args: {gated: false}
    layers:
      - {name: c, op: conv2d, out_channels: 3, kernel_size: 1}
      - {name: d, op: conv2d, out_channels: 3, kernel_size: 1}
      - {name: k, op: mul, from: [c, d], when: gated, else: c}
      - {name: e, op: add, from: [k, d]}
layers: [{name: a, op: Gate, gated: true}, {name: b, op: Gate}]
""",
    "padding that depends on an argument": """
blocks:
  Conv:
    args: {width: ~, k: 3, s: 1}
    layers: [{op: conv2d, out_channels: width, kernel_size: k, stride: s, padding: same}]
layers: [{name: a, op: Conv, width: 4, k: 2, s: 2}, {name: b, op: Conv, width: 4}]
""",
}


@pytest.mark.parametrize("rows", CONSTRUCTS.values(), ids=CONSTRUCTS)
def test_every_construct(rows: str) -> None:
    assert_computes_what_the_rows_say(check_text(HEAD + rows))


def test_a_network_without_steps_is_none() -> None:
    rows = "vars: {deep: false}\nlayers: [{op: relu, when: deep}]\n"
    assert [fault.code for fault in check_text(HEAD + rows).diagnostics] == ["AS214"]
