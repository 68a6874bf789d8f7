"""`--explain`: the arithmetic, with the numbers in it."""

from pathlib import Path

import pytest

import archspec
from archspec.graph.network import Node
from archspec.report.explanation import closest, select, write_explanations
from tests.report.conftest import Golden, Sheet

SLIDES = """
archspec: 1
name: Slides
input: [3, 224, 224]
columns: [name, op, kernel_size, out_channels, padding, stride]
layers:
  - [conv1, conv2d, 11, 96, [1, 2], 4]
  - [pool1, max_pool, 3, ~, 0, 2]
  - {name: conv2, op: conv2d, kernel_size: [1, 7], out_channels: 8, padding: same, dilation: 2}
  - name: head
    layers:
      - {name: odd, op: conv2d, kernel_size: 2, out_channels: 8, stride: 2, groups: 8, bias: false}
      - {op: batch_norm}
      - {name: pool, op: adaptive_avg_pool, output_size: 1}
      - {name: flatten, op: flatten}
      - {name: fc, op: linear, out_features: 10}
"""


def checked(text: str = SLIDES) -> archspec.Check:
    return archspec.check_text(text)


def explained(layer: str, text: str = SLIDES, width: int | None = None) -> Sheet:
    check, sheet = checked(text), Sheet(width)
    assert check.network is not None
    assert check.results is not None
    write_explanations(sheet, check.network, check.results, [layer])
    return sheet


@pytest.mark.parametrize("width", [80, None])
def test_every_layer(width: int | None, golden: Golden) -> None:
    golden(f"golden/explain-{width or 'pipe'}.txt", explained("", width=width).text)


@pytest.mark.parametrize(
    ("layer", "lines"),
    [
        (
            "conv1",
            [
                "N = (W − F + P_before + P_after)/S + 1 = (224 − 11 + 1 + 2)/4 + 1 = 55",
                "(k·k·C_in + 1)·C_out = (11·11·3 + 1)·96 = 34 944",
                "r' = r + (F − 1)·j = 1 + (11 − 1)·1 = 11",
                "j' = j·S = 1·4 = 4",
                "o' = o − P·j = 0 − 1·1 = −1: unit u sees 4·u − 1 to 4·u + 9",
            ],
        ),
        ("pool1", ["r' = r + (F − 1)·j = 11 + (3 − 1)·4 = 19", "j' = j·S = 4·2 = 8"]),
        (
            # 27 → ⌈27/1⌉ = 27; the dilated kernel of 7 spans 13, so that 12 are added
            "conv2",
            [
                "(27 − (2·(7 − 1) + 1) + 6 + 6)/1 + 1 = 27",
                "r' = r + D·(F − 1)·j = 19 + 2·(7 − 1)·8 = 115",
                "o' = o − P·j = −1 − 6·8 = −49: unit u sees 8·u − 49 to 8·u + 65",
            ],
        ),
        ("head.odd", ["(27 − 2 + 0 + 0)/2 + 1 = 13.5 → 13 (rounded down)", "2·2·8/8·8 = 32"]),
        ("head.1", ["2·C = 2·8 = 16", "each output looks at a single place"]),
        ("head.flatten", ["8·1·1 = 8", "global, as what arrives"]),
        ("head.fc", ["(F_in + 1)·F_out = (8 + 1)·10 = 90", "F_in·F_out = 8·10 = 80"]),
    ],
)
def test_the_numbers_stand_in_the_formulas(layer: str, lines: list[str]) -> None:
    text = explained(layer).text
    assert [line for line in lines if line not in text] == []


def test_the_dropped_column_is_told() -> None:
    assert "never read" in explained("head.odd").text


def test_a_group_is_explained_row_by_row() -> None:
    titles = [line.split()[0] for line in explained("head").lines if line[:1].isalpha()]
    assert titles == ["head", "head.odd", "head.1", "head.pool", "head.flatten", "head.fc"]


def test_what_a_faulty_row_leaves_unknown_is_told() -> None:
    text = SLIDES.replace("[pool1, max_pool, 3,", "[pool1, max_pool, 300,")
    faulty = explained("", text).text
    assert "(55 − 300 + 0 + 0)/2 + 1" in faulty
    assert faulty.count("what arrives is unknown, because of the errors before it") == 6
    assert "this row has errors" in explained("conv1", SLIDES.replace("96", "zwei")).text


def test_formulas_break_after_their_letters() -> None:
    lines = explained("conv1", width=60).lines
    assert lines[1].endswith("N = (W − F + P_before + P_after)/S + 1")
    assert lines[2].strip() == "= (224 − 11 + 1 + 2)/4 + 1 = 55"
    assert lines[2].index("=") == lines[1].index("=")
    assert max(map(len, lines)) <= 60


