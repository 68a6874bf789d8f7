"""What no network of a spec runs is judged by its text, and only by what any values would show."""

import pytest

from archspec.api import check, check_text

HEAD = "archspec: 1\nname: Net\ninput: [3, 8, 8]\nvars: {deep: false, n: 0, w: 4}\n"
END = "  - {op: relu, from: previous}\n"
USES = "  - {op: conv2d, when: deep, repeat: n, out_channels: w, kernel_size: 1}\n"


def told(rows: str, more: str = "") -> list[tuple[str, str]]:
    layers = "".join(f"  - {row}\n" for row in rows.splitlines())
    result = check_text(f"{HEAD}{more}layers:\n  - {{name: a, op: tanh}}\n{USES}{layers}{END}")
    return [(fault.name, fault.message) for fault in result.diagnostics]


@pytest.mark.parametrize(
    ("row", "name", "said"),
    [
        ("{op: reluu, when: deep}", "unknown-op", "`reluu`"),
        ("{op: relu, repeat: n, slope: 1}", "unknown-key", "`slope`"),
        ("{op: relu, each: [], slope: 1}", "unknown-key", "`slope`"),
        ("{op: conv2d, when: deep, out_channels: 4}", "missing-key", "`kernel_size`"),
        ("{op: conv2d, when: deep, out_channels: -4, kernel_size: 1}", "invalid-value", "-4"),
        ("{op: conv2d, when: deep, out_channels: v, kernel_size: 1}", "invalid-expression", "`v`"),
        (
            "{op: conv2d, when: deep, out_channels: w if deep else v, kernel_size: 1}",
            "invalid-expression",
            "`v`",
        ),
        (
            "{op: conv2d, when: deep, out_channels: 4, kernel_size: 1, activation: rellu}",
            "unknown-op",
            "`rellu`",
        ),
        ("{name: g, when: deep, layers: [{op: relu}, {op: reluu}]}", "unknown-op", "`reluu`"),
        (
            "{name: g, when: deep, layers: [{op: add, from: [nowhere, input]}]}",
            "unknown-step",
            "`nowhere`",
        ),
        ("{op: add, when: deep, branches: [{op: reluu}, []]}", "unknown-op", "`reluu`"),
        ("{op: relu, from: a if w == 4 else inptu}", "unknown-step", "`inptu`"),
        ("{op: relu, from: input if w == 0 else (a if w == 4 else b)}", "unknown-step", "`b`"),
        ("{op: relu if w == 4 else rellu}", "invalid-expression", "`rellu`"),
        ("{op: relu, when: w == 4 or depth == 2}", "invalid-expression", "`depth`"),
    ],
)
def test_a_mistake_is_told_though_nothing_asks_for_it(row: str, name: str, said: str) -> None:
    (fault,) = told(row)
    assert fault[0] == name
    assert said in fault[1]


BLOCK = "blocks: {{B: {{args: {{k: ~}}, layers: [{{name: c, op: relu}}, {}]}}}}\n"


def test_a_block_that_only_a_row_uses_that_is_left_out_is_judged_and_its_use() -> None:
    block = BLOCK.format("{op: reluu, when: k > 1}")
    assert told("{op: B, when: deep, k: 1}", block) == [("unknown-op", "there is no op `reluu`")]
    block = BLOCK.format("{op: relu, when: k > 1}")
    assert told("{op: B, when: deep, k: 1, m: 2}", block) == [("unknown-key", "B has no key `m`")]
    assert told("{op: B, when: deep}", block) == [("missing-key", "B needs `k`")]


@pytest.mark.parametrize(
    "row",
    [
        "{op: conv2d, when: deep, out_channels: 'w // (w - 4)', kernel_size: '[1, 2][n + 7]'}",
        "{op: conv2d, when: deep, each: [{c: 4}], out_channels: c * (i + j), kernel_size: 1}",
        "{op: concat, when: deep, from: [a, input]}",
        "{op: add, when: deep, branches: {p: [{op: relu, from: input}], q: {op: relu}}}",
        "{name: 'h{i}', op: relu, when: deep, repeat: n, from: 'a'}",
        '{op: relu, from: "a if w == 4 else h{i}"}',
        "{op: linear, when: deep, out_features: in_channels * in_height}",
        "{op: upsample, when: deep, scale_factor: 2, mode: bilinear if deep else nearest}",
        "{when: deep, repeat: n, layers: [{name: b, op: relu}, {op: add, from: [b, input]}]}",
    ],
)
def test_what_other_values_would_make_right_is_not_told(row: str) -> None:
    assert told(row) == []


def test_a_row_that_another_member_runs_is_told_of_once() -> None:
    family = "variants: {one: {deep: true}, two: {deep: false}}\n"
    (fault,) = told("{op: relu, when: deep, slope: 3}", family)
    assert fault == ("unknown-key", "relu has no key `slope` (in `one`)")


def test_a_claim_is_not_missed_where_one_member_alone_is_checked() -> None:
    assert check("resnet:resnet18").diagnostics
    assert not any(f.name == "claim-of-nothing" for f in check("resnet:resnet18").diagnostics)
