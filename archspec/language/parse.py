"""Plain data → Spec: the grammar of a spec's keys, with every fault collected."""

import builtins
from collections.abc import Mapping
from keyword import iskeyword, softkwlist

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.language import (
    InvalidName,
    InvalidValue,
    MissingKey,
    UnknownVersion,
    WrongType,
)
from archspec.diagnostics.wording import describe
from archspec.language.forms import MAPPINGS
from archspec.language.init import read_defaults
from archspec.language.model import Block, Body, Output, Spec, Variant
from archspec.language.rows import ROW_KEYS, SUGAR, RowParser
from archspec.language.source import Data, Document

VERSION = 1

_SPEC_KEYS = (
    *("archspec", "name", "source", "description", "reference", "input", "vars", "variants"),
    *("defaults", "init", "blocks", "columns", "layers", "outputs", "expect"),
)
_BLOCK_KEYS = ("description", "inputs", "args", "vars", "columns", "layers", "outputs")
_OUTPUT_KEYS = ("from", "training_only", "optional")
_VARIANT_TEXTS = ("name", "source", "description", "reference")
_VARIANT_KEYS = frozenset({*_VARIANT_TEXTS, "input", "expect"})
RESERVED_ARGS = ROW_KEYS.difference(SUGAR) | {"input"}
"""What an argument of a block cannot be called, since it means something else in a row."""


def parse(document: Document) -> tuple[Spec | None, list[Diagnostic]]:
    """Read a document as a spec; None when there is too little to go on."""
    parser = _SpecParser()
    spec = parser.spec(document.data) if document.data is not None or not document.faults else None
    parser.tell_without_op()
    parser.tell_empty_columns()
    return spec, [*document.faults, *parser.faults]


