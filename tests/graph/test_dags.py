"""Random small networks of every construct, against a slow reading that knows nothing of ours.

The reference unrolls a spec by hand and runs it with torch on tensors without contents: what comes
out of each step, its path, and how many numbers it holds, are torch's word, not ours.
"""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.api import check_text
from archspec.graph.network import INPUT

torch = pytest.importorskip("torch", reason="the reference runs torch's own functions")
Row = dict[str, Any]


class Body:
    """A body while it is run: what its steps gave, by name, and how many there are."""

    def __init__(self, path: str, arriving: Any, env: dict[str, Any], *, fixed: bool) -> None:
        self.path, self.here, self.env, self.fixed = path, arriving, env, fixed
        self.given = {"input": arriving}
        self.count = 0


class Reference:
    """Runs the rows of a spec with torch; `seen` are the steps: path, shape, parameters."""

    def __init__(self, spec: Row) -> None:
        self.spec = spec
        self.seen: list[tuple[str, tuple[int, ...], int]] = []
        body = Body(
            "", torch.empty(1, *spec["input"], device="meta"), dict(spec["vars"]), fixed=False
        )
        self.rows(spec["layers"], body)
        self.output = body.here

    def rows(self, rows: list[Row], body: Body) -> None:
        for row in rows:
            if "repeat" not in row:
                self.one(row, body)
                continue
            times = self.value(row["repeat"], row, body)
            once = {key: value for key, value in row.items() if key != "repeat"}
            name = row.get("name")
            if name is None or "{" in name:
                self.times(once, times, body)
                continue
            start = self.arriving(row, body)[0]
            inner = Body(self.path(body, name), start, body.env, fixed=body.fixed)
            self.times({k: v for k, v in once.items() if k not in ("name", "from")}, times, inner)
            body.count += 1
            body.here = body.given[name] = inner.here

    def times(self, row: Row, times: int, body: Body) -> None:
        outer, start = dict(body.env), self.arriving(row, body)[0]
        first = row
        for i in range(times):
            body.env["i"] = i
            dropped = not self.value(first.get("when", True), first, body)
            self.one(first, body)
            if not dropped:
                first = {key: value for key, value in row.items() if key != "from"}
        if first is row:
            body.here = start
        body.env.clear()
        body.env.update(outer)

    def one(self, row: Row, body: Body) -> None:
        arriving = self.arriving(row, body)
        name = row.get("name")
        if name is not None and "{" in name:
            name = eval(f"f{name!r}", {}, body.env)  # noqa: S307 - the tests' own texts
        if not self.value(row.get("when", True), row, body):
            body.here = arriving[0]
            if name is not None:
                body.given[name] = body.here
            return
        if "branches" in row:
            arriving = self.branches(row["branches"], arriving[0], body)
        own = str(body.count) if name is None else name
        path = self.path(body, own)
        block = self.spec["blocks"].get(row.get("op"))
        if "layers" in row:
            inner = Body(path, arriving[0], body.env, fixed=body.fixed)
            self.rows(row["layers"], inner)
            body.here = inner.here
        elif block is not None:
            env = {"in_channels": arriving[0].shape[1]}
            for key, default in block["args"].items():
                env[key] = self.value(row[key], row, body) if key in row else default
            inner = Body(path, arriving[0], env, fixed=True)
            self.rows(block["layers"], inner)
            body.here = inner.here
        else:
            body.here, params = self.run(row, arriving, body)
            self.seen.append((path, tuple(body.here.shape[1:]), params))
        body.count += 1
        body.given[own] = body.here

    def branches(self, branches: Any, start: Any, body: Body) -> list[Any]:
        ends = []
        for branch in branches.items() if isinstance(branches, dict) else branches:
            body.here = start
            if isinstance(branch, tuple):
                name, written = branch
                inside = {"layers": written} if isinstance(written, list) else written
                self.rows([{**inside, "name": name}], body)
            else:
                self.rows(branch, body)
            ends.append(body.here)
        return ends

    def run(self, row: Row, arriving: list[Any], body: Body) -> tuple[Any, int]:
        x, op = arriving[0], row["op"]
        if op == "conv2d":
            out = self.value(row["out_channels"], row, body)
            size = row["kernel_size"]
            weight = torch.empty(out, x.shape[1], size, size, device="meta")
            bias = torch.empty(out, device="meta")
            made = torch.nn.functional.conv2d(
                x,
                weight,
                bias,
                stride=self.value(row.get("stride", 1), row, body),
                padding=row["padding"],
            )
            return made, weight.numel() + bias.numel()
        if op == "concat":
            return torch.cat(arriving, dim=1), 0
        if op in ("add", "mul"):
            made = arriving[0]
            for other in arriving[1:]:
                made = made + other if op == "add" else made * other
            return made, 0
        if op == "batch_norm":
            return x, 2 * x.shape[1]
        return torch.relu(x), 0

    def arriving(self, row: Row, body: Body) -> list[Any]:
        named = row.get("from")
        if named is None:
            return [body.here]
        return [body.given[name] for name in (named if isinstance(named, list) else [named])]

    def value(self, written: Any, row: Row, body: Body) -> Any:
        if not isinstance(written, str):
            return written
        env = dict(body.env)
        if not body.fixed:
            env["in_channels"] = self.arriving(row, body)[0].shape[1]
        return eval(written, {}, env)  # noqa: S307 - the tests' own texts

    @staticmethod
    def path(body: Body, name: str) -> str:
        return f"{body.path}.{name}" if body.path else name


