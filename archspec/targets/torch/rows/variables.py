"""Variables of forward: what a value goes by, its own name or that of a chain."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from archspec.language.model import Step
from archspec.ops.merge import Add, Concat, Mul
from archspec.targets.python.tree import Expr, Name, names_in
from archspec.targets.torch.names import usable_argument
from archspec.targets.torch.rows.facts import Leaf
from archspec.targets.torch.rows.unit import CannotWrite, Unit, When

FARTHEST = 64
"""Steps of a chain that are looked through for what it leads to."""
MOST_WAITING = 300
"""So many values may wait for those who read them: a name is looked for among all of theirs."""
MANY = 2
"""So many make a fork, or a meeting."""
_COUNTED = re.compile(r"_\d+[a-z]?$")
"""What only numbers the steps of a branch: `branch3x3_2a` is a step of `branch3x3`."""


@dataclass
class Item:
    """One step of the data flow: it reads values and gives one; value 0 is the body's input.

    A block may give several, `values`, of which `value` is the first; `outputs` are their names.
    Where `when` leaves it out, `passes` is what goes on in its place. `place` is the list of
    modules that it is in, `inside` the groups, from the outside in, that it is called past.
    """

    step: Step
    role: str
    inputs: tuple[int, ...]
    value: int
    when: When = True
    trained_only: bool = False
    passes: int = 0
    values: tuple[int, ...] = ()
    outputs: tuple[str, ...] = ()
    place: str = ""
    inside: tuple[str, ...] = ()


class Variables:
    """The values of a body so far, and how they are called.

    `exprs` are the values, `left` how many readers each still has, `outputs` those that are given
    back, `named` the variables of those that go by their own names.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.facts = unit.facts
        self.items: list[Item] = []
        self.first = "x"  # what arrives, and what is made of it one step after the other
        self.exprs: dict[int, Expr] = {}
        self.left: dict[int, int] = {}
        self.outputs: set[int] = set()
        self.named: set[str] = set()
        self.made: dict[int, Item] = {}
        self.readers: dict[int, list[Item]] = {}
        self.branching: set[int] = set()  # the values whose only way leads to a `concat`
        self.outputs_evaluated = 0
        self._alive: list[int] = []  # of the first so many `exprs`, those that are still read
        self._counted = 0

    def follow(self, items: Sequence[Item], outputs: Sequence[int]) -> None:
        """The steps that forward takes, and what it gives back."""
        self.items, self.outputs = [*items], {*outputs}
        self.made = {item.value: item for item in items}
        self.readers = {}
        for item in items:
            for value in dict.fromkeys(item.inputs):
                self.readers.setdefault(value, []).append(item)
        self.branching = set()
        for item in reversed(self.items):
            after = None if self.is_merge(item) else self._after(item)
            if after is not None and (self._concatenates(after) or after.value in self.branching):
                self.branching.add(item.value)
        self.outputs_evaluated = sum(
            not self.made[value].trained_only for value in self.outputs if value in self.made
        )

    def leaves_of(self, item: Item) -> list[Leaf]:
        """The nodes of an item."""
        return self.facts.nodes_of(item.step, item.role)

    def is_merge(self, item: Item) -> bool:
        """Whether it reads several values."""
        leaves = self.leaves_of(item)
        return bool(leaves) and leaves[0].op.arity == "several"

    def _concatenates(self, item: Item) -> bool:
        leaves = self.leaves_of(item)
        return bool(leaves) and isinstance(leaves[0].op, Concat)

    def _waiting(self) -> frozenset[str]:
        """The names in the values that are still read."""
        further = [*islice(reversed(self.exprs), len(self.exprs) - self._counted)]
        self._alive += reversed(further)
        self._counted = len(self.exprs)
        self._alive = [value for value in self._alive if self.left.get(value, 0) > 0]
        return names_in(*(self.exprs[value] for value in self._alive))

    def variable(self, item: Item) -> str:
        """The variable of a value: its own, or in a chain that of what nobody needs any more."""
        own = self._own_name(item)
        if own and self._ends_a_row(item) and "out" not in self._waiting():
            own = "out"
        if len(self._alive) > MOST_WAITING:
            raise CannotWrite(item.step.at, f"more than {MOST_WAITING} values wait to be read")
        if own and (item.trained_only or self._lasts(item) or self._is_added(item)):
            self.named.add(own)
            return own
        waiting = self._waiting()
        joined = self._joins_branches(item)
        branch = None if joined else self._branch_name(item)
        if branch:
            return self._numbered(snake(branch))
        for value in () if joined or self._multiplies(item) else item.inputs:
            expr = self.exprs[value]
            free = isinstance(expr, Name) and self.left[value] == 0 and expr.id not in waiting
            if free and isinstance(expr, Name) and expr.id not in self.named:
                return expr.id
        chain = next(
            (name for name in (self.first, self._chain_name(item)) if name not in waiting), ""
        )
        return chain or self._numbered(own or snake(item.step.op or ""))

    def _numbered(self, base: str) -> str:
        """A name that no value has that is still read."""
        waiting = self._waiting()
        base = base if base.isidentifier() and usable_argument(base) else "branch"
        numbered = (base if i == 1 else f"{base}{i}" for i in range(1, len(self.items) + 2))
        return next(name for name in numbered if name not in waiting)

    def _own_name(self, item: Item) -> str:
        """What the spec calls a value, as a variable; "" where nothing does, or that is taken."""
        name = snake(item.step.name or "")
        usable = name.isidentifier() and usable_argument(name) and name not in self._waiting()
        return name if usable else ""

    def _ends_a_row(self, item: Item) -> bool:
        """Whether it is a norm or an activation: `bn3` is no name for what several steps made."""
        leaves = self.leaves_of(item)
        return bool(leaves) and not item.role and leaves[0].op.role in ("norm", "activation")

    def _lasts(self, item: Item) -> bool:
        """Whether a value is read again behind other steps, so that it goes by its own name.

        What is read by the two sides of a sum, or the branches of a `concat`, is not, nor by heads
        that only training needs: those stand right behind it.
        """
        if item.value in self.outputs and self.outputs_evaluated > 1:
            return True
        readers = [o for o in self._readers(item) if not o.trained_only]
        if len(readers) > 1 and any(map(self._concatenates, readers)):
            return True
        return len(readers) > 1 and len({self._merged_in(reader) for reader in readers}) > 1

    def _is_added(self, item: Item) -> bool:
        """Whether a value is one step beside others, as a shortcut is, which a sum adds."""
        readers, first = self._readers(item), item
        while (made := self.made.get(first.inputs[0])) is not None and made.step is item.step:
            first = made  # what the step carries along is a part of it
        forks = len(self.readers.get(first.inputs[0], ())) >= MANY
        if self.is_merge(first) or not forks or len(readers) != 1:
            return False
        sums = any(isinstance(leaf.op, Add) for leaf in self.leaves_of(readers[0]))
        return sums and isinstance(readers[0].when, bool)

    def _chain_name(self, item: Item) -> str:
        """What a chain beside `x` is called: by what it is for."""
        for _ in range(FARTHEST):
            if len(readers := self._readers(item)) != 1:
                break
            item = readers[0]
            if self.is_merge(item):
                return "scale" if self._multiplies(item) else "out"
        return "out"

    def _multiplies(self, item: Item) -> bool:
        return any(isinstance(leaf.op, Mul) for leaf in self.leaves_of(item))

    def _merged_in(self, item: Item) -> int:
        """The merge that an item is, or that reads it alone; else itself."""
        readers = self._readers(item)
        if not self.is_merge(item) and len(readers) == 1 and self.is_merge(readers[0]):
            return readers[0].value
        return item.value

    def _after(self, item: Item) -> Item | None:
        """The only step that reads a value, or the merge of all that do; None where it forks."""
        readers = self._readers(item)
        if len({self._merged_in(reader) for reader in readers}) != 1:
            return None
        return self.made[self._merged_in(readers[0])] if len(readers) > 1 else readers[0]

    def _readers(self, item: Item) -> list[Item]:
        return self.readers.get(item.value, [])

    def _joins_branches(self, item: Item) -> bool:
        """Whether a value is a `concat` that is no branch of another one."""
        return self._concatenates(item) and not any(map(self._concatenates, self._readers(item)))

    def _branch_name(self, item: Item) -> str | None:
        """What the steps up to a `concat` have in common in their names, None elsewhere."""
        if self.is_merge(item):
            joined = any(map(self._concatenates, self._readers(item)))
            return item.step.name if joined else None
        return self._name_on_the_way(item) if item.value in self.branching else None

    def _name_on_the_way(self, item: Item) -> str | None:
        names: list[str] = []
        ends = False
        current = item
        for _ in range(FARTHEST):
            if self.is_merge(current):
                break
            if current.step.name is not None:
                names.append(_COUNTED.sub("", current.step.name))
                ends = self._ends_a_row(current)
            after = self._after(current)
            if after is None:
                return None
            current = after
        if not self._concatenates(current) or not names:
            return None
        single = {v for v in current.inputs if v and len(self.readers[v]) == 1}
        if len(single) < MANY:  # what is read elsewhere, too, was not made for this
            return None
        prefix = _common_start(names).rstrip("_")
        if len(prefix) > 2 and all(f"{name}_".startswith(f"{prefix}_") for name in names):
            return prefix
        own = "out" if ends else names[-1]
        return own if self.first in self._waiting() else None  # else a chain is one of `x`


def _common_start(names: Sequence[str]) -> str:
    """The characters that all names begin with."""
    columns = enumerate(zip(*names, strict=False))
    return names[0][
        : next((i for i, column in columns if len(set(column)) > 1), len(min(names, key=len)))
    ]


def snake(name: str) -> str:
    """`AuxLogits` as a variable: `aux_logits`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