class _SpecParser(RowParser):
    def spec(self, data: Data) -> Spec | None:
        if not self.typed(data, dict, (), "a spec"):
            return None
        self.known(data, _SPEC_KEYS, (), "a spec")
        for key in ("archspec", "name", "input", "layers"):
            if data.get(key) is None:
                help_ = "write `archspec: 1`" if key == "archspec" else _MISSING[key]
                self.fault(MissingKey, (), owner="a spec", key=key, help=help_)
        version = data.get("archspec")
        if version is not None and type(version) is not int:
            found = describe(version)
            self.fault(
                WrongType, ("archspec",), what="`archspec`", wanted="the number 1", found=found
            )
        elif version not in (None, VERSION):
            self.fault(UnknownVersion, ("archspec",), version=version)
        blocks = self.blocks(data)
        columns = self.columns(data, (), None)
        defaults = self.mapping(data, "defaults", ())
        return Spec(
            name=self.text(data, "name", ()) or "unnamed",
            source=self.text(data, "source", ()),
            description=self.text(data, "description", ()),
            input=data.get("input"),
            vars=self.mapping(data, "vars", ()),
            defaults=self.defaults(defaults),
            body=Body(("layers",), ())
            if data.get("layers") is None  # told already
            else self.body(data["layers"], ("layers",), columns, "the spec"),
            claims=self.claims(data, ()),
            blocks=blocks,
            variants=self.variants(data),
            outputs=self.outputs(data, ()),
            init=read_defaults(self, self.mapping(data, "init", ()), ("init",)),
            reference=self.text(data, "reference", ()),
        )

    def defaults(self, data: Mapping[str, Data]) -> dict[str, Mapping[str, Data]]:
        """Attributes by op; without what stands there for all ops, which is told."""
        kept = {}
        for op, value in data.items():
            if type(value) is dict or value is None:
                kept[op] = self.mapping(data, op, ("defaults",))
                continue
            wanted, help_ = "a mapping of attributes", MAPPINGS["defaults"]
            facts = {"what": f"`{op}`", "wanted": wanted, "found": describe(value), "help": help_}
            self.fault(WrongType, ("defaults", op), **facts)
        return kept

    def blocks(self, data: Mapping[str, Data]) -> dict[str, Block]:
        """The named bodies of a spec."""
        written = self.mapping(data, "blocks", ())
        arguments = (block.get("args") for block in written.values() if isinstance(block, dict))
        names = (name for args in arguments if isinstance(args, dict) for name in args)
        self.columns_too = frozenset(names)
        blocks = {}
        for name, block in written.items():
            at = ("blocks", name)
            help_ = "its rows stand under `layers`: `{layers: […]}`"
            if type(block) is not dict:
                what, found = f"the block `{name}`", describe(block)
                self.fault(WrongType, at, what=what, wanted="a mapping", found=found, help=help_)
            rows = {"layers": block} if isinstance(block, list) else {}
            blocks[name] = self.block(name, block if isinstance(block, dict) else rows, at)
        return blocks

    def block(self, name: str, data: Mapping[str, Data], at: SpecPath) -> Block:
        """One named body, its arguments and local variables."""
        owner = f"the block `{name}`"
        self.known(data, _BLOCK_KEYS, at, "a block")
        args = self.mapping(data, "args", at)
        for argument in args:
            if argument in RESERVED_ARGS:
                reason = "it has a meaning of its own in a row"
                where = (*at, "args", argument)
                self.fault(
                    InvalidName,
                    where,
                    on_key=True,
                    what="an argument",
                    name=argument,
                    reason=reason,
                )
        if data.get("layers") is None:
            help_ = "write the block's rows under `layers:`"
            self.fault(MissingKey, at, owner=owner, key="layers", help=help_)
            body = Body((*at, "layers"), ())
        else:
            columns = self.columns(data, at, None)
            body = self.body(data["layers"], (*at, "layers"), columns, owner)
        return Block(
            name,
            at,
            args,
            self.mapping(data, "vars", at),
            body,
            self.text(data, "description", at),
            self.block_inputs(data, at),
            self.outputs(data, at),
            isinstance(data.get("inputs"), list),
        )

    def block_inputs(self, data: Mapping[str, Data], at: SpecPath) -> Mapping[str, Data]:
        """The names of what arrives at a block: a list, or a mapping where some are not one value.

        The first is one value: a row without `from` reads it.
        """
        written, where = data.get("inputs"), (*at, "inputs")
        if written is None:
            return {}
        inputs: Mapping[str, Data] = {}
        if isinstance(written, list) and all(isinstance(name, str) for name in written):
            inputs = dict.fromkeys(written)
            if len(inputs) < len(written):
                self.fault(InvalidValue, where, problem="two inputs have the same name")
        elif type(written) is dict:
            inputs = written
        else:
            wanted = "a list of names, or a mapping of names to `optional` or a number"
            found = describe(written)
            names = written.split(",") if isinstance(written, str) else ()
            help_ = f"write `inputs: [{written}]`" if names else ""
            self.fault(WrongType, where, what="`inputs`", wanted=wanted, found=found, help=help_)
            return dict.fromkeys(name.strip() for name in names)
        if not inputs:
            self.fault(InvalidValue, where, problem="`inputs` names nothing")
        for i, (name, kind) in enumerate(inputs.items()):
            if kind is not None and not isinstance(kind, str | int):
                wanted = "`~` for one value, `optional`, or how many values a list has"
                found = describe(kind)
                self.fault(WrongType, (*where, name), what=f"`{name}`", wanted=wanted, found=found)
            if i == 0 and kind == "optional":
                problem = f"`{name}` is the first input, which every block has"
                self.fault(InvalidValue, (*where, name), problem=problem)
        return inputs

    def variants(self, data: Mapping[str, Data]) -> dict[str, Variant]:
        """The members of a family."""
        variants = {}
        for name, written in self.mapping(data, "variants", ()).items():
            at = ("variants", name)
            if written is not None and not self.typed(written, dict, at, f"the variant `{name}`"):
                continue
            self.identifier(name, at, "a variant", _TAKEN)
            member: Mapping[str, Data] = written or {}
            title, source, description, reference = (
                self.text(member, key, at) for key in _VARIANT_TEXTS
            )
            variants[name] = Variant(
                name=name,
                at=at,
                vars={key: value for key, value in member.items() if key not in _VARIANT_KEYS},
                claims=self.claims(member, at),
                title=title,
                input=member.get("input"),
                source=source,
                description=description,
                reference=reference,
            )
        return variants

    def outputs(self, data: Mapping[str, Data], of: SpecPath) -> tuple[Output, ...]:
        """What the network, or the block at a path, gives back, by name."""
        if data.get("outputs") == {}:
            self.fault(InvalidValue, (*of, "outputs"), problem="`outputs` names nothing")
        outputs = []
        for name, written in self.mapping(data, "outputs", of).items():
            at: SpecPath = (*of, "outputs", name)
            if isinstance(written, str | int) and not isinstance(written, bool):
                outputs.append(Output(name, str(written), at))
                continue
            wanted = "the name of a step, or a mapping with `from`"
            if type(written) is not dict:
                found = describe(written)
                self.fault(WrongType, at, what=f"`{name}`", wanted=wanted, found=found)
                continue
            self.known(written, _OUTPUT_KEYS, at, "an output")
            if written.get("from") is None:
                self.fault(MissingKey, at, owner="an output", key="from", help=f"it is {wanted}")
                continue
            if of and len(written) > 1:
                problem = "what a block gives is always there: its outputs have `from` alone"
                self.fault(InvalidValue, at, problem=problem)
            flags = [self.flag(written, key, at) for key in ("training_only", "optional")]
            outputs.append(Output(name, str(written["from"]), (*at, "from"), *flags))
        return tuple(outputs)

    def identifier(
        self, name: str, at: SpecPath, what: str, taken: frozenset[str] = frozenset()
    ) -> None:
        """A name that generated code has to be able to use; `taken` are those it uses itself."""
        if name in taken:
            reason = "generated code has something else of that name"
            self.fault(InvalidName, at, on_key=True, what=what, name=name, reason=reason)
            return
        usable = name.isascii() and name.isidentifier() and not iskeyword(name)
        if not usable or name.startswith("_") or len(name) > 64:
            reason = "it has to be a Python identifier that does not begin with `_`"
            self.fault(InvalidName, at, on_key=True, what=what, name=name[:64], reason=reason)

    def flag(self, data: Mapping[str, Data], key: str, at: SpecPath) -> bool:
        """A truth value that is false unless given."""
        value = data.get(key)
        return value is not None and self.typed(value, bool, (*at, key), f"`{key}`") and value


_TAKEN = frozenset({*dir(builtins), *softkwlist, "torch", "nn", "F", "math", "OrderedDict"}) | {
    *("NamedTuple", "INPUT_SHAPE", "INPUT_SHAPES", "self", "x")
}
_MISSING = {
    "name": "write `name: MyNet`; it becomes the name of the generated class",
    "input": "write `input: [3, 224, 224]`: channels, height, width",
    "layers": "write the rows of the table under `layers:`",
}
