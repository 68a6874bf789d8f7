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
MERGES = ("add", "mul", "concat")


class Body:
    """A body while it is run: what its steps gave, by name, and how many there are."""

    def __init__(
        self, path: str, arriving: dict[str, Any], env: dict[str, Any], *, fixed: bool
    ) -> None:
        self.path, self.env, self.fixed = path, env, fixed
        self.here = next(iter(arriving.values()))
        self.given: dict[str, Any] = dict(arriving)
        self.count = 0


class Reference:
    """Runs the rows of a spec with torch; `seen` are the steps: path, shape, parameters."""

    def __init__(self, spec: Row) -> None:
        self.spec = spec
        self.seen: list[tuple[str, tuple[int, ...], int]] = []
        arriving = {"input": torch.empty(1, *spec["input"], device="meta")}
        body = Body("", arriving, dict(spec["vars"]), fixed=False)
        self.rows(spec["layers"], body)
        self.output = body.here

    def rows(self, rows: list[Row], body: Body) -> None:
        for row in rows:
            if "repeat" in row:
                self.repeated(row, body)
            else:
                self.one(row, body)

    def repeated(self, row: Row, body: Body) -> None:
        times = self.value(row["repeat"], row, body)
        once = {key: value for key, value in row.items() if key != "repeat"}
        name = row.get("name")
        everywhere = isinstance(row.get("from"), list)
        if name is None or "{" in name:
            self.times(once, times, body, body, everywhere=everywhere)
            return
        start = body.here if everywhere else self.arriving(row, body)[0]
        inner = Body(self.path(body, name), {"input": start}, body.env, fixed=body.fixed)
        alone = {k: v for k, v in once.items() if k != "name" and (k != "from" or everywhere)}
        places = self.times(alone, times, inner, body, everywhere=everywhere)
        body.given[f"{name}.*"] = places
        if not places:
            self.left_out(once, name, body)
            return
        body.count += 1
        body.here = body.given[name] = inner.here

    def times(
        self, row: Row, times: int, body: Body, outer: Body, *, everywhere: bool
    ) -> list[Any]:
        env, places = dict(body.env), []
        first = row
        for i in range(times):
            body.env["i"] = i
            read = {**outer.given, "previous": body.here} if outer is not body else None
            if self.one(first, body, read):
                places.append(body.here)
                if not everywhere:
                    first = {key: value for key, value in row.items() if key != "from"}
        body.env.clear()
        body.env.update(env)
        return places

    def left_out(self, row: Row, name: str | None, body: Body) -> None:
        if name is None:
            return
        otherwise = row.get("else")
        if otherwise is not None:
            body.given[name] = None if otherwise == "none" else body.given[otherwise]
        elif not isinstance(row.get("from"), list):
            body.given[name] = self.arriving(row, body)[0]

    def one(self, row: Row, body: Body, read: dict[str, Any] | None = None) -> bool:
        """Run a row, which reads the steps in `read`; whether it is there."""
        name = row.get("name")
        if name is not None and "{" in name:
            name = eval(f"f{name!r}", {}, body.env)  # noqa: S307 - the tests' own texts
        if not self.value(row.get("when", True), row, body, read):
            self.left_out(row, name, body)
            return False
        arriving = self.arriving(row, body, read)
        if "branches" in row:
            arriving = self.branches(row["branches"], arriving[0], body)
        own = str(body.count) if name is None else name
        path = self.path(body, own)
        block = self.spec["blocks"].get(row.get("op"))
        there = [value for value in arriving if value is not None]
        if "layers" in row:
            inner = Body(path, {"input": arriving[0]}, body.env, fixed=body.fixed)
            self.rows(row["layers"], inner)
            body.here = inner.here
        elif block is not None:
            body.here = self.block(row, block, path, arriving, body, read)
        elif len(there) == 1 and row["op"] in MERGES and self.may_lose(row):
            body.here = there[0]
        else:
            body.here, params = self.run(row, there, body)
            self.seen.append((path, tuple(body.here.shape[1:]), params))
        body.count += 1
        body.given[own] = body.here
        return True

    def may_lose(self, row: Row) -> bool:
        """Whether a merge names more than one step, or any number of them."""
        branches = row.get("branches")
        if branches is not None:
            written = branches.values() if isinstance(branches, dict) else branches
            return len(branches) > 1 or any("beside" in branch for branch in written)
        return len(row["from"]) > 1 or row["from"][0].endswith(".*")

    def block(
        self,
        row: Row,
        block: Row,
        path: str,
        arriving: list[Any],
        body: Body,
        read: dict[str, Any] | None,
    ) -> Any:
        env = {"in_channels": arriving[0].shape[1]}
        for key, default in block["args"].items():
            env[key] = self.value(row[key], row, body, read) if key in row else default
        names = block.get("inputs", ["input"])
        inner = Body(path, dict(zip(names, arriving, strict=True)), env, fixed=True)
        self.rows(block["layers"], inner)
        return inner.here

    def branches(self, branches: Any, start: Any, body: Body) -> list[Any]:
        ends: list[Any] = []
        for branch in branches.items() if isinstance(branches, dict) else branches:
            body.here = start
            if not isinstance(branch, tuple):
                self.rows(branch, body)
                ends.append(body.here)
                continue
            name, written = branch
            inside: Row = {"layers": written} if isinstance(written, list) else written
            if "beside" not in inside:
                self.rows([{**inside, "name": name}], body)
                ends.append(body.given[name])
                continue
            inner = Body(self.path(body, name), {"input": start}, body.env, fixed=body.fixed)
            outer = dict(body.env)
            for i in range(inside["beside"]):
                body.env["i"] = i
                inner.here = start
                self.one({k: v for k, v in inside.items() if k != "beside"}, inner)
                ends.append(inner.here)
            body.env.clear()
            body.env.update(outer)
            body.given[f"{name}.*"] = ends[-inside["beside"] :] if inside["beside"] else []
            body.count += bool(inside["beside"])
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

    def arriving(self, row: Row, body: Body, read: dict[str, Any] | None = None) -> list[Any]:
        named = row.get("from")
        if named is None:
            return [body.here]
        known = read or {**body.given, "previous": body.here}
        found: list[Any] = []
        for name in named if isinstance(named, list) else [named]:
            found += known[name] if name.endswith(".*") else [known[name]]
        return found

    def value(self, written: Any, row: Row, body: Body, read: dict[str, Any] | None = None) -> Any:
        if not isinstance(written, str):
            return written
        env = dict(body.env)
        if not body.fixed:
            env["in_channels"] = self.arriving(row, body, read)[0].shape[1]
        return eval(written, {}, env)  # noqa: S307 - the tests' own texts

    @staticmethod
    def path(body: Body, name: str) -> str:
        return f"{body.path}.{name}" if body.path else name


