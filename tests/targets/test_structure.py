"""What generated files are made of: a class a block, each once, under the spec's own names."""

import ast
import sys
from collections import Counter
from functools import cache

import pytest

import archspec
from archspec.language import loader
from archspec.targets.torch.helpers import HELPERS
from tests.targets.networks import members_of

SPECS = [file.name for file in loader.list_specs()]


@cache
def tree_of(spec: str) -> ast.Module:
    return ast.parse(archspec.generate(spec))


def classes_of(spec: str) -> dict[str, ast.ClassDef]:
    """The classes of a module but for the helpers that come with archspec."""
    found = [item for item in tree_of(spec).body if isinstance(item, ast.ClassDef)]
    return {item.name: item for item in found if item.name not in HELPERS}


def test_a_deeper_network_is_no_longer_text() -> None:
    shallow, deep = (len(archspec.generate(n).splitlines()) for n in ("resnet50", "resnet152"))
    assert deep <= 1.05 * shallow


@pytest.mark.parametrize("spec", SPECS)
def test_no_class_is_written_twice(spec: str) -> None:
    names = [item.name for item in tree_of(spec).body if isinstance(item, ast.ClassDef)]
    assert len(names) == len(set(names))
    bodies = Counter(
        "\n".join(ast.dump(part) for part in item.body if not is_text(part))
        for item in classes_of(spec).values()
        if not is_outputs(item)
    )
    assert set(bodies.values()) == {1}


def is_text(item: ast.stmt) -> bool:
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)


def is_outputs(item: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in item.bases)


@pytest.mark.parametrize("spec", SPECS)
def test_classes_are_the_blocks_that_are_used(spec: str) -> None:
    checked = archspec.check(spec)
    used = set()
    for member in members_of(checked):
        assert member.network is not None
        for item in member.network.root.walk():
            block = getattr(item, "block", None)
            if block is not None:
                used.add(block.name)
    network = exported(spec)[0]
    written = {name for name, item in classes_of(spec).items() if not is_outputs(item)}
    assert written == used | {network}


def exported(spec: str) -> list[str]:
    """What `__all__` names."""
    assigned = [s for s in tree_of(spec).body if isinstance(s, ast.Assign)]
    (names,) = [s.value for s in assigned if ast.unparse(s.targets[0]) == "__all__"]
    found: list[str] = ast.literal_eval(names)
    return found


@pytest.mark.parametrize("spec", SPECS)
def test_arguments_have_the_spec_s_names(spec: str) -> None:
    checked = archspec.check(spec)
    assert checked.network is not None
    blocks, variables = checked.network.spec.blocks, checked.network.spec.vars
    for name, item in classes_of(spec).items():
        inits = [f for f in item.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
        for init in inits:
            taken = {argument.arg for argument in (*init.args.args, *init.args.kwonlyargs)}
            own = {"in_channels", *blocks[name].args} if name in blocks else set(variables)
            assert taken <= {"self", *own}


@pytest.mark.parametrize("spec", SPECS)
def test_only_torch_and_the_standard_library_are_imported(spec: str) -> None:
    for node in ast.walk(tree_of(spec)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            head = name.partition(".")[0]
            assert head == "torch" or head in sys.stdlib_module_names
