"""What generated files are made of: a class a block, each once, under the spec's own names."""

import ast
import sys
from collections import Counter
from collections.abc import Collection
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
    used.add(network)
    assert {as_block(name, used) for name in written} == used


def as_block(name: str, blocks: Collection[str]) -> str:
    """The block that a class is of, which may be one of several kinds of it: `Tree2`."""
    return name if name in blocks else name.rstrip("0123456789")


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
            own: set[str] = set(variables)
            block = blocks.get(as_block(name, blocks))
            if block is not None:
                own = {*block.args, *(f"{key}_channels" for key in block.inputs)}
            assert taken <= {"self", "in_channels", *own}


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


STATEMENTS = {
    "alexnet": 28,
    "alexnet_half": 26,
    "alexnet_merged": 12,
    "alexnet_one_tower": 12,
    "alexnet_two_gpu": 34,
    "convnext": 69,
    "densenet": 60,
    "dla34": 88,
    "efficientnet": 98,
    "efficientnet_v2": 94,
    "flower_net": 9,
    "flower_resnet": 49,
    "googlenet": 95,
    "googlenet_2014": 94,
    "googlenet_cbr": 73,
    "inception_bn": 104,
    "inception_resnet_v2": 105,
    "inception_v3": 193,
    "inception_v4": 119,
    "lenet5": 20,
    "lenet5_1998": 82,
    "mnasnet": 49,
    "mobilenet_v1": 60,
    "mobilenet_v2": 60,
    "mobilenet_v3": 72,
    "nin_cifar10": 25,
    "nin_imagenet": 27,
    "preresnet": 84,
    "regnet": 106,
    "resnet": 82,
    "resnet_cbr": 89,
    "resnet_cifar": 67,
    "resnet_slim": 68,
    "resnet_v1": 61,
    "resnet_v2": 93,
    "shufflenet_v1": 78,
    "shufflenet_v2": 45,
    "squeezenet": 45,
    "unet": 57,
    "vgg": 75,
    "vgg16_cbr": 50,
    "xception": 62,
}
"""How many each module had at most when it was written: forms may become shorter, not longer."""


TYPED = {"convnext": 1}
"""Statements more, for type checkers: `x = f(x) + x` and `return x`, calls of modules being Any."""

READABLE = {
    "resnet": 1,  # what follows from groups and their width is computed, and no argument
    "resnet_cifar": 1,  # the same, of the depth
    "efficientnet_v2": 5,  # the fields of the rows of a table, once a nameless tuple
    "mobilenet_v3": 6,  # the same
    "preresnet": 2,  # the method that makes the stages, for 30 lines
    "resnet_cbr": 2,  # the same
}
"""Statements more, for readers: others became fewer, so that all together are."""


def statements_in(module: ast.Module) -> int:
    """Statements in classes and functions, definitions included and docstrings not."""
    defined = (n for n in module.body if isinstance(n, ast.ClassDef | ast.FunctionDef))
    found = (node for item in defined for node in ast.walk(item) if isinstance(node, ast.stmt))
    return sum(not is_text(statement) for statement in found)


@pytest.mark.parametrize("spec", SPECS)
def test_modules_do_not_grow(spec: str) -> None:
    assert spec in STATEMENTS, "a new spec: put its number of statements into the table"
    assert statements_in(tree_of(spec)) <= STATEMENTS[spec] + TYPED.get(spec, 0) + READABLE.get(
        spec, 0
    )


def test_all_modules_together_do_not_grow() -> None:
    assert sum(statements_in(tree_of(spec)) for spec in SPECS) <= sum(STATEMENTS.values())
