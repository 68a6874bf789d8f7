"""Where paths do not meet, the help is true: the inputs named fit, and no nearer ones do."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.api import Check, check_text
from archspec.diagnostics.shapes import MergeMismatch
from archspec.graph import mending
from archspec.graph.build import build

UNET = """\
archspec: 1
name: U
input: [1, {size}, {size}]
layers:
  - {{name: e1, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}}
  - {{name: p1, op: max_pool, kernel_size: {factor}}}
  - {{name: e2, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}}
  - {{name: p2, op: max_pool, kernel_size: 2}}
  - {{name: u2, {up}}}
  - {{name: c2, op: concat, from: [u2, e2]}}
  - {{name: u1, op: upsample, scale_factor: {factor}}}
  - {{name: c1, op: concat, from: [u1, e1]}}
"""
TRANSPOSED = "op: conv_transpose2d, out_channels: 2, kernel_size: 2, stride: 2"
UPSAMPLE = "op: upsample, scale_factor: 2"


def help_of(check: Check) -> str:
    """The help of the first merge that does not fit."""
    return next(d.help for d in check.diagnostics if isinstance(d, MergeMismatch))


@settings(max_examples=25, deadline=None)
@given(size=st.integers(12, 90), factor=st.sampled_from([2, 3]), transposed=st.booleans())
def test_the_inputs_named_are_the_nearest_that_fit(
    size: int, factor: int, *, transposed: bool
) -> None:
    def check(side: int) -> Check:
        up = TRANSPOSED if transposed else UPSAMPLE
        return check_text(UNET.format(size=side, factor=factor, up=up))

    checked = check(size)
    if checked.ok:
        return
    found = re.search(r"inputs of (.*) fit", help_of(checked))
    assert found is not None
    named = [int(side) for side in found[1].split(" or ")]
    fitting = [side for side in range(size - 12, size + 13) if side > 0 and check(side).ok]
    assert named == [
        *[max(side for side in fitting if side < size)],
        *[min(side for side in fitting if side > size)],
    ]


@pytest.mark.parametrize(
    ("up", "mended"),
    [
        (TRANSPOSED, f"{TRANSPOSED}, output_padding: 1"),
        (UPSAMPLE, "op: upsample, size: [45, 45]"),
    ],
)
def test_what_the_help_says_mends_it(up: str, mended: str) -> None:
    told = help_of(check_text(UNET.format(size=90, factor=2, up=up)))
    assert "p2 makes 22×22 of 45×45 and leaves a rest" in told
    assert mended.removeprefix("op: upsample, ").removeprefix(f"{TRANSPOSED}, ") in told
    assert check_text(UNET.format(size=90, factor=2, up=mended)).ok


def test_only_so_many_networks_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def counting(*arguments: Any) -> Any:
        network, faults = build(*arguments)
        tried.append(len(network.nodes))
        return network, faults

    monkeypatch.setattr(mending, "build", counting)
    rows = "".join(
        f"  - {{name: p{i}, op: max_pool, kernel_size: 2, stride: 1}}\n"
        f"  - {{name: a{i}, op: add, from: [input, p{i}]}}\n"
        for i in range(400)
    )
    assert not check_text(f"archspec: 1\nname: N\ninput: [1, 900, 900]\nlayers:\n{rows}").ok
    assert 0 < sum(tried) <= mending.MOST_NODES


def test_what_the_first_place_lacks_already_is_no_matter_of_the_others() -> None:
    rows = "[{name: a, op: relu}, {op: max_pool, repeat: 3, from: a, kernel_size: 50}]"
    (fault,) = check_text(f"archspec: 1\nname: Net\ninput: [3, 8, 8]\nlayers: {rows}\n").diagnostics
    assert fault.name == "window-too-large"
    assert "first place" not in fault.help


HEAD = "archspec: 1\nname: N\ninput: [3, 32, 32]\n"
CONV = "op: conv2d, kernel_size: 3"
PROJECTED = "`{{op: conv2d, out_channels: {}, kernel_size: 1, stride: 2}}`"
UP = """\
blocks:
  Up:
    inputs: [x, skip]
    layers:
      - {name: up, op: upsample, scale_factor: 2, from: x}
      - {name: both, op: concat, from: [up, skip]}
"""
WITHOUT_PADDING = f"""\
  - {{name: e, {CONV}, out_channels: 8}}
  - {{name: p, op: max_pool, kernel_size: 2}}
  - {{name: m, {CONV}, out_channels: 8}}
"""
HELP = {
    "a convolution that loses the margin": (
        f"""\
  - {{name: a, {CONV}, out_channels: 3}}
  - {{name: x, op: add, from: [a, input]}}
""",
        ["a makes 30×30 of 32×32", "give a `padding: 1`"],
    ),
    "several rows that do": (
        f"""\
  - {{name: a, {CONV}, out_channels: 3, dilation: 2}}
  - {{name: b, op: batch_norm}}
  - {{name: c, op: conv2d, out_channels: 3, kernel_size: [3, 1]}}
  - {{name: x, op: add, from: [c, input]}}
