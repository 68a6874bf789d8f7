"""A merge that reads one value twice is warned about, unless somebody wrote that it should."""

import pytest

from archspec.api import check_text

HEAD = "archspec: 1\nname: Net\ninput: [3, 8, 8]\nlayers:\n"
CONV = "  - {name: conv, op: conv2d, out_channels: 3, kernel_size: 1}\n"


@pytest.mark.parametrize(
    "rows",
    [
        "{op: add, from: [conv, conv]}",
        "{name: a, op: relu, when: false, else: conv}\n  - {op: add, from: [conv, a]}",
        "{name: a, op: relu, when: false, else: none}\n  - {op: add, from: [conv, a]}",
        "{name: a, op: relu, when: false}\n  - {op: add, from: [a, input]}",
        "{name: a, op: relu, when: false}\n  - {op: add, from: [a, a]}",
        "{name: a, op: relu, when: false}\n  - {name: a, op: tanh}\n  - {op: add, from: [a, conv]}",
        "{op: add, branches: [[], []]}",
        "{op: add, branches: {a: {op: relu, when: false}, b: {op: tanh}}}",
        "{op: add, branches: {a: {op: relu, when: false, else: previous}, b: []}}",
    ],
)
def test_what_is_meant_is_not_warned_about(rows: str) -> None:
    assert check_text(f"{HEAD}{CONV}  - {rows}\n").diagnostics == ()
