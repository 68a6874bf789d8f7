"""How a spec grows: rows are put in, paths meet, and runs of rows become groups and blocks."""

from random import Random
from typing import Any

from archspec.ops import OPS_BY_NAME, Shape
from tests.fuzz import facts
from tests.fuzz.draft import SUGAR, Draft, Row, sites
from tests.fuzz.sampling import sample

MERGES = tuple(name for name in OPS_BY_NAME if facts.merges(name))
PLAIN = tuple(name for name in OPS_BY_NAME if not facts.merges(name))
BY_ROLE = {
    role: tuple(name for name, op in OPS_BY_NAME.items() if op.role == role) for role in SUGAR
}
LIKELY = ("conv2d", "conv2d", "batch_norm", "relu", "depthwise_conv2d", "max_pool", "avg_pool")
NAMES = ("conv", "a", "branch", "layer", "out", "x", "features", "block", "norm", "s")


def row_of(rng: Random, shape: Shape, op: str | None = None, wanted: str | None = None) -> Any:
    """A row that takes what arrives, None where the op does not."""
    for _ in range(20):
        chosen = op or rng.choice((rng.choice(LIKELY), rng.choice(PLAIN)))
        attributes = sample(rng, chosen, shape, wanted)
        if attributes is not None:
            return {"op": chosen, **attributes}
        if op:
            break
    return None


def start(rng: Random, op: str | None = None) -> dict[str, Any]:
    """A spec of one row; its input is such that `op` takes it."""
    shape: Shape
    for _ in range(200):
        channels = rng.choice((1, 2, 3, 4, 4, 6, 8))
        shape = (channels, rng.randint(1, 14), rng.randint(1, 14))
        if op not in ("rbf", "linear"):
            shape = rng.choice([shape, (channels, 8, 8), (channels, 9, 9)])
        if op in ("rbf", "linear") or (op is None and rng.random() < 0.1):
            shape = (rng.choice((1, 4, 6, 10)),)
        first = "identity" if op is None or op in MERGES else op
        row = row_of(rng, shape, first)
        if row is not None:
            data = {"archspec": 1, "name": rng.choice(("Net", "net-1", "Small Net", "B"))}
            return {**data, "input": list(shape), "layers": [{"op": "identity"}]}
    raise AssertionError(f"no input fits {op}")


def append(draft: Draft, op: str | None = None, wanted: str | None = None) -> bool:
    """A row at the network's end."""
    row = row_of(draft.rng, draft.output_shape(), op, wanted)
    if row is None:
        return False
    row = called(draft, row)
    return draft.propose(lambda: draft.data["layers"].append(row))


def called(draft: Draft, row: Row) -> Row:
    """A row with a name, half of the time: those with names can be read by others."""
    return {"name": draft.fresh(*NAMES), **row} if draft.rng.random() < 0.5 else row


def insert(draft: Draft) -> bool:
    """A row somewhere."""
    rng = draft.rng
    site = rng.choice(sites(draft.data))
    shape = draft.arriving(site.path)
    row = None if shape is None else row_of(rng, shape, rng.choice((None, *BY_ROLE["activation"])))
    if row is None or site.place.kind == "single":
        return False
    row = called(draft, row)
    index = site.path[-1]

    def change() -> None:
        draft.place_now(site.place).rows.insert(index, row)

    return draft.propose(change)


def turn(draft: Draft) -> bool:
    """Rows with the channels last, between two permutations, at the network's end."""
    rng, shape = draft.rng, draft.output_shape()
    if len(shape) != 3 or facts.is_last(shape):
        return False
    last = facts.Last((shape[1], shape[2], shape[0]))
    inner = [row_of(rng, last, rng.choice(("linear", "layer_norm", "gelu", "layer_scale", None)))]
    rows = [{"op": "permute", "dims": [0, 2, 3, 1]}, *filter(None, inner)]
    rows += [{"op": "permute", "dims": [0, 3, 1, 2]}] if rng.random() < 0.8 else []
    return draft.propose(lambda: draft.data["layers"].extend(rows))


def residual(draft: Draft) -> bool:
    """Steps that keep the shape, and their sum with what arrived at them, at the network's end."""
    rng, shape = draft.rng, draft.output_shape()
    rows: list[Row] = [{"name": draft.fresh(*NAMES), **(row_of(rng, shape, "identity") or {})}]
    for _ in range(rng.choice((1, 2, 2, 3))):
        row = alike(rng, shape)
        rows.append({"name": draft.fresh(*NAMES), **row})
    if rng.random() < 0.4:
        rows[0] = {"name": rows[0]["name"], **alike(rng, shape)}
    ends = [rng.choice(rows[:-1])["name"], rows[-1]["name"]]
    rng.shuffle(ends)
    rows.append({"op": rng.choice(("add", "add", "mul", "concat")), "from": ends})
    return draft.propose(lambda: draft.data["layers"].extend(rows))


def alike(rng: Random, shape: Shape) -> Row:
    """A row that leaves the shape as it is."""
    channels = facts.channels(shape)
    if len(shape) == 1 or facts.is_last(shape):
        weighted: Row = {"op": "linear", "out_features": channels}
    else:
        size = {"kernel_size": 3, "padding": 1}
        weighted = rng.choice(
            ({"op": "conv2d", "out_channels": channels, **size}, {"op": "depthwise_conv2d", **size})
        )
        if rng.random() < 0.3:
            return {"op": "batch_norm"}
    return rng.choice((weighted, weighted, {"op": rng.choice(BY_ROLE["activation"])}))


def head(draft: Draft) -> bool:
    """A classifier at the network's end, its width a variable."""
    rng, shape = draft.rng, draft.output_shape()
    rows: list[Row] = []
    if len(shape) == 3:
        rows = [{"op": "adaptive_avg_pool", "output_size": rng.choice((1, 2))}, {"op": "flatten"}]
    classes = rng.choice((5, 10))
    hidden: dict[str, Any] = {}
    if rng.random() < 0.5:
        form = rng.choice((f"max(num_classes, {classes + 1})", "2 * num_classes", "num_classes"))
        hidden = {draft.fresh("hidden"): form}
        rows += [{"op": "linear", "out_features": name} for name in hidden]
    rows.append({"op": "linear", "out_features": "num_classes"})

    def change() -> bool:
        if "num_classes" in draft.data.get("vars", {}):
            return False
        names = {"num_classes": classes, **hidden, **draft.data.get("vars", {})}
        draft.data = {"vars": names, **draft.data, "layers": [*draft.data["layers"], *rows]}
        draft.data["vars"] = names
        return True

    return draft.propose(change)


def unloved(draft: Draft) -> bool:
    """A step that nothing reads, before the network's last."""
    rng = draft.rng
    shape = draft.network.input_shape
    row = None if shape is None else row_of(rng, shape)
    if row is None or not draft.data["layers"]:
        return False
    row["from"] = "input"

    def change() -> None:
        rows = draft.data["layers"]
        first = rows[0]
        if isinstance(first, dict):
            first.setdefault("from", "input")
        rows.insert(0, row)

    return draft.propose(change)