""",
        [
            "a makes 28×28 of 32×32, c makes 26×28 of 28×28",
            "give a `padding: 2` and c `padding: {height: 1, width: 0}`",
        ],
    ),
    "the one of several that matters": (
        f"""\
  - {{name: a, {CONV}, out_channels: 3}}
  - {{name: b, op: conv2d, kernel_size: 5, out_channels: 3}}
  - {{name: c, op: conv2d, kernel_size: 5, out_channels: 3, from: input, activation: relu}}
  - {{name: x, op: add, from: [b, c]}}
  - {{name: y, op: add, from: [x, c]}}
""",
        ["a makes 30×30 of 32×32", "give a `padding: 1`"],
    ),
    "an even window": (
        """\
  - {name: a, op: conv2d, out_channels: 3, kernel_size: 4}
  - {name: x, op: add, from: [a, input]}
""",
        ["a makes 29×29 of 32×32", "give a `padding: same`"],
    ),
    "a pooling": (
        """\
  - {name: a, op: max_pool, kernel_size: 3, stride: 1}
  - {name: x, op: add, from: [a, input]}
""",
        ["a makes 30×30 of 32×32", "give a `padding: 1`"],
    ),
    "the channels as well": (
        f"""\
  - {{name: a, {CONV}, out_channels: 16}}
  - {{name: x, op: add, from: [a, input]}}
""",
        ["a makes 30×30 of 32×32", "give a `padding: 1` and `out_channels: 3`"],
    ),
    "channels that two rows set": (
        f"""\
  - {{name: a, {CONV}, out_channels: 16, padding: 1}}
  - {{name: b, {CONV}, kernel_num: 8, padding: 1, from: input}}
  - {{name: x, op: add, from: [a, b]}}
""",
        ["give b `kernel_num: 16`", "or give a `out_channels: 8`"],
    ),
    "channels that one row sets": (
        f"""\
  - {{name: a, {CONV}, out_channels: 16, padding: 1}}
  - {{name: x, op: add, from: [a, input]}}
""",
        [
            "put `{op: conv2d, out_channels: 16, kernel_size: 1}` between the input and x",
            "or give a `out_channels: 3`",
        ],
    ),
    "a stride against what has none": (
        f"""\
  - {{name: a, {CONV}, out_channels: 3, padding: 1, stride: 2}}
  - {{name: x, op: add, from: [a, input]}}
""",
        [
            "the strides of the paths differ: a by 2, the input by 1",
            "give a `stride: 1`",
            f"or put {PROJECTED.format(3)} between the input and x",
        ],
    ),
    "a stride, and the channels as well": (
        f"""\
  - {{name: a, {CONV}, out_channels: 16, padding: 1, stride: 2}}
  - {{name: x, op: add, from: [a, input]}}
""",
        [
            "the strides of the paths differ: a by 2, the input by 1",
            "give a `stride: 1` and `out_channels: 3`",
            f"or put {PROJECTED.format(16)} between the input and x",
        ],
    ),
    "a stride against a row": (
        f"""\
  - {{name: a, {CONV}, out_channels: 16, padding: 1, stride: 2}}
  - {{name: b, op: conv2d, out_channels: 16, kernel_size: 1, from: input}}
  - {{name: x, op: add, from: [a, b]}}
""",
        [
            "the strides of the paths differ: a by 2, b by 1",
            "give a `stride: 1`",
            "or give b `stride: 2`",
        ],
    ),
    "two maps of three that lost their margin": (
        f"""\
  - name: x
    op: concat
    branches:
      - {{name: a, {CONV}, out_channels: 4}}
      - {{name: b, op: conv2d, out_channels: 4, kernel_size: 1}}
      - {{name: c, {CONV}, out_channels: 4}}
""",
        [
            "a makes 30×30 of 32×32, c makes 30×30 of 32×32",
            "give a and c `padding: 1`",
        ],
    ),
    "one map of three that gained one": (
        """\
  - name: x
    op: concat
    branches:
      - {name: a, op: conv2d, out_channels: 4, kernel_size: 1}
      - {name: b, op: conv2d, out_channels: 4, kernel_size: 1, padding: 1}
      - {name: c, op: conv2d, out_channels: 4, kernel_size: 1}
""",
        ["b makes 34×34 of 32×32", "give b `padding: 0`"],
    ),
    "a stride against an empty branch": (
        f"""\
  - name: x
    op: add
    branches:
      - [{{name: a, {CONV}, out_channels: 16, padding: 1, stride: 2}}]
      - []
""",
        [
            "the strides of the paths differ: a by 2, branch 1 by 1",
            "give a `stride: 1` and `out_channels: 3`",
            f"or put {PROJECTED.format(16)} at the end of branch 1",
        ],
    ),
    "a gate": (
        """\
  - {name: a, op: mean}
  - {name: x, op: mul, from: [a, input]}
  - {name: c, op: conv2d, out_channels: 4, kernel_size: 1}
