"""What is printed is what the tree says, and looks as the formatter would leave it."""

import subprocess
import sys
from itertools import cycle
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.language import loader
from archspec.targets.python import tree
from archspec.targets.python.printer import lines, statements
from archspec.targets.python.text import flat
from archspec.targets.python.tree import Expr, call, dotted
from archspec.targets.torch.helpers import HELPERS
from archspec.targets.torch.module import Module, render
from tests.targets.forms import zoo
from tests.targets.reader import read, read_expression
from tests.targets.trees import Grower

SPECS = [file.name for file in loader.list_specs()]
LONG = "a_name_of_just_the_length_that_a_name_may_have_and_no_letter_more"[:64]
MANY = settings(max_examples=500, deadline=None)


# --- read back ------------------------------------------------------------------------------------


def definitions(text: str) -> list[tree.Node]:
    """The definitions of a module, but for the helpers that come with archspec."""
    found = read(text, without=HELPERS)
    return [item for item in found if isinstance(item, tree.Class | tree.Function)]


def without_texts(node: tree.Node) -> tree.Node:
    """A definition without docstrings, which the templates lay out."""

    def bare(part: tree.Node) -> tree.Node | None:
        if isinstance(part, tree.Class | tree.Function) and part.docstring:
            kept = {name: getattr(part, name) for name in part.__dataclass_fields__}
            return tree.rebuild(type(part)(**{**kept, "docstring": ""}), bare)
        return None

    return tree.rebuild(node, bare)


@pytest.mark.parametrize("plain", [False, True], ids=["rows", "plain"])
@pytest.mark.parametrize("spec", SPECS)
def test_a_module_read_back_is_its_tree(spec: str, *, plain: bool) -> None:
    module = zoo(spec, plain=plain)
    wanted = [without_texts(definition) for definition in module.definitions]
    assert [without_texts(definition) for definition in definitions(module.text)] == wanted


growers = st.integers(0, 2**32).map(lambda seed: Grower(Random(seed)))  # noqa: S311 - a test


@given(growers)
@MANY
def test_an_expression_read_back_is_its_tree(grower: Grower) -> None:
    expr = grower.expression()
    assert read_expression(flat(expr)) == expr


@given(growers, st.sampled_from(["x = ", f"self.{LONG} = "]), st.integers(0, 8))
@MANY
def test_on_several_lines_it_is_the_same_expression(
    grower: Grower, prefix: str, indent: int
) -> None:
    expr = grower.expression()
    (condition,) = read("\n".join(["if x:", *lines(prefix, expr, 8 + 8 * indent)]))
    assert isinstance(condition, tree.If)
    (assign,) = condition.body
    assert isinstance(assign, tree.Assign)
    assert assign.value == expr


@given(growers)
@MANY
def test_statements_read_back_are_their_trees(grower: Grower) -> None:
    body = grower.body()
    (function,) = read("\n".join(["def f():", *statements(body, 4)]))
    assert isinstance(function, tree.Function)
    assert function.body == body


@given(growers)
@settings(max_examples=150, deadline=None)
def test_a_definition_read_back_is_its_tree(grower: Grower) -> None:
    function, cls = grower.function(), grower.cls()
    text = render(Module("Text.", ["Net"], [], [cls], [function]))
    assert definitions(text) == [cls, function]


# --- as the formatter has it ----------------------------------------------------------------------


def assert_formatted(text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "-"],
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


words: st.SearchStrategy[Expr] = st.sampled_from(
    [
        *map(dotted, ["x", "width", "nn.functional", "a" * 30]),
        *map(read_expression, ["256 * 6 * 6", "width // 4", "2 * width if deep else width"]),
        *map(read_expression, ["2**i", "64 * 2**-1", "self.width**2", "(i + 1) ** 2", "f(x) ** i"]),
        *map(read_expression, ["-(2**i)", "(-2) ** i", "(2**i) ** 2", "2 ** 2**i", "2 ** (i + 1)"]),
        *map(tree.literal, [1, -1, 0.5, "text"]),
    ]
)


def brackets(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    """Calls, tuples and lists of smaller expressions."""
    keywords = st.builds(tree.Keyword, st.sampled_from(["kernel_size", "p", "padding"]), inner)
    calls = st.builds(
        # Python wants keywords last, and each once.
        lambda head, items, last, spread: tree.Call(
            dotted(head), (*items, *last), spread=spread and len(items) + len(last) > 1
        ),
        st.sampled_from(["nn.Conv2d", "F.pad", "OrderedDict"]),
        st.lists(inner, max_size=5),
        st.lists(keywords, max_size=2, unique_by=lambda keyword: keyword.name),
        st.booleans(),
    )
    several = st.lists(inner, max_size=4).map(tuple)
    return calls | several.map(tree.Tuple) | several.map(tree.List)


@given(st.lists(st.recursive(words, brackets, max_leaves=14), min_size=300, max_size=300))
@settings(max_examples=1, deadline=None)
def test_calls_break_as_the_formatter_breaks_them(expressions: list[Expr]) -> None:
    text = ["class Net:", "    def __init__(self) -> None:"]
    for target, expression in zip(cycle(["layer", LONG]), expressions, strict=False):
        text += lines(f"self.{target} = ", expression, 8)
    assert_formatted("\n".join(text) + "\n")


def test_how_calls_break() -> None:
    short = call("nn.Linear", *map(tree.literal, [512, 10]))
    six = [tree.Name(f"argument_{i}") for i in range(6)]
    nine = [tree.Name(f"argument_{i}") for i in range(9)]
    assert list(lines("self.fc = ", short, 8)) == ["        self.fc = nn.Linear(512, 10)"]
    assert list(lines("self.conv = ", call("nn.Conv2d", *six), 8)) == [
        "        self.conv = nn.Conv2d(",
        f"            {', '.join(f'argument_{i}' for i in range(6))}",
        "        )",
    ]
    assert list(lines("self.conv = ", call("nn.Conv2d", *nine), 8)) == [
        "        self.conv = nn.Conv2d(",
        *(f"            argument_{i}," for i in range(9)),
        "        )",
    ]
    assert list(lines("x = ", tree.Call(dotted("f"), (short, short), spread=True), 0)) == [
        "x = f(",
        *["    nn.Linear(512, 10),"] * 2,
        ")",
    ]
