"""The layer table: what it says, and how it fits."""

import io
import re
from collections.abc import Iterator

import pytest

import archspec
from archspec.report.page import columns
from archspec.report.summary import write_claims, write_heading, write_sums, write_verdict
from archspec.report.table import write_table
from tests.report.conftest import Golden, Sheet

NESTED = """
archspec: 1
name: Nested
source: every kind of row
input: [3, 224, 224]
layers:
  - name: features
    layers:
      - op: conv2d
        out_channels: 96
        kernel_size: 11
        stride: 4
        padding: [1, 2]
        activation: relu
      - {op: max_pool, kernel_size: 3, stride: 2, ceil_mode: true}
      - op: conv2d
        out_channels: 96
        kernel_size: [1, 7]
        padding: {height: 0, width: 3}
        groups: 96
      - name: inner
        layers:
          - {op: conv2d, out_channels: 64, kernel_size: 3, padding: same, dilation: 2, bias: false}
          - {op: batch_norm}
          - {op: max_pool, kernel_size: 2, padding: [[0, 1], [1, 0]]}
  - {name: pool, op: adaptive_avg_pool, output_size: 1}
  - {name: flatten, op: flatten}
  - {name: classifier, layers: [{op: dropout}, {op: linear, out_features: 10}]}
expect: {params: 90346, macs: {value: 1.5e8, tolerance: 5%, source: a guess}}
"""


def checked(text: str = NESTED) -> archspec.Check:
    return archspec.check_text(text, "nested.yaml")


def table(check: archspec.Check, sheet: Sheet) -> Sheet:
    assert check.network is not None
    assert check.results is not None
    write_table(sheet, check.network, check.results)
    return sheet


@pytest.mark.parametrize("width", [80, 60, None])
def test_the_whole_report(width: int | None, golden: Golden) -> None:
    check, sheet = checked(), Sheet(width)
    write_heading(sheet, check)
    table(check, sheet)
    write_sums(sheet, check)
    write_claims(sheet, check.claims)
    write_verdict(sheet, check)
    golden(f"golden/table-{width or 'pipe'}.txt", sheet.text)


def body(sheet: Sheet) -> Iterator[str]:
    """The rows between the rules."""
    lines = sheet.lines
    rules = [at for at, line in enumerate(lines) if set(line) <= {"─", "-"}]
    return iter(lines[rules[0] + 1 : rules[1]])


def test_full_rows_say_everything_and_have_full_paths() -> None:
    rows = [" ".join(row.split()) for row in body(table(checked(), Sheet()))]
    assert rows[1] == "features.0 conv2d 11 4 1,2 3×224×224 → 96×55×55 34 944 105.4 M 11"
    assert rows[2] == "features.1 relu 96×55×55 → 96×55×55 0 0 11"
    assert rows[3] == "features.2 max_pool ceil_mode 3 2 0 96×55×55 → 96×27×27 0 0 19"
    assert rows[4].startswith(
        "features.3 conv2d groups=96 1×7 1 0×3 96×27×27 → 96×27×27 768 489.9 k 19×67"
    )
    assert rows[6].startswith(
        "features.inner.0 conv2d dilation=2 3 1 same 96×27×27 → 64×27×27 55 296"
    )
    assert rows[8].startswith("features.inner.2 max_pool 2 2 0,1×1,0 64×27×27 → 64×14×14 0 0")
    assert rows[9].endswith("64×14×14 → 64×1×1 0 0 global")


def test_a_group_has_the_sums_of_its_rows_and_what_goes_in_and_out() -> None:
    rows = {row.split()[0]: " ".join(row.split()) for row in body(table(checked(), Sheet()))}
    # 34 944 + 768 + 55 296 + 2·64, the batch norm's scale and shift
    assert rows["features"].startswith("features 3×224×224 → 64×14×14 91 136 ")
    assert rows["features.inner"].startswith("features.inner 96×27×27 → 64×14×14 55 424 ")
    assert rows["classifier"] == "classifier 64 → 10 650 640 global"


@pytest.mark.parametrize("width", range(1, 130))
@pytest.mark.parametrize("unicode", [True, False])
def test_no_row_and_no_rule_is_wider_than_the_page(width: int, *, unicode: bool) -> None:
    check, sheet = checked(), Sheet(width, unicode=unicode)
    table(check, sheet)
    rule = [at for at, line in enumerate(sheet.lines) if set(line) <= {"─", "-"}]
    for line in sheet.lines[: rule[1] + 2]:
        assert columns(line) <= width, line
    if width >= 20:  # the longest word of a remark is not
        assert max(map(columns, sheet.lines)) <= width


@pytest.mark.parametrize("width", [12, 40, 60, 80, 100, 120, None])
def test_all_rows_of_a_table_line_up(width: int | None) -> None:
    for line in body(table(checked(), Sheet(width))):
        assert line.split()[0] in NAMES or re.fullmatch("c[las]+…[fi]+er", line.split()[0])


