"""What an op or a block is called where it is handed on, with the defaults that a spec gives it."""

from collections.abc import Mapping
from itertools import takewhile, zip_longest
from types import MappingProxyType

from pydantic import ValidationError

from archspec.expressions import Configured, Value
from archspec.language.rows import SUGAR
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME, Op, channels_of
from archspec.targets.python.tree import (
    Argument,
    Call,
    Expr,
    Keyword,
    Lambda,
    Literal,
    Name,
    Starred,
    call,
    dotted,
)
from archspec.targets.torch.emit import Row, spell_step
from archspec.targets.torch.rows.facts import Facts
from archspec.targets.torch.rows.refusal import CannotWrite
from archspec.targets.torch.signatures import by_name, unbound


class Opened(Configured):
    """An op with attributes of which some are expressions of what a class is given."""

    opened: Mapping[str, Expr]

    def __repr__(self) -> str:
        return f"{super().__repr__()} {self.opened!r}"


class Heads:
    """Spells ops and blocks that are values; `names` are the classes of the blocks."""

    def __init__(self, facts: Facts, names: Mapping[str, str]) -> None:
        self.facts = facts
        self.names = names
        self._heads: dict[str, Expr] = {}
        self._ignored: dict[str, bool] = {}
        self._ignored = self._find_ignored()

    def spell(self, value: str) -> Expr:
        """What an op or a block is called where it is handed on: with what it has of attributes.

        Those are its defaults, and those of the value itself:
        `functools.partial(nn.LeakyReLU, negative_slope=0.2)`.
        """
        name = str(value)
        if name in self.names:
            return Name(self.names[name])
        if name not in OPS_BY_NAME:
            return Name(name)
        key = repr(value)
        if key not in self._heads:
            self._heads[key] = self._head(name, value)
        head, ignored = self._heads[key], self._ignored.get(name)
        return head if ignored is None else Lambda(_called(head), keywords=ignored)

    def _head(self, name: str, value: str) -> Expr:
        cls = OPS_BY_NAME[name]
        defaults = self.facts.spec.defaults.get(name, {})
        own = {
            key: self._default_of(cls, key, v) for key, v in defaults.items() if key not in SUGAR
        }
        if isinstance(value, Configured):
            own |= value.attributes
        plain = self._made_with(name, {}, own)
        if not own:
            return plain.function
        if plain.function == dotted("nn.Parameter"):
            raise CannotWrite((), f"{name} is no module that could be handed on")
        given = self._made_with(name, own, opened=value.opened if isinstance(value, Opened) else {})
        pairs = zip_longest(given.arguments, plain.arguments)
        first = list(takewhile(lambda pair: pair[0] != pair[1], pairs))
        bound = [argument for argument, _ in first if argument is not None]
        usual = by_name(plain)
        named = [argument for argument in by_name(given) if argument not in usual]
        if len(bound) != len(named):
            bound = named
        return call("partial", given.function, *bound) if bound else plain.function

    def _find_ignored(self) -> dict[str, bool]:
        """The ops that are given arguments, as others that a row stands for, and take none.

        The value is whether those are given by name.
        """
        found: dict[str, bool] = {}
        for leaves in self.facts.leaves.values():
            ops = {leaf.node.op_name: leaf for leaf in leaves}
            given: dict[str, tuple[Argument, ...]] = {}
            for name, leaf in ops.items() if len(ops) > 1 else ():
                row = Row(leaf.shapes, Literal(channels_of(leaf.shapes[0])))
                module = spell_step(leaf.op, row).module
                if module is not None:
                    given[name] = unbound(self.spell(leaf.node.head or name), module)
            named = any(isinstance(item, Keyword) for items in given.values() for item in items)
            for name in given if any(given.values()) else ():
                if not given[name] and name != "identity":
                    found[name] = found.get(name, False) or named
        return found

    def _default_of(self, cls: type[Op], attribute: str, written: Data) -> Value:
        """What a spec's default for an op is worth."""
        if isinstance(written, str) and written in cls.words.get(attribute, ()):
            return written
        value = self.facts.value_of(written, self.facts.environments("")[0])
        if value is None and written is not None:
            raise CannotWrite(("defaults", cls.op_name), "its defaults are not known everywhere")
        return value  # type: ignore[no-any-return]  # what an expression is worth

    @staticmethod
    def _made_with(
        name: str,
        attributes: Mapping[str, Value],
        other: Mapping[str, Value] = MappingProxyType({}),
        opened: Mapping[str, Expr] = MappingProxyType({}),
    ) -> Call:
        """How a module of an op is made; what is required is not what it is in `other`."""
        cls = OPS_BY_NAME[name]
        row = Row(((8, 8, 8),), Name("channels"), opened)
        made = spell_step(_stand_in(cls, attributes, other), row).module
        if made is None:
            raise CannotWrite(("blocks",), f"{name} is no module that could be handed on")
        return made

    def class_of(self, op: str) -> Expr:
        """The class that all modules of an op belong to."""
        return self._made_with(op, {}).function


def _called(head: Expr) -> Call:
    """What a head makes that is given nothing: `nn.ReLU()`, `nn.LocalResponseNorm(5)`."""
    if isinstance(head, Call):
        function, *bound = head.arguments
        assert not isinstance(function, Keyword | Starred)
        return Call(function, tuple(bound))
    return Call(head)


def _stand_in(cls: type[Op], attributes: Mapping[str, Value], other: Mapping[str, Value]) -> Op:
    """An op with these attributes; what else it requires is some value that is not in `other`."""
    required = [key for key, info in cls.model_fields.items() if info.is_required()]
    for one, two in ((4, 2), (0.25, 0.75)):  # sizes, and what is a share
        needed = {key: two if other.get(key) == one else one for key in required}
        try:
            return cls(**{**needed, **attributes})
        except ValidationError:
            continue
    raise CannotWrite(("defaults", cls.op_name), "it is no op that could be handed on")