""",
        ["a leaves a vector of a map", "give a `keepdim: true`"],
    ),
    "a vector and a map behind each other": (
        """\
  - {name: a, op: mean}
  - {name: x, op: concat, from: [a, input]}
""",
        [
            "put `{op: mean}` between the input and x",
            "or put `{op: flatten}` between the input and x",
        ],
    ),
    "vectors of two widths": (
        """\
  - {name: a, op: flatten}
  - {name: b, op: linear, out_features: 10}
  - {name: c, op: linear, out_features: 20, from: a}
  - {name: x, op: add, from: [b, c]}
""",
        ["give b `out_features: 20`", "or give c `out_features: 10`"],
    ),
    "nothing that would mend it": (
        """\
  - {name: a, op: flatten}
  - {name: b, op: linear, out_features: 10}
  - {name: x, op: add, from: [b, input]}
""",
        [],
    ),
    "a U-Net without padding": (
        f"""\
{WITHOUT_PADDING}\
  - {{name: up, op: upsample, scale_factor: 2}}
  - {{name: x, op: concat, from: [up, e]}}
""",
        ["m makes 13×13 of 15×15", "give m `padding: 1`"],
    ),
    "one whose merge stands in a block": (
        f"""\
{WITHOUT_PADDING}\
  - {{name: d, op: Up, from: {{x: m, skip: e}}}}
{UP}""",
        ["m makes 13×13 of 15×15", "give m `padding: 1`"],
    ),
    "a block where one number would not do for both": (
        """\
  - {name: a, op: conv2d, out_channels: 16, kernel_size: 1}
  - {name: u, op: Unit}
  - {name: b, op: conv2d, out_channels: 8, kernel_size: 1}
  - {name: v, op: Unit}
blocks:
  Unit:
    layers:
      - {name: c, op: conv2d, out_channels: 8, kernel_size: 1}
      - {name: x, op: add, from: [c, input]}
""",
        ["put `{op: conv2d, out_channels: 8, kernel_size: 1}` between the input and u.x"],
    ),
}


def mended(text: str, option: str) -> str:
    """A text with one of the options of the help put into it, as its reader would do it."""
    data = yaml.safe_load(text)
    bodies = [data["layers"], *(block["layers"] for block in data.get("blocks", {}).values())]
    rows = [row for body in bodies for row in body]
    branches = [branch for row in rows for branch in row.get("branches", ())]
    rows += [row for b in branches for row in (b if isinstance(b, list) else [b])]
    if put := re.fullmatch(r"put `(.*)` at the end of branch (\d)", option):
        branches[int(put[2])].append(yaml.safe_load(put[1]))
        return yaml.safe_dump(data)
    if put := re.fullmatch(r"put `(.*)` between (.*) and (.*)", option):
        cells, before, path = put.groups()
        merge = path.rpartition(".")[2]
        own = {"name": "own", **yaml.safe_load(cells), "from": before.removeprefix("the ")}
        body = next(body for body in bodies if any(row["name"] == merge for row in body))
        at = next(i for i, row in enumerate(body) if row["name"] == merge)
        read = body[at]["from"]
        body[at]["from"] = ["own" if name == own["from"] else name for name in read]
        body.insert(at, own)
        return yaml.safe_dump(data)
    names: list[str] = []
    given = False
    for word in re.findall(r"`[^`]*`|[\w.]+", option.removeprefix("give ")):
        if word.startswith("`"):
            key, value = next(iter(yaml.safe_load(word.strip("`")).items()))
            for row in rows:
                row.update({key: value} if row["name"] in names else {})
            given = True
        elif word != "and":
            names = [*([] if given else names), word]
            given = False
    return yaml.safe_dump(data)


@pytest.mark.parametrize(("text", "told"), HELP.values(), ids=HELP)
def test_the_help_says_what_mends_it(text: str, told: list[str]) -> None:
    text = f"{HEAD}layers:\n{text}"
    assert help_of(check_text(text)) == "; ".join(told)
    options = [said.removeprefix("or ") for said in told]
    for option in [o for o in options if o.startswith(("give", "put"))]:
        checked = check_text(mended(text, option))
        assert checked.ok, (option, [fault.message for fault in checked.diagnostics])


def test_what_arrives_at_a_block_is_called_by_its_name() -> None:
    text = f"{HEAD}layers:\n{HELP['one whose merge stands in a block'][0]}"
    fault = next(d for d in check_text(text).diagnostics if isinstance(d, MergeMismatch))
    assert "up gives 8×26×26, skip (e) is 8×30×30" in fault.message


def test_of_many_rows_not_all_are_named() -> None:
    rows = "".join(f"  - {{name: a{i}, {CONV}, out_channels: 3}}\n" for i in range(9))
    text = f"{HEAD}layers:\n{rows}  - {{op: add, from: [a8, input]}}\n"
    assert help_of(check_text(text)) == (
        "a0 makes 30×30 of 32×32, a1 makes 28×28 of 30×30, and 7 rows more lose some; "
        "give a0 and 7 rows more, up to a8, `padding: 1`"
    )