NAMES = {
    *("features", "inner", "pool", "flatten", "classifier", *"012345"),
    *(f"features.{i}" for i in range(5)),
    *(f"features.inner{i}" for i in ("", ".0", ".1", ".2")),
    *("classifier.0", "classifier.1"),
}


COLUMNS = {
    "op": ("op",),
    "kernel": ("kernel", "k"),
    "stride": ("stride", "s"),
    "padding": ("padding", "pad", "p"),
    "input": ("in",),
    "output": ("out", "output"),
    "parameters": ("parameters", "params"),
    "MACs": ("MACs",),
    "receptive field": ("field",),
}
"""What a remark calls a column, and the titles it may have."""


@pytest.mark.parametrize("width", range(20, 130))
def test_every_column_that_finds_no_room_is_named(width: int) -> None:
    sheet = table(checked(), Sheet(width))
    titles = sheet.lines[0].split()
    gone = [name for name, known in COLUMNS.items() if not set(known) & set(titles)]
    remarks = " ".join(line.strip() for line in sheet.lines)
    assert remarks.endswith(f"no room for: {', '.join(gone)}") if gone else "no room" not in remarks


def test_a_pipe_shortens_nothing_and_leaves_nothing_out() -> None:
    sheet = table(checked(CARRYING), Sheet())
    titles = "layer op kernel stride padding in → out parameters MACs receptive field"
    assert " ".join(sheet.lines[0].split()) == titles
    assert "conv1_activation" in sheet.text
    assert "conv2d groups=2" in sheet.text
    assert sheet.lines[-1].startswith("total ")


CARRYING = """
archspec: 1
name: Carrying
input: [4, 224, 224]
defaults: {conv2d: {activation: relu}, linear: {activation: relu, dropout: 0.5}}
layers:
  - {name: conv1, op: conv2d, out_channels: 96, kernel_size: 11, stride: 4, padding: [1, 2]}
  - {name: pool1, op: max_pool, kernel_size: 3, stride: 2}
  - {name: conv2, op: conv2d, out_channels: 256, kernel_size: 5, padding: 2, groups: 2}
  - {name: flatten, op: flatten}
  - {name: fc, op: linear, out_features: 10}
"""


AT_80 = "layer op k s p in → out params MACs field"


def test_at_80_columns_every_column_has_room_and_signs_are_explained() -> None:
    sheet = table(checked(CARRYING), Sheet(80))
    assert " ".join(sheet.lines[0].split()) == AT_80
    rows = [line.split() for line in body(sheet)]
    conv1 = "conv1 conv2d 11 4 1,2 4×224×224 → 96×55×55 46 560 140.6 M 11"
    assert " ".join(rows[0]) == conv1
    assert [row[:2] for row in rows[1:5]] == [
        ["·", "relu"],
        ["pool1", "max_pool"],
        ["conv2", "conv2d"],
        ["·", "relu"],
    ]
    assert rows[3][2] == "g=2"
    assert [row[:2] for row in rows[-3:]] == [["fc", "linear"], ["·", "relu"], ["·", "dropout"]]
    assert sheet.lines[-1] == (
        "k, s, p, g: kernel, stride, padding, groups; ·: part of the row above"
    )


@pytest.mark.parametrize("name", ["alexnet", "alexnet_two_gpu", "flower_net", "lenet5", "vgg16"])
def test_the_specs_that_come_along_keep_all_columns_at_80(name: str) -> None:
    sheet = table(archspec.check(name), Sheet(80))
    assert " ".join(sheet.lines[0].split()) == AT_80
    assert "no room" not in sheet.text


def test_names_are_shortened_only_where_they_have_to_be() -> None:
    text = table(archspec.check("lenet5"), Sheet(80)).text
    assert "c1_activation" in text
    assert "part of the row above" not in text


def test_an_op_that_is_cut_keeps_its_marks() -> None:
    rows = [line.split() for line in body(table(checked(), Sheet(60)))]
    assert rows[3][1:3] == ["ma…", "ceil"]
    assert rows[4][1:3] == ["co…", "g=96"]
    assert rows[6][1:3] == ["con…", "d=2"]


def test_long_names_are_cut_in_the_middle_only_on_a_narrow_page() -> None:
    name = "x" + "y" * 50 + "z"
    spec = NESTED.replace("name: pool,", f"name: {name},")
    assert name in table(checked(spec), Sheet()).text
    narrow = table(checked(spec), Sheet(80)).text
    assert name not in narrow
    row = next(line for line in narrow.splitlines() if line.startswith("xy"))
    assert row.split()[0].endswith("yz")