class Drawer:
    """Draws rows; every name is new, and `from` names steps before it in its body."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.names = 0

    def name(self) -> str:
        self.names += 1
        return f"s{self.names}"

    def maybe(self, chances: int = 3) -> bool:
        return self.draw(st.integers(0, chances)) == 0

    def rows(self, known: list[str], depth: int, blocks: list[str]) -> list[Row]:
        made = []
        for _ in range(self.draw(st.integers(1, 4))):
            row = self.row(known, depth, blocks=blocks)
            made.append(row)
            if "name" in row and "{" not in row["name"]:
                known.append(row["name"])
        return made

    def row(self, known: list[str], depth: int, blocks: list[str]) -> Row:
        kinds = ["conv2d", "conv2d", "relu", "batch_norm", "merge"]
        kinds += ["branches", "group", "block"] if depth else []
        kind = self.draw(st.sampled_from(kinds))
        row: Row = {"name": self.name()} if self.maybe(1) else {}
        several = kind == "merge"
        if kind == "branches":
            row |= {"op": self.draw(st.sampled_from(["add", "mul", "concat"]))}
            row["branches"] = self.branches(known, depth, blocks=blocks)
        elif kind == "group":
            row["layers"] = self.rows([], depth - 1, blocks=blocks)
        elif kind == "block" and blocks:
            row["op"] = self.draw(st.sampled_from(blocks))
            if self.maybe(1):
                row["width"] = self.draw(st.sampled_from([2, "in_channels", "in_channels + 1"]))
        elif several:
            row["op"] = self.draw(st.sampled_from(["add", "mul", "concat", "concat"]))
        else:
            row["op"] = kind if kind != "block" else "relu"
        self.attributes(row)
        if several:
            names = st.sampled_from(["input", *known])
            row["from"] = [self.draw(names) for _ in range(self.draw(st.integers(2, 3)))]
        elif self.maybe():
            row["from"] = self.draw(st.sampled_from(["input", *known]))
        self.control(row)
        return row

    def attributes(self, row: Row) -> None:
        if row.get("op") != "conv2d":
            return
        widths = [2, 3, "in_channels", "in_channels + 1", "width", "2 * width"]
        row["out_channels"] = self.draw(st.sampled_from(widths))
        row["kernel_size"] = self.draw(st.sampled_from([1, 3]))
        row["padding"] = row["kernel_size"] // 2
        if self.maybe(5):
            row["stride"] = 2

    def control(self, row: Row) -> None:
        if self.maybe():
            row["when"] = self.draw(
                st.sampled_from([True, False, "in_channels > 2", "width == in_channels"])
            )
        if self.maybe() and row.get("op") not in ("add", "mul", "concat"):
            row["repeat"] = self.draw(st.sampled_from([0, 1, 2, 3, "width"]))
            if "name" in row and self.maybe(1):
                row["name"] += "_{i}"
            if row.get("op") == "conv2d" and self.maybe(1):
                row["out_channels"] = "i + width"
            if self.maybe():
                row["when"] = "i != 1"

    def branches(self, known: list[str], depth: int, blocks: list[str]) -> Any:
        if self.maybe(1):
            count = self.draw(st.integers(1, 3))
            many = [self.rows(list(known), depth - 1, blocks=blocks) for _ in range(count)]
            return [*many, []]
        named: Row = {}
        for _ in range(self.draw(st.integers(1, 3))):
            name = self.name()
            if self.maybe(1):
                named[name] = self.rows([], depth - 1, blocks=blocks)
            else:
                row: Row = {"op": "conv2d"}
                self.attributes(row)
                named[name] = row
        return named


@st.composite
def specs(draw: st.DrawFn) -> Row:
    drawer = Drawer(draw)
    blocks: Row = {}
    for name in ("One", "Two"):
        inner = list(blocks)
        layers = drawer.rows([], 1, blocks=inner)
        blocks[name] = {"args": {"width": draw(st.integers(1, 3))}, "layers": layers}
    return {
        "archspec": 1,
        "name": "Net",
        "input": [draw(st.integers(1, 3)), 8, 8],
        "vars": {"width": draw(st.integers(1, 3))},
        "blocks": blocks,
        "layers": drawer.rows([], 2, blocks=list(blocks)),
    }


@given(specs())
@settings(max_examples=250)
def test_a_spec_means_what_torch_makes_of_it(spec: Row) -> None:
    result = check_text(yaml.safe_dump(spec, sort_keys=False))
    try:
        reference = Reference(spec)
    except RuntimeError:  # sizes that do not fit together
        assert {fault.code for fault in result.diagnostics} & {"AS309", "AS220"}
        return
    errors = [d.code for d in result.diagnostics if d.severity == "error"]
    assert errors == ([] if reference.seen else ["AS214"])
    network, results = result.network, result.results
    assert network is not None
    assert results is not None
    found = [
        (node.path, network.shape_of(node.output), parameters.trainable)
        for node, parameters in zip(network.nodes, results.parameters, strict=True)
        if parameters is not None
    ]
    assert found == reference.seen
    assert network.shape_of(network.root.output) == tuple(reference.output.shape[1:])
    assert network.root.output.node != INPUT or reference.output is not None
