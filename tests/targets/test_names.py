"""Names and texts of a spec are untrusted: nothing in them reaches the code as code."""

import ast
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.targets.torch.names import class_name, member_name, module_name, prose
from archspec.targets.torch.run import instantiate, load_module
from tests.targets.networks import source

ROWS = [{"name": "conv", "op": "conv2d", "out_channels": 4, "kernel_size": 3}]

HOSTILE = [
    '"""\nimport os; os.abort()\n"""',
    '""" + __import__("os").abort() + """',
    "\\",
    'ends with a backslash\\" ',
    '"quoted"',
    "''' ' \" \"\"",
    "a\nb\r\nc\td\x00e\x1b[31mf",
    "\u202eright to left\u202c \u2066isolated\u2069",
    "\u2028line\u2029paragraph\x85next\x0cpage\x0bvertical",
    "{{ 7 * 7 }} {% raw %} {# gone #} ${x} %s {0}",
    "\ud7ff\ue000\ufffe private",
    "# noqa",
    "class",
    "None",
    "F",
    "Conv2dSame",
    "3D net",
    "网络",
    "x" * 500,
    "Returns:",
    "...",
    "",
    "   ",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("place", ["name", "source", "description"])
def test_hostile_texts_stay_in_the_docstring(place: str, text: str) -> None:
    keys: dict[str, Any] = {place: text}
    code = source(ROWS, **keys)
    assert_harmless(code)
    plain = source(ROWS)
    if place != "name":
        assert code.partition("\nimport torch\n")[2] == plain.partition("\nimport torch\n")[2]
    instantiate(code)


@given(st.text(max_size=200), st.text(max_size=300))
@settings(max_examples=150)
def test_random_texts_stay_in_the_docstring(name: str, origin: str) -> None:
    name, origin = (text.encode(errors="replace").decode() for text in (name, origin))
    assert_harmless(source(ROWS, name=name, source=origin))


def assert_harmless(code: str) -> None:
    """The module has a docstring, the usual statements, and no character that hides anything."""
    tree = ast.parse(code)
    kinds = [type(node).__name__ for node in tree.body]
    assert kinds == ["Expr", "Import", "ImportFrom", "Assign", "Assign", "ClassDef"]
    assert ast.get_docstring(tree)
    assert all(unicodedata.category(c)[0] != "C" for c in code.replace("\n", ""))
    assert not any(c in code for c in "\u2028\u2029\\")
    assert all(line == line.rstrip() for line in code.split("\n"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AlexNet", "AlexNet"),
        ("LeNet-5 (modern)", "LeNet5Modern"),
        ("resnet_v1.5", "ResnetV15"),
        ("VGG-16", "VGG16"),
        ("Réseau à gogo", "ReseauAGogo"),
        ("3D net", "Net3DNet"),
        ("", "Network"),
        ("网络", "Network"),
        ("None", "NoneNet"),
        ("F", "FNet"),
        ("torch", "Torch"),
        ("OrderedDict", "OrderedDictNet"),
        ("Exception", "ExceptionNet"),
    ],
)
def test_class_names(name: str, expected: str) -> None:
    assert class_name(name) == expected


def test_a_class_does_not_hide_a_helper() -> None:
    rows = [{"name": "conv", **ROWS[0], "padding": "same", "stride": 2}]
    module = load_module(source(rows, name="Conv2dSame"))
    assert module.__all__ == ["Conv2dSameNet"]


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("alexnet", "alexnet"),
        ("lenet-5", "lenet_5"),
        ("3d", "net_3d"),
        ("class", "class_net"),
        ("torch", "torch_net"),
        ("random", "random_net"),
        ("a.b c", "a_b_c"),
        ("", "network"),
        ("réseau", "r_seau"),
    ],
)
def test_module_names(stem: str, expected: str) -> None:
    assert module_name(stem) == expected


def test_prose_keeps_what_is_harmless() -> None:
    text = 'Krizhevsky et al., "ImageNet Classification…", NIPS 2012, table 1: 55×55 → 27×27'
    assert prose(text) == text


@pytest.mark.parametrize(
    ("name", "title", "family", "expected"),
    [
        ("res2net50_26w_4s", None, "Res2Net", "Res2Net50x26w4s"),
        ("resnext50_32x4d", None, "ResNeXt", "ResNeXt50x32x4d"),
        ("resnet18", "ResNet-18", "ResNet", "ResNet18"),
        ("wide_resnet50_2", "Wide ResNet-50-2", "ResNet", "WideResNet50x2"),
        ("hrnet_w32", None, "HRNet", "HRNetW32"),
    ],
)
def test_a_member_s_own_class_can_be_read(
    name: str, title: str | None, family: str, expected: str
) -> None:
    assert class_name(member_name(name, title, family)) == expected