def test_what_cannot_be_known_is_a_question_mark_and_never_zero() -> None:
    spec = NESTED.replace("kernel_size: 11", "kernel_sise: 11")
    check = checked(spec)
    sheet = table(check, Sheet())
    write_sums(sheet, check)
    rows = list(body(sheet))
    assert all(row.split()[-3:] == ["?", "?", "?"] for row in rows)
    assert "layers      ? weighted" in sheet.lines
    assert "parameters  ?" in sheet.lines
    assert "MACs        ?" in sheet.lines
    assert "memory      ?" in sheet.lines


@pytest.mark.parametrize("width", [None, 80])
def test_a_field_that_is_a_bound_has_a_sign(width: int | None) -> None:
    spec = (
        "archspec: 1\nname: Many\ninput: [1, 8, 8]\nlayers:\n"
        "  - {op: conv2d, out_channels: 1, kernel_size: 3}\n"
        "  - {op: upsample, scale_factor: 65}\n"
    )
    sheet = table(checked(spec), Sheet(width))
    assert [row.split()[-1] for row in body(sheet)] == ["3", "≤4"]
    assert any("≤: at most, units may see less" in line for line in sheet.lines)
    assert "at most" not in table(checked(), Sheet(width)).text


def test_the_first_sound_rows_stay_known_when_a_later_one_is_faulty() -> None:
    spec = NESTED.replace("dilation: 2", "dilation: 200, padding: 0")
    rows = [
        row.split() for row in body(table(checked(spec.replace("padding: same, ", "")), Sheet()))
    ]
    assert rows[1][-4:] == ["944", "105.4", "M", "11"]
    assert rows[6][-3:] == ["?", "?", "?"]


def test_colour_adds_nothing_but_colour() -> None:
    plain, colored = table(checked(), Sheet(90)), table(checked(), Sheet(90, color=True))
    assert "\x1b[" in colored.text
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in colored.lines] == plain.lines


def test_without_unicode_the_table_is_the_same_in_ascii() -> None:
    plain, ascii_ = table(checked(), Sheet()), table(checked(), Sheet(unicode=False))
    assert ascii_.text.isascii()
    for one, other in zip(plain.lines[2:-2], ascii_.lines[2:-2], strict=True):
        assert one.replace("×", "x").replace("→", "->").split() == other.split()
    assert len({columns(line) for line in body(ascii_)}) == 1


def test_names_from_the_spec_steer_no_terminal() -> None:
    spec = NESTED.replace("name: pool,", 'name: "\\e[2J\\u202Epool",')
    assert "\\e" in spec
    check, sheet = checked(spec), Sheet()
    write_heading(sheet, check)
    table(check, sheet)
    assert "\x1b" not in sheet.text
    assert "\u202e" not in sheet.text
    assert "␛[2J" in sheet.text


def claims(text: str, width: int | None = None) -> list[str]:
    sheet = Sheet(width)
    write_claims(sheet, checked(text).claims)
    return sheet.lines[2:]


def test_claims_show_mark_figure_and_source() -> None:
    holds, close = claims(NESTED.replace("params: 90346", "params: 91786"))
    assert holds == "  ✓ params  91 786"
    assert close.startswith("  ✓ macs    150 000 000, within tolerance of ")
    assert close.endswith(" (a guess)")
    assert claims(NESTED)[-1] == "  ✗ params  claimed 90 346, computed 91 786"


MANY = (
    "archspec: 1\nname: Many\ninput: [1, 8, 8]\ncolumns: [name, op, output]\nlayers:\n"
    + "".join(f"  - [r{i}, relu, 8×8×1]\n" for i in range(40))
    + "expect: {params: 0}\n"
)


def test_many_claims_that_hold_are_counted_but_those_of_the_whole_are_listed() -> None:
    assert claims(MANY) == ["  ✓ params  0", "  ✓ 40 claims about layers"]


def test_claims_that_fail_are_listed_and_counted_beyond_a_limit() -> None:
    lines = claims(MANY.replace("8×8×1]", "8×8×2]"))
    assert len([line for line in lines if "✗ output of r" in line]) == 40
    many = "".join(f"  - [q{i}, relu, 8×8×2]\n" for i in range(40))
    lines = claims(MANY.replace("8×8×1]", "8×8×2]").replace("expect:", many + "expect:"))
    assert lines[-1] == "  ✗ and 30 more"


def test_a_network_of_a_hundred_thousand_rows_is_streamed() -> None:
    rows = 5000
    spec = "archspec: 1\nname: Long\ninput: [1, 8, 8]\nlayers:\n" + "  - {op: relu}\n" * rows

    class Counting(io.StringIO):
        largest = 0

        def write(self, text: str) -> int:
            self.largest = max(self.largest, len(text))
            return super().write(text)

    sheet = Sheet()
    sheet.stream = stream = Counting()
    table(checked(spec), sheet)
    assert stream.getvalue().count("relu") == rows
    assert stream.largest < 200
