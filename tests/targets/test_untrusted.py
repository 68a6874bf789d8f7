"""Names of blocks, arguments, variants, columns are untrusted: none becomes code or hides any."""

import ast
import builtins
import json
import keyword
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.api import Check, check_text, write
from tests.targets.networks import batch, made_by, members_of, module_of
from tests.targets.reference import run

SHAPE = (3, 9, 8)
TEXTS = (
    "a(x=print('run')): #",
    'a"b',
    "a'b",
    "a\nb",
    "a\\",
    '"""',
    "{i}",
    "{__import__('os')}",
    "a b",
    "a.b",
    "a;b",
    "a#b",
    "größe",
    "\u202ea",
    "1a",
    "",
)
NAMES = (
    *("self", "torch", "nn", "F", "math", "x", "out", "layers", "channels", "stem_channels"),
    *("arriving", "width_", "Identity"),
    *("class", "lambda", "None", "True", "match", "print", "super", "type", "len", "range", "int"),
    *("str", "OrderedDict", "NamedTuple", "INPUT_SHAPE", "index", "i", "stage", "module", "init"),
    *("forward", "training", "modules", "parameters", "__init__", "__class__", "__import__", "_n"),
    *("in_channels", "Net", "Net_", "NetOutputs", "Conv2dSame", "_make_divisible", "enumerate"),
)


def spec(**keys: Any) -> Check:
    """A spec of these keys."""
    return check_text(json.dumps({"archspec": 1, "name": "Net", "input": SHAPE, **keys}))


def of_block(name: str) -> dict[str, Any]:
    body = [{"op": "conv2d", "out_channels": "width", "kernel_size": 1}, {"op": "relu"}]
    layers = [{"name": "a", "op": name, "width": 4}, {"name": "b", "op": name, "width": 5}]
    return {"blocks": {name: {"args": {"width": None}, "layers": body}}, "layers": layers}


def of_argument(name: str) -> dict[str, Any]:
    body = [
        {"op": "conv2d", "out_channels": f"{name} + 1", "kernel_size": 1},
        {"op": "conv2d", "out_channels": name, "kernel_size": 3, "padding": "same", "stride": 2},
    ]
    layers = [{"name": "a", "op": "Unit", name: 4}, {"name": "b", "op": "Unit", name: 5}]
    return {"blocks": {"Unit": {"args": {name: None}, "layers": body}}, "layers": layers}


def of_local(name: str) -> dict[str, Any]:
    body = [{"op": "conv2d", "out_channels": name, "kernel_size": 1, "norm": "batch_norm"}]
    block = {"args": {"width": None}, "vars": {name: "width * 2 + 1"}, "layers": body}
    layers = [{"name": "a", "op": "Unit", "width": 4}, {"name": "b", "op": "Unit", "width": 5}]
    return {"blocks": {"Unit": block}, "layers": layers}


def of_variable(name: str) -> dict[str, Any]:
    row = {"name": "a", "op": "conv2d", "out_channels": f"{name} * 2", "kernel_size": 1}
    return {"vars": {name: 4}, "layers": [row, {"name": "b", "op": "batch_norm"}]}


def of_variant(name: str) -> dict[str, Any]:
    row = {"name": "a", "op": "conv2d", "out_channels": "width", "kernel_size": 1}
    variants = {name: {"width": 5}, "other": {}}
    return {"vars": {"width": 4}, "variants": variants, "layers": [row]}


def of_varying(name: str) -> dict[str, Any]:
    row = {"name": "a", "op": "conv2d", "out_channels": name, "kernel_size": 1}
    return {"vars": {name: 4}, "variants": {"one": {name: 5}, "two": {}}, "layers": [row]}


def of_column(name: str) -> dict[str, Any]:
    table = [{name: 4, "s": 1}, {name: 5, "s": 2}]
    row = {"name": "a", "op": "conv2d", "out_channels": f"{name} + i", "kernel_size": 1}
    return {"layers": [{**row, "stride": "s", "each": table}, {"name": "z", "op": "batch_norm"}]}


