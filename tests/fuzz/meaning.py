"""What a spec means, read a second time: what its steps are called, and which of them each reads.

The reader goes along a network's nodes and says what each has to be. Of the network it takes the
shapes alone, for `in_channels` and the like.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from archspec.api import Check
from archspec.graph.network import Network, Value
from archspec.ops import OPS_BY_NAME
from tests.fuzz import facts
from tests.fuzz.draft import SUGAR, Row
from tests.fuzz.failure import Failure, told
from tests.fuzz.worth import KNOWN, Names, table, worth

Read = Value | None
_HOLE = re.compile(r"\{([^{}]*)\}")
_CHOICE = re.compile(r"(.+?) if (.+?) else (.+)")
_WORD = re.compile(r"[A-Za-z_]\w*")


def compare_meaning(data: Mapping[str, Any], check: Check) -> Iterator[Failure]:
    """Where a network is not what the spec says."""
    for member in check.family or (check,):
        try:
            Reader(data, member).read()
        except Exception as error:  # noqa: BLE001 - a reading that fails is to be looked at
            kind = str(error) if isinstance(error, Differs) else told(error)
            yield Failure("meaning differs", kind, member.variant or "")
            return


class Differs(Exception):
    """A step is not what the reader takes it for."""


class Meant(NamedTuple):
    """What a name stands for: alone, with a path behind it, and with `.*`."""

    value: Read
    parts: Mapping[str, "Meant"] = {}
    places: tuple[Read, ...] = ()


class Body:
    """Rows that are being read; `known` are the names of its steps, `children` how many it has."""

    def __init__(self, names: Names, path: str, source: Value, *, is_block: bool) -> None:
        self.names = names
        self.path = path
        self.previous: Read = source
        self.known: dict[str, Meant] = {"input": Meant(source)}
        self.children = 0
        self.is_block = is_block
        self.lookup = self

    def inner(self, name: str) -> str:
        """The path of a step."""
        return f"{self.path}.{name}" if self.path else str(name)

    def within(self, name: str, source: Read) -> "Body":
        """A group in this body."""
        assert source is not None
        return Body(self.names, self.inner(name), source, is_block=self.is_block)


class Reader:
    """Reads the rows of one network along its nodes."""

    def __init__(self, data: Mapping[str, Any], check: Check) -> None:
        assert check.network is not None
        self.data = data
        self.network: Network = check.network
        self.variant = check.variant
        self.blocks: Mapping[str, Any] = data.get("blocks", {})
        self.names = Names({**KNOWN, **{name: name for name in self.blocks}})
        self.count = 0
        self.took = 0  # how many values the last block read

    def read(self) -> None:
        """Raises `Differs`."""
        own = (self.data.get("variants") or {}).get(self.variant, {})
        for name, written in self.data.get("vars", {}).items():
            self.names[name] = worth(own.get(name, written), self.names)
        body = Body(self.names, "", Value(-1), is_block=False)
        self.rows(self.data, body)
        if self.count != len(self.network.nodes):
            raise Differs("there are more steps than are said")
        given = self._given(self.data.get("outputs", {}), body)
        if given != list(self.network.outputs.values()):
            raise Differs("the outputs are others")

    def _given(self, outputs: Mapping[str, Any], body: Body) -> list[Read]:
        texts = [value["from"] if isinstance(value, dict) else value for value in outputs.values()]
        optional = [isinstance(v, dict) and bool(v.get("optional")) for v in outputs.values()]
        if not texts:
            return [body.previous]
        named = zip(texts, optional, strict=True)
        there = [text for text, may_miss in named if not may_miss or self._is_known(text, body)]
        values = [value for text in there for value in self.texts(text, body)]
        return [value for value in values if value is not None]

    def _is_known(self, text: Any, body: Body) -> bool:
        head, *_ = str(text).split(".")
        return head in body.known and head not in self.dropped(body)

    def dropped(self, body: Body) -> set[str]:
        """The steps that are left out, and for which no `else` says what they stand for."""
        return {name for name, meant in body.known.items() if meant.parts is GONE}

    # --- rows ------------------------------------------------------------------------------------

    def rows(self, owner: Mapping[str, Any], body: Body) -> None:
        """All rows of a body; cells under columns are a row, too."""
        for row in owner["layers"]:
            if isinstance(row, list):
                cells = zip(owner["columns"], row, strict=False)
                row = {key: cell for key, cell in cells if cell is not None}  # noqa: PLW2901 - same
            self.row(row, body)

    def row(self, row: Row, body: Body) -> Meant:
        """A row, however often it is there; what its name stands for."""
        self.see(row, body)
        if "repeat" in row or "each" in row:
            return self.repeated(row, body)
        if self.is_wanted(row, body):
            return self.once(row, body, row.get("name"))
        return self.left_out(row, body, row.get("name"))

    def see(self, row: Row, body: Body) -> None:
        """Outside of blocks, `in_channels` is what arrives at the row."""
        if not body.is_block:

            def arriving() -> Mapping[str, int]:
                try:
                    first = next((v for v in self.sources(row, body) if v is not None), None)
                except (KeyError, NameError):  # of a place, and there is none as yet
                    first = None
                return self.sizes(body.previous if first is None else first)

            body.names.arriving = arriving

    def sizes(self, value: Read) -> dict[str, int]:
        """What expressions see of a value that arrives."""
        shape = None if value is None else self.network.shape_of(value)
        assert shape is not None
        sides = zip(("in_height", "in_width"), facts.places(shape), strict=False)
        return {"in_channels": facts.channels(shape), **dict(sides)}

    def is_wanted(self, row: Row, body: Body) -> bool:
        """Whether `when` keeps a row."""
        return bool(worth(row.get("when", True), body.names))

    def left_out(self, row: Row, body: Body, name: str | None, *, chained: bool = False) -> Meant:
        """A row that is not there: what its name stands for."""
        if "else" in row:
            meant = Meant(self.texts(row["else"], body)[0])
        else:
            read = self.sources({} if chained else row, body)
            meant = Meant(read[0] if len(read) == 1 else None, GONE)
        if name is not None:
            body.known[self.filled(name, body)] = meant
        return meant

    def once(
        self, row: Row, body: Body, name: str | None, arriving: list[Read] | None = None
    ) -> Meant:
        """A row at one place."""
        self.see(row, body)
        inputs = self.sources(row, body) if arriving is None else arriving
        if "branches" in row:
            inputs = self.branches(row["branches"], body, inputs[0])
        own = str(body.children) if name is None else self.filled(name, body)
        if "layers" in row:
            inner = body.within(own, inputs[0])
            self.rows(row, inner)
            body.children += 1
            meant = Meant(inner.previous, inner.known)
        else:
            meant = self.op(row, body, own, inputs, is_named=name is not None)
        body.previous = meant.value
        body.known[own] = meant
        return meant

    # --- repetition ------------------------------------------------------------------------------

    def repeated(self, row: Row, body: Body) -> Meant:
        """A repeated row: a group of its name, or rows of the body itself."""
        rows = table(row["each"], body.names) if "each" in row else [{}]
        columns = {*rows[0]} if rows else set()
        everywhere, name = _holds_everywhere(row, columns), row.get("name")
        if name is None or "{" in str(name):
            places = self.places(row, body, rows, name, everywhere=everywhere)
            return places[-1] if places else self.none_of(row, body, None, everywhere=everywhere)
        inner = body.within(name, body.previous)
        inner.lookup = body.lookup
        once = {key: value for key, value in row.items() if key != "name"}
        if not everywhere:
            inputs = self.sources(row, body)
            inner.previous = inputs[0]
            del inner.known["input"]
            once.pop("from", None)
        places = self.places(once, inner, rows, None, everywhere=everywhere)
        if not places:
            return self.none_of(row, body, name, everywhere=everywhere)
        body.children += 1
        body.previous = places[-1].value
        ports = places[-1].parts if row.get("op") is not None else {}
        parts = {**ports, **dict(zip(map(str, self.turns), places, strict=True))}
        meant = Meant(places[-1].value, parts, tuple(place.value for place in places))
        body.known[name] = meant
        return meant

    def none_of(self, row: Row, body: Body, name: str | None, *, everywhere: bool) -> Meant:
        """A repeated row that came to no place at all."""
        if everywhere and "else" not in row:
            if name is not None:
                body.known[name] = Meant(None, GONE)
            return Meant(None, GONE)
        return self.left_out(row, body, name)

    def places(
        self, row: Row, body: Body, rows: list[Row], name: str | None, *, everywhere: bool
    ) -> list[Meant]:
        """What each place of a repeated row gives."""
        outer = dict(body.names)
        found: list[Meant] = []
        turns: list[int] = []
        chained = {key: value for key, value in row.items() if key != "from"}
        body.names["j"] = 0
        speaks = _speaks_of_places(row, {*rows[0]} if rows else set())
        for index, line in enumerate(rows):
            body.names.update(line)
            for i in range(int(worth(row.get("repeat", 1), body.names))):
                body.names["i"] = i if "repeat" in row else index
                current = row if everywhere or not found else chained
                before = len(found)
                if not self.is_wanted(current, body):
                    self.left_out(current, body, name)
                elif found and not speaks and (arriving := self.chain(row, body, found[-1])):
                    found.append(self.once(chained, body, name, arriving))
                else:
                    found.append(self.once(current, body, name))
                turns += [body.names["j"]] * (len(found) - before)
                body.names["j"] += 1
        self.turns = turns
        body.names.clear()
        body.names.update(outer)
        return found

    def chain(self, row: Row, body: Body, before: Meant) -> list[Read]:
        """What a place reads of one before it that gives as many values as it takes."""
        block = self.blocks.get(str(worth(row.get("op"), body.names)), {})
        outputs = block.get("outputs", {})
        left = [v for part in before.parts.values() for v in part.places or (part.value,)]
        if any(map(_is_list, outputs.values())):
            return left if len(left) == self.took else []
        return left if len(block.get("inputs", ())) == len(outputs) > 1 else []

    # --- what is read ----------------------------------------------------------------------------

    def sources(self, row: Row, body: Body) -> list[Read]:
        """The values that a row reads."""
        if "from" not in row:
            return [body.previous]
        return self.texts(row["from"], body)

    def texts(self, written: Any, body: Body) -> list[Read]:
        """The values behind `from`: a text, a list of texts, or inputs by name."""
        if isinstance(written, dict):
            written = list(written.values())
        if isinstance(written, list):
            return [value for text in written for value in self.texts(text, body)]
        text = str(written)
        while choice := _CHOICE.fullmatch(text):
            first, condition, second = choice.groups()
            text = first if worth(condition, body.names) else second
            text = text.strip().removeprefix("(").removesuffix(")")  # around a choice in a choice
        head, *path = self.filled(text, body).split(".")
        if head in ("none", "previous") and not path:
            return [None if head == "none" else body.previous]
        meant = body.lookup.known[head]
        for part in path:
            if part == "*":
                return list(meant.places)
            meant = meant.parts[part]
        return [meant.value]

    def filled(self, text: str, body: Body) -> str:
        """A name with its holes filled."""
        return _HOLE.sub(lambda hole: str(int(worth(hole[1], body.names))), str(text))

    # --- branches --------------------------------------------------------------------------------

    def branches(self, branches: Any, body: Body, source: Read) -> list[Read]:
        """The ends of branches, each of which begins with `source`."""
        ends: list[Read] = []
        items = branches.items() if isinstance(branches, dict) else ((None, b) for b in branches)
        for name, branch in items:
            body.previous = source
            if isinstance(branch, list):
                if name is not None:
                    self.row({"name": name, "layers": branch}, body)
                else:
                    self.rows({"layers": branch}, body)
                ends.append(body.previous)
                continue
            row = branch if name is None else {"name": name, **branch}
            is_beside = "beside" in row
            ends += self.beside(row, body, source) if is_beside else [self.row(row, body).value]
        return ends

    def beside(self, row: Row, body: Body, source: Read) -> list[Read]:
        """The ends of a branch that stands beside itself."""
        self.see(row, body)
        written = worth(row["beside"], body.names)
        rows = [{}] * int(written) if isinstance(written, int | float) else table(written, {})
        name = str(row.get("name", "{i}"))
        grouped = "{" not in name
        inner = body.within(name, source) if grouped else body
        if grouped:
            inner.lookup = body.lookup
        outer, ends = dict(body.names), list[Read]()
        parts: dict[str, Meant] = {}
        for index, line in enumerate(rows):
            body.names.update({**line, "i": index, "j": index})
            inner.previous = source
            own = None if grouped else row.get("name")
            if self.is_wanted(row, inner):
                ends.append(self.once(row, inner, own).value)
            elif "else" in row:
                ends.append(self.left_out(row, inner, own).value)
            if len(ends) > len(parts):
                parts[str(index)] = Meant(ends[-1])
        body.names.clear()
        body.names.update(outer)
        if not rows and "else" in row:
            body.previous = source
            return [self.left_out(row, body, row.get("name")).value]
        if grouped and ends:
            body.children += 1
            body.known[name] = Meant(None, parts, tuple(ends))
        return ends

    # --- ops and blocks --------------------------------------------------------------------------

    def op(self, row: Row, body: Body, own: str, inputs: list[Read], *, is_named: bool) -> Meant:
        """A row of an op with what it carries along, or of a block."""
        op = row["op"] if row["op"] in OPS_BY_NAME else worth(row["op"], body.names)
        op = op["op"] if isinstance(op, dict) else op
        if op in self.blocks:
            return self.block(row, self.blocks[op], body, own, inputs)
        present = [value for value in inputs if value is not None]
        if facts.merges(op) and len(present) == 1 < self.terms(row, inputs):
            body.children += 1
            return Meant(present[0])
        last = self.node(op, body.inner(own), [*present])
        body.children += 1
        for role in SUGAR:
            carried = self.carried(row, op, role, body)
            if carried is not None:
                name = f"{own}_{role}" if is_named else str(body.children)
                last = self.node(carried, body.inner(name), [last])
                body.children += 1
        return Meant(last)

    def terms(self, row: Row, inputs: list[Read]) -> int:
        """How many steps a merge is written to bring together; several where that may differ."""
        branches = row.get("branches") or ()
        branches = list(branches.values()) if isinstance(branches, dict) else branches
        is_beside = any(isinstance(branch, dict) and "beside" in branch for branch in branches)
        source = row.get("from", [])
        texts = source if isinstance(source, list) else [source]
        return 2 if any(map(_is_list, texts)) or is_beside else len(inputs)

    def carried(self, row: Row, op: str, role: str, body: Body) -> str | None:
        """The op of the norm, activation or dropout of a row."""
        written, names = row.get(role), body.names
        if written is None:  # the spec's, and so are the names in it
            written, names = self.data.get("defaults", {}).get(op, {}).get(role), self.names
        if written is None or not OPS_BY_NAME[op].weighted:
            return None
        value = worth(written["op"] if isinstance(written, dict) else written, names)
        value = value["op"] if isinstance(value, dict) else value
        if value is False:
            return None
        return value if isinstance(value, str) else "dropout"

    def node(self, op: str, path: str, inputs: list[Read]) -> Value:
        """The next node, which has to be this one."""
        if self.count == len(self.network.nodes):
            raise Differs("there are fewer steps than are said")
        node = self.network.nodes[self.count]
        self.count += 1
        if node.op_name != op:
            raise Differs(f"`{path}` is {node.op_name} and not {op}")
        if list(node.inputs) != inputs:
            raise Differs(f"`{path}` reads other steps than are said")
        if node.path != path:
            raise Differs(f"`{path}` is called `{node.path}`")
        return node.output

    def block(
        self, row: Row, block: Mapping[str, Any], body: Body, own: str, inputs: list[Read]
    ) -> Meant:
        """What a block gives where a row uses it."""
        names = Names({**KNOWN, **{name: name for name in self.blocks}})
        for name, default in block.get("args", {}).items():
            given = row.get(name)
            names[name] = worth(default, names) if given is None else worth(given, body.names)
        arriving = self.arriving(row, block, names, body, inputs)
        first = arriving["input"] if "input" in arriving else next(iter(arriving.values()))
        assert first.value is not None
        names.update(self.sizes(first.value))
        for name, written in (block.get("vars") or {}).items():
            names[name] = worth(written, names)
        inner = Body(names, body.inner(own), first.value, is_block=True)
        inner.known = dict(arriving)
        self.rows(block, inner)
        body.children += 1
        self.took = sum(value is not None for value in inputs)
        parts = {}
        for name, text in block.get("outputs", {}).items():
            values = self.texts(text, inner)
            listed = {str(i): Meant(value) for i, value in enumerate(values)}
            several = _is_list(text)
            parts[name] = Meant(values[0], listed, tuple(values)) if several else Meant(values[0])
        return Meant(next(iter(parts.values())).value, parts) if parts else Meant(inner.previous)

    def arriving(
        self, row: Row, block: Mapping[str, Any], names: Names, body: Body, inputs: list[Read]
    ) -> dict[str, Meant]:
        """What the names of a block's inputs stand for."""
        kinds = block.get("inputs") or {"input": None}
        kinds = kinds if isinstance(kinds, dict) else dict.fromkeys(kinds)
        lists = {n: int(worth(k, names)) for n, k in kinds.items() if k not in (None, "optional")}
        source = row.get("from")
        if isinstance(source, dict) and len(inputs) == len(self.texts(source, body)):
            given = {name: self.texts(text, body) for name, text in source.items()}
        else:
            given, rest = {}, list(inputs)
            spare = len(inputs) - sum(lists.get(n, 1) for n, k in kinds.items() if k != "optional")
            for name, kind in kinds.items():
                count = lists.get(name, 1) if kind != "optional" or spare > 0 else 0
                spare -= kind == "optional"
                given[name], rest = rest[:count], rest[count:]
        found = {}
        for name in kinds:
            values = given.get(name, [])
            parts = {str(i): Meant(v) for i, v in enumerate(values)} if name in lists else {}
            found[name] = Meant(values[0] if values else None, parts, tuple(values))
        return found


GONE: Mapping[str, Meant] = {"": Meant(None)}
"""The parts of what is left out without an `else`."""


def _is_list(text: Any) -> bool:
    """Whether a text names several steps."""
    return str(text).endswith(".*")


def _speaks_of_places(row: Row, columns: set[str]) -> bool:
    """Whether `from` says of each place what it reads."""
    source = row.get("from", [])
    texts = list(source.values()) if isinstance(source, dict) else source
    said: set[str] = set()
    for text in map(str, texts if isinstance(texts, list) else [texts]):
        for hole in _HOLE.findall(text):
            said |= {*_WORD.findall(hole)}
        said |= {*_WORD.findall(text)} if " if " in text else set()
        said |= {"previous"} & {text}
    return bool(said & {"previous", "i", "j", *columns})


def _holds_everywhere(row: Row, columns: set[str]) -> bool:
    """Whether `from` holds at every place, and not at the first alone."""
    source = row.get("from")
    texts = list(source.values()) if isinstance(source, dict) else source
    texts = texts if isinstance(texts, list) else [texts]
    return len(texts) > 1 or any(map(_is_list, texts)) or _speaks_of_places(row, columns)
