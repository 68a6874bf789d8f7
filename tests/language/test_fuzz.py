"""Whatever a spec is turned into by accident, a check ends in located diagnostics or is fine."""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.api import Check, check_text
from archspec.language.rows import ROW_KEYS
from archspec.resources import folder
from tests.cases.reader import MARK, cases
from tests.language.test_constructs import spec

SPECS = [file.read_text(encoding="utf-8") for file in sorted(folder("specs").glob("*.yaml"))]
WRONG = [case["spec"].replace(MARK, "") for _, case in cases("diagnostics")]
TEXTS = [*SPECS, *(spec(case) for _, case in cases("language")), *filter(None, WRONG)]
TOKEN = re.compile(r"\n *|[A-Za-z_]+|[0-9.]+|\s+|.", re.DOTALL)
VALUES = (
    *[
        "0",
        "-1",
        "1e-3",
        "010",
        "1e400",
        ".inf",
        "~",
        "true",
        "no",
        "''",
        "[]",
        "{}",
        "[[]]",
        "[1]",
    ],
    *["[1, 2, 3]", "{a: 1}", "in_channels", "2 **", "same", "9" * 30, "!!int", "&a", "*a", "<<"],
    *["input", "i", "j", "{i}", "unit{i}", "1e9", "100", "repeat", "each", "when", "from"],
    *["branches", "layers", "op", "init", "vars", "args", "variants", "outputs", "width[:2]"],
    *["\t", "---", "...", "? ", ": ", "- ", "|", ">", "%", "@", "#", "`", "\0", "é", "\ud800"],
)


def parsed(text: str) -> Any:
    """A text's data, None where it is no YAML."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid spec with some of its tokens deleted, doubled, swapped or replaced."""
    tokens = TOKEN.findall(draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(tokens) - 1))
        other = draw(st.integers(0, len(tokens) - 1))
        change = draw(st.sampled_from(["delete", "double", "swap", "copy", "value"]))
        if change == "delete":
            tokens[at] = ""
        elif change == "double":
            tokens[at] *= 2
        elif change == "swap":
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif change == "copy":
            tokens[at] = tokens[other]
        else:
            tokens[at] = draw(st.sampled_from(VALUES))
    return "".join(tokens)


def assert_sound(result: Check, text: str) -> None:
    """Every diagnostic can be shown, and a network that is fine is known in full."""
    for fault in result.diagnostics:
        line, column = result.locate(fault)
        assert 1 <= line <= text.count("\n") + text.count("\r") + 2
        assert column >= 1
        assert fault.message
        assert isinstance(fault.help, str)
    for member in result.family:
        assert_sound(member, text)
    if result.ok:
        assert result.network is not None
        assert None not in result.network.shapes
        assert result.totals.num_params is not None
        assert result.totals.macs is not None
        assert result.network.nodes
        assert all(claim.holds for claim in result.claims)


@given(mutated())
@settings(max_examples=500)
def test_a_mutated_spec_never_raises(text: str) -> None:
    assert_sound(check_text(text), text)


KEYS = sorted(
    {*ROW_KEYS, "layers", "columns", "args", "vars", "blocks", "variants", "outputs", "j"}
)
DATA = [data for text in TEXTS if isinstance(data := parsed(text), dict)]


def places(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a tree of lists and mappings."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


@st.composite
def transplanted(draw: st.DrawFn) -> str:
    """A spec some of whose values or keys are replaced by those of others, at any depth."""
    data = deepcopy(draw(st.sampled_from(DATA)))
    for _ in range(draw(st.integers(1, 3))):
        paths = list(places(data))
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        holder, key = at(data, path[:-1]), path[-1]
        if isinstance(holder, dict) and draw(st.booleans()):
            holder[draw(st.sampled_from(KEYS))] = holder.pop(key)
            continue
        other = draw(st.sampled_from(DATA))
        source = draw(st.sampled_from(list(places(other))))
        holder[key] = deepcopy(at(other, source))
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


@given(transplanted())
@settings(max_examples=500)
def test_a_spec_with_parts_of_others_never_raises(text: str) -> None:
    assert_sound(check_text(text), text)


@given(
    st.text(alphabet=st.sampled_from(list("archspe: 1[]{}-,\n'\"#&*!|>%@`\t?\\0")), max_size=200)
)
@settings(max_examples=300)
def test_any_text_never_raises(text: str) -> None:
    assert_sound(check_text(text), text)


@given(st.sampled_from(SPECS), st.data())
@settings(max_examples=100)
def test_a_spec_that_ends_early_never_raises(text: str, data: st.DataObject) -> None:
    text = text[: data.draw(st.integers(0, len(text)))]
    assert_sound(check_text(text), text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


OPS = ["conv2d", "linear", "max_pool", "avg_pool", "adaptive_avg_pool", "softmax"]
ATTRIBUTES = ["kernel_size", "stride", "padding", "dilation", "output_size", "dim", "groups"]


@given(st.sampled_from(OPS), st.sampled_from(ATTRIBUTES), values)
def test_any_override_never_raises(op: str, attribute: str, value: object) -> None:
    text = (
        "archspec: 1\nname: Net\ninput: [3, 8, 8]\nvars: {x: 1}\nlayers:\n"
        f"  - {{op: {op}, out_channels: 2, kernel_size: 1, {attribute}: x}}\n"
    )
    assert_sound(check_text(text, overrides={"x": value}), text)