def test_a_path_a_group_or_everything_can_be_selected() -> None:
    network = checked().network
    assert network is not None
    assert [item.path for item in select(network, "head.odd")] == ["head.odd"]
    assert len(select(network, "head")) == 1 + 5
    assert [n for n in select(network, "") if isinstance(n, Node)] == list(network.nodes)
    assert select(network, "hea") == ()


def test_a_typo_is_answered_with_what_there_is() -> None:
    network = checked().network
    assert network is not None
    assert closest([network], "head.od") == "did you mean `head.odd`?"
    assert closest([network], "xyz") == (
        "there are conv1, pool1, conv2, head, head.odd, head.1, head.pool, head.flatten, …"
    )


GRAPH = (Path(__file__).parent / "graph.yaml").read_text(encoding="utf-8")


def graph(layer: str, text: str = GRAPH, width: int | None = None) -> Sheet:
    family, sheet = archspec.check_text(text).family, Sheet(width)
    network, results = family[0].network, family[0].results
    assert network is not None
    assert results is not None
    write_explanations(sheet, network, results, [layer])
    return sheet


@pytest.mark.parametrize("width", [80, None])
def test_a_block_with_merges(width: int | None, golden: Golden) -> None:
    text = graph("mix", width=width).text + graph("units.0.sum", width=width).text
    golden(f"golden/explain-merge-{width or 'pipe'}.txt", text)


def test_a_merge_names_its_inputs_and_adds_up_their_channels() -> None:
    lines = graph("mix.cat").lines
    assert lines[0] == "mix.cat  concat  8×32×32, 16×32×32, 16×32×32 → 40×32×32"
    assert lines[1].split(maxsplit=1) == ["inputs", "b1 8×32×32, b2 16×32×32, b3 16×32×32"]
    assert lines[2].split(maxsplit=1) == ["output", "channels 8 + 16 + 16 = 40"]


def test_the_field_of_a_merge_is_the_hull_of_what_its_inputs_see() -> None:
    text = (
        "archspec: 1\nname: Hull\ninput: [1, 32, 32]\nlayers:\n"
        "  - {name: low, op: max_pool, kernel_size: 3, stride: 1, padding: [0, 2]}\n"
        "  - {name: high, from: input, op: max_pool, kernel_size: 5, stride: 1, padding: [3, 1]}\n"
        "  - {name: sum, op: add, from: [low, high]}\n"
    )
    shown = [line[2 + 13 :] for line in explained("sum", text).lines]
    # 0 to 2 and −3 to 1: together −3 to 2, which is 6 pixels
    assert shown[-3:] == [
        "low sees u to u + 2",
        "high sees u − 3 to u + 1",
        "r' = 6: together they see u − 3 to u + 2",
    ]


def test_gates_are_told_where_they_widen_the_field_and_behind() -> None:
    assert "global, through fc2; without gates:" in graph("units.0.se.scale").text
    assert "global, through gates before; without gates:" in graph("units.1.sum").text
    text = graph("units.1.conv2").text
    assert "global, through gates; without gates:" in text
    assert "r' = r + (F − 1)·j = 27 + (3 − 1)·4 = 35" in text
    assert "global: every output sees all of its input" in graph("pool").text


def test_paths_of_different_strides_leave_the_field_unknown() -> None:
    text = (
        "archspec: 1\nname: Strides\ninput: [1, 8, 8]\nlayers:\n"
        "  - {name: down, op: max_pool, kernel_size: 2}\n"
        "  - {name: cut, from: input, op: conv2d, out_channels: 1, kernel_size: 5}\n"
        "  - {name: sum, op: add, from: [down, cut]}\n"
    )
    shown = explained("sum", text).text
    assert "unknown: neighbouring units lie differently far apart (down 2, cut 1)" in shown


SMALLER_AND_LARGER = """
archspec: 1
name: Decoder
input: [2, 24, 24]
layers:
  - {name: conv, op: conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  - {name: up, op: conv_transpose2d, out_channels: 4, kernel_size: 4, stride: 2, padding: 1}
  - {name: mixed, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}
  - {name: sum, op: add, from: [mixed, input]}
  - {name: both, op: concat, from: [sum, input]}
  - {name: part, op: slice, start: 2, stop: 4}
  - {name: back, op: max_pool, kernel_size: 2, from: mixed}
  - {name: holes, op: conv_transpose2d, out_channels: 2, kernel_size: 1, stride: 3}
  - {name: more, op: upsample, scale_factor: [9, 1]}
  - {name: most, op: upsample, scale_factor: [70, 1]}
  - {name: all, op: adaptive_avg_pool}
"""


