"""Random specs of blocks: arguments, conditions, branches, repetition, tables, and variants."""

from typing import Any

from hypothesis import strategies as st

from archspec.api import Check
from tests.targets.networks import Row, check, truths

SHAPE = (3, 9, 8)
WIDTHS = ("width", "hidden", "in_channels", "width * 2", "max(in_channels // 2, 1)", 4)
HIDDEN = ("width + 2", "in_channels * 2", "make_divisible(width * 1.5, 2)", "max(width, 5)", 6)
ACTIVATIONS = ("relu", "hardswish", "silu", "gelu", "relu6")
ARGUMENTS: dict[str, Any] = {"width": None, "stride": 1, "act": "relu", "hidden_": 1}


def conv(width: Any, kernel: int = 1, **more: Any) -> Row:
    """A convolution that keeps the size but for its stride."""
    row = {"op": "conv2d", "out_channels": width, "kernel_size": kernel, "padding": kernel // 2}
    return row | more


@st.composite
def chain_of(draw: st.DrawFn, last: Any, *, names: str = "", stride: Any = 1) -> list[Row]:
    """Convolutions and what follows them; the last gives `last` channels, the first strides."""
    rows: list[Row] = []
    count = draw(st.integers(1, 3))
    for i in range(count):
        width = last if i == count - 1 else draw(st.sampled_from(WIDTHS))
        row = conv(width, draw(st.sampled_from([1, 3])), stride=stride if i == 0 else 1)
        row["bias"] = draw(truths)
        rows.append({"name": f"{names}conv{i + 1}", **row} if names else row)
        if draw(truths):
            named = {"name": f"{names}bn{i + 1}"} if names else {}
            rows.append({**named, "op": "batch_norm"})
        if draw(truths):
            named = {"name": f"{names}act{i + 1}"} if names and draw(truths) else {}
            rows.append({**named, "op": draw(st.sampled_from(["act", *ACTIVATIONS]))})
    return rows


SHORTCUT: list[Row] = [
    {
        "name": "downsample",
        "from": "input",
        "when": "stride != 1 or in_channels != width",
        "layers": [conv("width", stride="stride", bias=False), {"op": "batch_norm"}],
    },
]


@st.composite
def residual(draw: st.DrawFn) -> list[Row]:
    """A chain beside a shortcut, which is a projection where it has to be."""
    rows = draw(chain_of("width", names="a_", stride="stride"))
    end = rows[-1].get("name")
    if end is None:
        rows.append({"name": "end", "op": "identity"})
        end = "end"
    rows += [dict(row) for row in SHORTCUT]
    rows.append({"name": "sum", "op": "add", "from": [end, "downsample"]})
    return [*rows, {"op": "act"}] if draw(truths) else rows


@st.composite
def shortcut_where_it_fits(draw: st.DrawFn) -> list[Row]:
    """An inverted residual: its sum is dropped where shapes differ; a row may be dropped too."""
    rows = draw(chain_of("hidden", names="b_"))
    rows.insert(0, {"name": "expand", **conv("in_channels * 2"), "when": "hidden_ != 1"})
    rows.append({"name": "last", **conv("width", 3, stride="stride")})
    when = "stride == 1 and in_channels == width"
    return [*rows, {"name": "sum", "op": "add", "from": ["last", "input"], "when": when}]


@st.composite
def branched(draw: st.DrawFn) -> list[Row]:
    """Several paths behind each other along the channels, then back to `width`."""
    named = draw(truths)
    paths = [draw(chain_of("width", stride="stride")), draw(chain_of("hidden", stride="stride"))]
    pooled = [
        {"op": "max_pool", "kernel_size": 3, "stride": "stride", "padding": 1},
        conv("in_channels"),
    ]
    paths.append(pooled)
    branches: Any = {f"branch{i + 1}": path for i, path in enumerate(paths)}
    if not named:
        branches = [[{"name": f"branch{i + 1}", "layers": p}] for i, p in enumerate(paths)]
    rows: list[Row] = [{"name": "cat", "op": "concat", "branches": branches}]
    return [*rows, {"name": "project", **conv("width")}]


@st.composite
def gated(draw: st.DrawFn) -> list[Row]:
    """Squeeze and excitation behind a convolution."""
    rows: list[Row] = [
        {"name": "project", **conv("width", 3, stride="stride")},
        {"name": "pool", "op": "adaptive_avg_pool", "output_size": 1},
        {"name": "fc1", **conv("max(width // 2, 1)")},
        {"op": "act"},
        {"name": "fc2", **conv("width")},
        {"name": "gate", "op": "sigmoid"},
    ]
    rows.append(
        {
            "name": "scale",
            "op": "mul",
            "from": draw(st.sampled_from([["gate", "project"], ["project", "gate"]])),
        }
    )
    return rows


@st.composite
def bodies(draw: st.DrawFn, *, known: tuple[str, ...]) -> list[Row]:
    """The rows of a block that gives `width` channels on; it may use blocks that are known."""
    plain = chain_of("width", stride="stride")
    kinds = [plain, residual(), shortcut_where_it_fits(), branched(), gated()]
    rows: list[Row] = draw(st.one_of(*kinds))
    if draw(truths) and known:
        inner: Row = {"op": draw(st.sampled_from(known)), "width": "width"}
        named = any("name" in row for row in rows)
        rows.append(inner | ({"name": "inner"} if named else {}))
        if draw(truths):
            rows[-1]["act"] = "act"
    return rows


@st.composite
def blocks(draw: st.DrawFn) -> dict[str, Any]:
    """One to three blocks of one interface."""
    found: dict[str, Any] = {}
    for name in ["Alpha", "BetaBlock", "Gamma"][: draw(st.integers(1, 3))]:
        found[name] = {
            "args": dict(ARGUMENTS),
            "vars": {"hidden": draw(st.sampled_from(HIDDEN))},
            "layers": draw(bodies(known=tuple(found))),
        }
    return found


TABLE = [{"c": 4, "n": 2, "s": 1, "f": "relu"}, {"c": 6, "n": 1, "s": 2, "f": "silu"}]
ONCE = ("base", "base * 2", 5)
AGAIN = ("base", "base + i", "in_channels", "base * (i + 1)")


@st.composite
def uses(draw: st.DrawFn, index: int, known: list[str]) -> Row:
    """A row that uses a block: once, repeatedly, for the rows of a table, or under a condition."""
    row: Row = {"name": f"layer{index}", "op": draw(st.sampled_from([*known, "block"]))}
    kind = draw(st.sampled_from(["once", "repeat", "each", "both", "group", "holes", "when"]))
    if kind == "each":
        return row | {"each": TABLE, "width": "c", "stride": "s", "act": "f"}
    if draw(truths):
        row["act"] = draw(st.sampled_from(["act", *ACTIVATIONS]))
    if kind == "group":
        inner = row | {"repeat": "n", "width": "c", "stride": "s if i == 0 else 1"}
        return {"name": inner.pop("name"), "layers": [{"each": "stages", "layers": [inner]}]}
    more: dict[str, Row] = {
        "once": {"width": draw(st.sampled_from(ONCE))},
        "when": {"width": "in_channels", "when": "deep"},
        "repeat": {"width": draw(st.sampled_from(AGAIN)), "stride": "2 if i == 0 else 1"},
        "holes": {"width": draw(st.sampled_from(AGAIN)), "name": f"unit{index}_{{i + 1}}"},
        "both": {"each": "stages", "repeat": "n", "width": "base + c", "stride": "s"},
    }
    times = (
        {"repeat": draw(st.sampled_from([2, 3, "depth"]))} if kind in ("repeat", "holes") else {}
    )
    return row | more[kind] | times


STAGES = ([{"c": 2, "n": 1, "s": 1}, {"c": 4, "n": 2, "s": 2}], [{"c": 3, "n": 2, "s": 1}])
HEAD: list[Row] = [
    {"name": "pool", "op": "adaptive_avg_pool", "output_size": 1},
    {"op": "flatten"},
    {"name": "fc", "op": "linear", "out_features": "classes"},
]


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """The keys of a spec: blocks, a body that uses them, and perhaps variants."""
    found = draw(blocks())
    rows: list[Row] = [{"name": "stem", **conv("base", 3)}] if draw(truths) else []
    count = draw(st.integers(1, 3))
    rows += [draw(uses(index, list(found))) for index in range(1, count + 1)]
    if len(rows) > 1 and draw(truths):
        side = {"name": "side", **conv("in_channels"), "from": "input"}
        rows = [side, {"name": "joined", "op": "concat", "from": ["side", "input"]}, *rows]
    keys: dict[str, Any] = {
        "vars": {
            "base": draw(st.sampled_from([2, 4])),
            "depth": draw(st.sampled_from([1, 2, 3])),
            "deep": draw(truths),
            "block": draw(st.sampled_from(list(found))),
            "act": draw(st.sampled_from(ACTIVATIONS)),
            "stages": draw(st.sampled_from(STAGES)),
            "classes": 5,
        },
        "blocks": found,
        "layers": rows + (HEAD if draw(truths) else []),
    }
    if draw(truths):
        keys["variants"] = {
            "net_a": draw(settings_of(list(found))),
            "net_b": draw(settings_of(list(found))),
        }
    return keys


@st.composite
def settings_of(draw: st.DrawFn, known: list[str]) -> dict[str, Any]:
    """What a variant sets."""
    own = {
        "base": st.sampled_from([3, 4]),
        "depth": st.sampled_from([1, 2]),
        "deep": truths,
        "block": st.sampled_from(known),
        "act": st.sampled_from(ACTIVATIONS),
        "stages": st.sampled_from(STAGES),
    }
    return draw(st.fixed_dictionaries({}, optional=own))


def checked(keys: dict[str, Any]) -> Check:
    """A spec of these keys, checked."""
    keys = dict(keys)
    return check(keys.pop("layers"), SHAPE, **keys)
