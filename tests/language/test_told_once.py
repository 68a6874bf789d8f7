"""A fault is told once, whatever place of a row, or variant of a family, has it again."""

import pytest

from archspec.api import Check, check_text
from archspec.diagnostics.collector import Collector, key_of, told_once
from archspec.diagnostics.language import InvalidValue, MissingKey, VariableUnset

HEAD = "archspec: 1\nname: Net\ninput: [3, 32, 32]\n"
FAMILY = "vars: {n: ~}\nvariants: {a: {n: 4}, b: {n: 5}, c: {n: 6}}\n"


def told(result: Check) -> list[tuple[str, str]]:
    return [(fault.name, fault.message) for fault in result.diagnostics]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("{repeat: 40, layers: [{op: relu, from: nowhere}]}", "unknown-step"),
        ("{repeat: 40, layers: [{op: conv2d, kernel_size: 3}]}", "missing-key"),
        ("{op: relu, repeat: 40, name: 'x{i / 4 + 1 / 8}'}", "invalid-value"),
        ("{op: conv2d, repeat: 40, kernel_size: 50 + i, out_channels: 3}", "window-too-large"),
        ("{op: conv2d, repeat: 40, kernel_size: w, out_channels: 3}", "invalid-expression"),
    ],
)
def test_what_a_row_says_at_each_of_its_places_is_told_once(row: str, name: str) -> None:
    result = check_text(f"{HEAD}layers: [{row}]\n")
    assert [fault.name for fault in result.diagnostics if fault.severity == "error"] == [name]


def test_what_reads_a_block_with_a_fault_tells_nothing_of_it() -> None:
    """Neither its outputs, nor its places, nor those of what reads it."""
    blocks = """blocks:
  B:
    inputs: [x, y]
    outputs: {out: s, prev: x}
    layers:
      - {name: z, op: convv, out_channels: 3, kernel_size: 1}
      - {name: s, op: add, from: [z, y]}
"""
    rows = """layers:
  - {name: a, op: B, repeat: 2, from: [input, input]}
  - {name: b, op: B, from: [a, a.prev]}
  - {name: c, op: B, from: [b, b.prev]}
  - {op: concat, from: [c.prev, a.*]}
"""
    result = check_text(f"{HEAD}{blocks}{rows}")
    assert [name for name, _ in told(result)] == ["unknown-op"]


def test_two_faults_of_one_place_are_two() -> None:
    blocks = "blocks: {B: {args: {k1: ~, k2: ~}, layers: [{op: relu}]}}\n"
    for family in ("", FAMILY):
        result = check_text(f"{HEAD}{family}{blocks}layers: [{{op: B}}]\n")
        assert [name for name, _ in told(result) if name == "missing-key"] == ["missing-key"] * 2


def test_what_variants_say_of_one_place_is_told_once_whatever_its_numbers() -> None:
    result = check_text(f"{HEAD}{FAMILY}layers: [{{op: relu, repeat: n + 0.5}}]\n")
    assert told(result) == [
        (
            "invalid-value",
            "repeat is a whole number from 0 to 50000, not 4.5 (in `a` and 2 more variants)",
        )
    ]


def test_the_key_is_the_place_the_kind_and_the_subject() -> None:
    first = MissingKey(("layers", 0), owner="relu", key="a", help="")
    again = MissingKey(("layers", 0), owner="other", key="a", help="so")
    other = MissingKey(("layers", 0), owner="relu", key="b", help="")
    there = MissingKey(("layers", 1), owner="relu", key="a", help="")
    assert key_of(first) == key_of(again)
    assert told_once([first, again, other, there]) == [first, other, there]
    one, two = (InvalidValue(("vars", "a"), problem=p) for p in ("is 3", "is 4.5"))
    assert told_once([one, two]) == [one]
    along = InvalidValue(("vars", "a"), problem="is wrong", path="conv1")
    more = InvalidValue(("vars", "a"), problem="is wrong in another way", path="conv2")
    assert told_once([along, more]) == [along]