@pytest.mark.parametrize(
    ("layer", "lines"),
    [
        (
            "up",
            [
                "even units 2·q read inputs q − 1 to q, see 2·q − 3 to 2·q + 1",
                "odd units 2·q + 1 read inputs q to q + 1, see 2·q − 1 to 2·q + 3",
                "r' = 5, of those that see most; j' = 1",
            ],
        ),
        (
            "mixed",
            [
                "even units 2·q read inputs 2·q − 1 to 2·q + 1, see 2·q − 3 to 2·q + 3",
                "odd units 2·q + 1 read inputs 2·q to 2·q + 2, see 2·q − 3 to 2·q + 3",
                "r' = 7, of those that see most; j' = 1",
            ],
        ),
        (
            "sum",
            [
                "mixed sees 2·q − 3 to 2·q + 3 (units 2·q to 2·q + 1)",
                "input sees u to u",
                "r' = 7: together they see 2·q − 3 to 2·q + 3 (units 2·q to 2·q + 1)",
            ],
        ),
        ("part", ["r' = 1: the channels that it reads see u to u"]),
        (
            "back",
            [
                "units u read inputs 2·u to 2·u + 1, see 2·u − 3 to 2·u + 3",
                "r' = 7, of those that see most; j' = 2",
            ],
        ),
        (
            "holes",
            [
                "units 3·q read input q, see 2·q − 3 to 2·q + 3",
                "units 3·q + 1 read nothing",
                "units 3·q + 2 read nothing",
                "r' = 7, of those that see most; j' = 2/3",
            ],
        ),
        (
            "more",
            [
                *(
                    f"units 27·q{k} read input 3·q, see 2·q − 3 to 2·q + 3"
                    for k in ("", " + 1", " + 2", " + 3")
                ),
                "and so on: there are 27 kinds of units",
                "r' = 7, of those that see most; j' = 2/27",
            ],
        ),
        ("most", ["r' ≤ 9: unit u sees no more than 1/945·u − 5 to 1/945·u + 3, and may see less"]),
        ("all", ["global: every output sees all of its input"]),
    ],
)
def test_what_units_see_behind_an_upsampling(layer: str, lines: list[str]) -> None:
    shown = explained(layer, SMALLER_AND_LARGER).lines
    at = next(i for i, line in enumerate(shown) if line.strip().startswith("field"))
    assert [line[2 + 13 :] for line in shown[at : at + len(lines)]] == lines


def test_where_a_page_is_narrow_what_is_seen_has_its_own_line() -> None:
    shown = explained("up", SMALLER_AND_LARGER, width=60).lines
    assert "               odd units 2·q + 1 read inputs q to q + 1," in shown
    assert "                 see 2·q − 1 to 2·q + 3" in shown


def test_a_stride_that_is_too_large_leaves_the_field_unknown() -> None:
    row = "op: conv2d, repeat: 40, out_channels: 1, kernel_size: 3, padding: 2, stride: 2"
    text = f"archspec: 1\nname: Deep\ninput: [1, 8, 8]\nlayers:\n  - {{name: conv, {row}}}\n"
    known, unknown = (explained(f"conv.{i}", text).text for i in (30, 31))
    assert "j' = j·S = 1073741824·2 = 2147483648" in known
    assert "unknown: the stride has grown too large to follow" in unknown


def test_a_block_has_its_arguments_and_its_sums() -> None:
    lines = graph("units").lines
    at = lines.index("units.0  Unit  40×32×32 → 32×16×16")
    assert [line.split(maxsplit=1)[1] for line in lines[at + 1 : at + 4]] == [
        "width = 32, stride = 2, in_channels = 40",
        "11 584 (conv1) + 9 248 (conv2) + 64 (conv2_norm) + 292 (se) + 1 312 (project) = 22 500",
        "2 949 120 (conv1) + 2 359 296 (conv2) + 256 (se) + 327 680 (project) = 5 636 352",
    ]


def test_equal_terms_of_a_sum_are_counted() -> None:
    deep = GRAPH.replace("depth: 2}", "depth: 5}")
    lines = graph("units", deep).lines
    assert lines[0] == "units  5 × Unit  40×32×32 → 32×16×16"
    assert lines[1].split(maxsplit=1)[1] == "22 500 (0) + 4·18 884 (1 to 4) = 98 036"


def test_a_row_inside_a_repeated_block_is_found_by_its_path() -> None:
    assert graph("units.1.conv1.0").lines[0] == "units.1.conv1.0  conv2d  32×16×16 → 32×16×16"
    network = archspec.check_text(GRAPH).network
    assert network is not None
    assert closest([network], "units.1.projct") == "did you mean `units.0.project`?"


def test_sums_of_what_is_unknown_are_unknown() -> None:
    faulty = GRAPH.replace("squeeze: 4", "squeeze: 4.5")
    line = next(line for line in graph("units.0", faulty).lines if "parameters" in line)
    assert line.split(maxsplit=1)[1].startswith("? (unknown of se")


def test_what_is_only_in_training_says_so() -> None:
    assert "only in training: the network's MACs leave that out" in graph("aux").text
    assert "only in training" not in graph("mix").text