class Drawer:
    """Draws rows; every name is new, and `from` names steps before it in its body.

    `absent` are names that may stand for nothing, `several` those that stand for any number.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.names = 0
        self.absent: set[str] = set()
        self.several: set[str] = set()
        self.joins: set[str] = set()  # the blocks that take two inputs

    def name(self) -> str:
        self.names += 1
        return f"s{self.names}"

    def maybe(self, chances: int = 3) -> bool:
        return self.draw(st.integers(0, chances)) == 0

    def one_of(self, known: list[str]) -> str:
        return self.draw(st.sampled_from([name for name in known if name not in self.absent]))

    def rows(self, known: list[str], depth: int, blocks: list[str]) -> list[Row]:
        """Rows that read each other; `known` begins with what arrives."""
        made: list[Row] = []
        for _ in range(self.draw(st.integers(1, 4))):
            row = self.row(known, depth, blocks=blocks)
            if made and "from" not in row and self.may_go(made[-1]):
                row["from"] = self.one_of(known)
            made.append(row)
            if "name" in row and "{" not in row["name"]:
                known.append(row["name"])
        if self.may_go(made[-1]):
            made.append({"op": "relu", "from": known[0]})
        return made

    def may_go(self, row: Row) -> bool:
        """Whether it would not be clear what the row behind this one reads."""
        return "from" in row and ("when" in row or "repeat" in row)

    def row(self, known: list[str], depth: int, blocks: list[str]) -> Row:
        kinds = ["conv2d", "conv2d", "relu", "batch_norm", "merge"]
        kinds += ["branches", "group", "block"] if depth else []
        kind = self.draw(st.sampled_from(kinds))
        row: Row = {"name": self.name()} if self.maybe(1) else {}
        several = kind == "merge"
        if kind == "branches":
            row |= {"op": self.draw(st.sampled_from(MERGES))}
            row["branches"] = self.branches(known, depth, blocks=blocks)
        elif kind == "group":
            row["layers"] = self.rows(["input"], depth - 1, blocks=blocks)
        elif kind == "block" and blocks:
            row["op"] = self.draw(st.sampled_from(blocks))
            if self.maybe(1):
                row["width"] = self.draw(st.sampled_from([2, "in_channels", "in_channels + 1"]))
        elif several:
            row["op"] = self.draw(st.sampled_from([*MERGES, "concat"]))
        else:
            row["op"] = kind if kind != "block" else "relu"
        self.attributes(row)
        if several:
            row["from"] = self.merged(known)
        elif row.get("op") in self.joins:
            row["from"] = [self.one_of(known), self.one_of(known)]
        elif self.maybe():
            row["from"] = self.one_of(known)
        self.control(row, known)
        return row

    def merged(self, known: list[str]) -> list[str]:
        """What a merge reads: the first of it is always there."""
        names = st.sampled_from([*known, *sorted(self.several & {f"{k}.*" for k in known})])
        found = [self.draw(names) for _ in range(self.draw(st.integers(1, 2)))]
        return [self.one_of(known), *found]

    def attributes(self, row: Row) -> None:
        if row.get("op") != "conv2d":
            return
        widths = [2, 3, "in_channels", "in_channels + 1", "width", "2 * width"]
        row["out_channels"] = self.draw(st.sampled_from(widths))
        row["kernel_size"] = self.draw(st.sampled_from([1, 3]))
        row["padding"] = row["kernel_size"] // 2
        if self.maybe(5):
            row["stride"] = 2

    def control(self, row: Row, known: list[str]) -> None:
        merges = row.get("op") in MERGES
        if self.maybe():
            row["when"] = self.draw(
                st.sampled_from([True, False, "in_channels > 2", "width == in_channels"])
            )
        if self.maybe() and "branches" not in row:
            self.repeat(row)
        if "name" in row and ("when" in row or "repeat" in row):
            several = merges or isinstance(row.get("from"), list)
            if several or self.maybe():
                row["else"] = self.draw(st.sampled_from([known[0], "none"]))
            if row.get("else") == "none":
                self.absent.add(row["name"])

    def repeat(self, row: Row) -> None:
        row["repeat"] = self.draw(st.sampled_from([0, 1, 2, 3, "width"]))
        if "name" in row and self.maybe(1):
            row["name"] += "_{i}"
        if row.get("op") == "conv2d" and self.maybe(1):
            row["out_channels"] = "i + width"
        if self.maybe():
            row["when"] = "i != 1"
        if isinstance(row.get("from"), list) and self.maybe(1):
            row["from"][0] = "previous"
        if "name" in row and "{" not in row["name"]:
            self.several.add(f"{row['name']}.*")

    def branches(self, known: list[str], depth: int, blocks: list[str]) -> Any:
        if self.maybe(1):
            count = self.draw(st.integers(1, 3))
            many = [self.rows(list(known), depth - 1, blocks=blocks) for _ in range(count)]
            return [*many, []]
        named: Row = {}
        for _ in range(self.draw(st.integers(1, 3))):
            name = self.name()
            if self.maybe(1):
                named[name] = self.rows(["input"], depth - 1, blocks=blocks)
                continue
            row: Row = {"op": "conv2d"}
            self.attributes(row)
            if self.maybe(2):
                row["beside"] = self.draw(st.integers(0 if named else 1, 3))
                if self.maybe(1):
                    row["out_channels"] = "i + width"
            elif named and self.maybe(2):
                row |= {"when": self.draw(st.sampled_from([False, "width > 1"]))}
                row["else"] = self.draw(st.sampled_from([known[0], "none"]))
            named[name] = row
        return named


@st.composite
def specs(draw: st.DrawFn) -> Row:
    drawer = Drawer(draw)
    blocks: Row = {}
    for name in ("One", "Two", "Join"):
        inner = list(blocks)
        inputs = ["a", "b"] if name == "Join" else ["input"]
        layers = drawer.rows(list(inputs), 1, blocks=inner)
        blocks[name] = {"args": {"width": draw(st.integers(1, 3))}, "layers": layers}
        if name == "Join":
            blocks[name]["inputs"] = inputs
            drawer.joins.add(name)
    return {
        "archspec": 1,
        "name": "Net",
        "input": [draw(st.integers(1, 3)), 8, 8],
        "vars": {"width": draw(st.integers(1, 3))},
        "blocks": blocks,
        "layers": drawer.rows(["input"], 2, blocks=list(blocks)),
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