def test_a_fault_says_which_variants_have_it() -> None:
    collector = Collector()
    for variant in ("a", "b"):
        who = f"the variant `{variant}` does not set it"
        collector.add([VariableUnset(("vars", "n"), name="n", who=who)], variant)
    (fault,) = collector.told(3)
    assert fault.among == " (in `a` and 1 more variant)"


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ("[{op: concat, branches: {a: {op: relu, beside: nn}}}]", "invalid-expression"),
        ("[{op: concat, branches: {a: {op: relu, beside: -1}}}]", "invalid-value"),
        ("[{name: a, op: relu}, {op: relu, from: b}]", "unknown-step"),
        ("[{name: a, op: relu, each: {k: [1]}}, {op: relu, from: b}]", "unknown-step"),
        ("[{op: relu, when: false, else: input}]", "invalid-value"),
    ],
)
def test_what_follows_from_an_error_is_not_told_beside_it(rows: str, name: str) -> None:
    result = check_text(f"{HEAD}layers: {rows}\n")
    assert [name for name, _ in told(result)] == [name]


def test_a_claim_that_fails_hides_no_warning() -> None:
    rows = "[{name: a, op: relu}, {op: tanh, from: input}]"
    result = check_text(f"{HEAD}layers: {rows}\nexpect: {{params: 3}}\n")
    assert sorted(name for name, _ in told(result)) == ["claim-fails", "unused-step"]


def test_a_name_that_is_missing_in_several_rows_is_told_with_their_count() -> None:
    rows = "[{op: conv2d, out_channels: n, kernel_size: k}, {op: conv2d, out_channels: 2 * n, "
    rows += "kernel_size: n // 4}, {op: relu, repeat: i}, {op: tanh, repeat: i}]"
    result = check_text(f"{HEAD}layers: {rows}\n")
    said = [message.partition(" (known")[0] for _, message in told(result)]
    assert said == [
        "`n`: there is no variable `n` here",
        "`k`: there is no variable `k` here",
        "`i`: there is no variable `i` here",
        "`i`: there is no variable `i` here",
    ]
    assert " (and in 2 more places)" in told(result)[0][1]


def test_a_variable_whose_value_does_not_do_is_told_once_for_each_value() -> None:
    family = "vars: {n: ~}\nvariants: {a: {n: 4}, b: {n: 5.5}, c: {n: relu}}\n"
    row = "{op: conv2d, out_channels: n, kernel_size: 1}"
    result = check_text(f"{HEAD}{family}layers: [{row}, {row}, {row}]\n")
    assert [message for _, message in told(result)] == [
        "out_channels has to be a positive whole number, not 5.5 (and in 2 more places) (in `b`)",
        "out_channels has to be a positive whole number, not relu (and in 2 more places) (in `c`)",
    ]


def test_variables_of_two_blocks_are_two() -> None:
    block = "{args: {w: ~}, layers: [{op: conv2d, out_channels: w, kernel_size: k}]}"
    blocks = f"blocks: {{A: {block}, B: {block}}}\n"
    result = check_text(f"{HEAD}{blocks}layers: [{{op: A, w: 4}}, {{op: B, from: input, w: 4}}]\n")
    assert [name for name, _ in told(result)] == ["invalid-expression"] * 2


def test_a_fault_in_a_block_names_the_use_that_has_it() -> None:
    conv = "{op: conv2d, out_channels: c, kernel_size: 1}"
    block = f"blocks:\n  B:\n    args: {{c: ~}}\n    layers: [{conv}]\n"
    rows = "layers: [{op: B, c: 4}, {name: second, op: B, c: 0}, {op: B, c: 8}]\n"
    result = check_text(HEAD + block + rows)
    assert [fault.path for fault in result.diagnostics] == ["second.0"]
