"""`--explain`: the arithmetic, with the numbers in it."""

import pytest

import archspec
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
    assert titles == ["head.odd", "head.1", "head.pool", "head.flatten", "head.fc"]


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
    assert [node.path for node in select(network, "head.odd")] == ["head.odd"]
    assert len(select(network, "head")) == 5
    assert select(network, "") == network.nodes
    assert select(network, "hea") == ()


def test_a_typo_is_answered_with_what_there_is() -> None:
    network = checked().network
    assert network is not None
    assert closest([network], "head.od") == "did you mean `head.odd`?"
    assert closest([network], "xyz") == (
        "there are conv1, pool1, conv2, head, head.odd, head.1, head.pool, head.flatten, …"
    )