def of_step(name: str) -> dict[str, Any]:
    conv = {"op": "conv2d", "out_channels": 3, "kernel_size": 1}
    return {"layers": [{"name": name, **conv}, {"name": "s", "op": "add", "from": [name, "input"]}]}


def of_branch(name: str) -> dict[str, Any]:
    conv = {"op": "conv2d", "out_channels": 3, "kernel_size": 1}
    branches = {name: [conv, {"op": "relu"}], "other": [conv]}
    return {"layers": [{"name": "cat", "op": "concat", "branches": branches}]}


def of_output(name: str) -> dict[str, Any]:
    rows = [{"name": n, "op": "conv2d", "out_channels": 3, "kernel_size": 1} for n in "ab"]
    return {"outputs": {"first": "b", name: {"from": "a", "training_only": True}}, "layers": rows}


PLACES = {
    "block": of_block,
    "argument": of_argument,
    "local": of_local,
    "variable": of_variable,
    "variant": of_variant,
    "varying": of_varying,
    "column": of_column,
    "step": of_step,
    "branch": of_branch,
    "output": of_output,
}


def assert_harmless(checked: Check) -> None:
    """It has errors, or it is written, runs, and is what was counted."""
    if not checked.ok:
        return
    text = write(checked)
    tree = ast.parse(text)
    heads = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {head.id for head in heads if isinstance(head, ast.Name)}
    assert not called & {"__import__", "eval", "exec", "compile", "open"}
    defined = [n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    assert len(defined) == len(set(defined))
    assert not {name for name in defined if keyword.iskeyword(name) or hasattr(builtins, name)}
    module = module_of(checked)
    for member in members_of(checked):
        assert member.network is not None
        made = made_by(module, member).double()
        state = made.state_dict()
        assert sum(p.numel() for p in made.parameters()) == member.totals.num_params
        expected = run(member.network, state, batch(SHAPE))[member.network.output.node]
        torch.testing.assert_close(made.eval()(batch(SHAPE)), expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_name_that_means_something_in_python(place: str, name: str) -> None:
    assert_harmless(spec(**PLACES[place](name)))


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
@pytest.mark.parametrize("place", PLACES)
def test_a_text_that_is_no_name(place: str, text: str) -> None:
    assert_harmless(spec(**PLACES[place](text)))


@given(st.sampled_from(sorted(PLACES)), st.text(max_size=12))
@settings(max_examples=150)
def test_random_texts(place: str, text: str) -> None:
    assert_harmless(spec(**PLACES[place](text.encode(errors="replace").decode())))


DESCRIPTIONS = ('"""\nimport os\n"""', "\\", '"', "a\nb\x00", "{{ x }} {% raw %}")


@pytest.mark.parametrize("text", DESCRIPTIONS, ids=ascii)
def test_descriptions_of_blocks_and_titles_of_variants_stay_in_docstrings(text: str) -> None:
    keys = of_block("Unit")
    keys["blocks"]["Unit"]["description"] = text
    keys |= {"vars": {"w": 4}, "variants": {"one": {"name": text, "w": 4}, "two": {"w": 5}}}
    keys["layers"].append({"name": "z", "op": "conv2d", "out_channels": "w", "kernel_size": 1})
    checked = spec(**keys)
    assert_harmless(checked)
    plain = of_block("Unit") | {name: keys[name] for name in ("vars", "layers")}
    plain["variants"] = {"one": {"w": 4}, "two": {"w": 5}}
    assert without_texts(write(checked)) == without_texts(write(spec(**plain)))


def without_texts(source: str) -> str:
    """A module's syntax tree with every docstring taken out."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = node.body[1 if ast.get_docstring(node) else 0 :]
    return ast.dump(tree)
