"""A pickle read as data: what it says to make is noted down, and nothing that it names is called.

Python's own unpickler can be told which classes it may find, and that is not enough for a file of
somebody else: what is found is called all the same, its attributes can be set, a few bytes make it
take gigabytes, and nested tuples as keys hash for ever. Here nothing is found at all.
"""

import pickletools
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "SHORT_BINUNICODE", "BINUNICODE"}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
EMPTY: dict[str, type[list[Any] | dict[Any, Any]]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
LONGEST_NAME = 80  # characters of a file's name for something, in a message


class Name(NamedTuple):
    """What a pickle calls a class or a function by."""

    module: str
    name: str


@dataclass(eq=False)
class Made:
    """What a pickle says to make: `name` called with `args`, and the state given to it then."""

    name: Name
    args: tuple[object, ...]
    state: object = None


class ForeignName(ValueError):
    """A pickle names a class or function that has no place in a file of its kind."""


def read_pickle(data: bytes, known: Collection[Name]) -> object:
    """What a pickle holds: plain values, the names of `known`, and what they are said to make.

    Time and memory are proportional to its size, whatever it says. Raises ForeignName for any
    other name, and ValueError for what is no pickle, or uses more of the format than plain objects
    need.
    """
    reader = _Reader(known)
    try:
        for opcode, argument, _ in pickletools.genops(data):
            reader.follow(opcode.name, argument)
        (found,) = reader.stack
    except (IndexError, KeyError, OverflowError) as error:
        raise ValueError("its instructions do not fit together") from error
    return found


def foreign_class(error: Exception) -> str | None:
    """What the file named that must not be made, if that is the error, also one of torch's."""
    if isinstance(error, ForeignName):
        return str(error)
    found = re.search(r"GLOBAL ([\w.]+)", str(error), re.ASCII)
    return found[1][:LONGEST_NAME] if found else None


class _Reader:
    """The machine that a pickle is a program for: a stack, marks on it, and a memo."""

    def __init__(self, known: Collection[Name]) -> None:
        self.known = known
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def follow(self, name: str, argument: Any) -> None:
        """One instruction, by the name that pickletools has for it."""
        stack = self.stack
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "MARK":
                self.marks.append(len(stack))
            case "MEMOIZE" | "BINPUT" | "LONG_BINPUT":
                self.memo[len(self.memo) if argument is None else argument] = stack[-1]
            case "GLOBAL" | "STACK_GLOBAL":
                stack.append(self.named(*(argument.split(" ", 1) if argument else self.last(2))))
            case "REDUCE" | "NEWOBJ":
                stack.append(_made(*self.last(2)))
            case "BUILD":
                (state,) = self.last(1)
                _as(stack[-1], Made).state = state
            case "APPEND" | "APPENDS" | "SETITEM" | "SETITEMS":
                self.fill(name)
            case _:
                stack.append(self.plain(name, argument))

    def plain(self, name: str, argument: Any) -> object:
        """The value of an instruction that pushes one."""
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in LITERALS:
            return argument
        if name == "TUPLE" or name in TUPLES:
            return tuple(self.since_mark() if name == "TUPLE" else self.last(TUPLES[name]))
        if name in {"BINGET", "LONG_BINGET"}:
            return self.memo[argument]
        if name in EMPTY:
            return EMPTY[name]()
        raise ValueError(f"it says {name}, which no plain object needs")

    def fill(self, name: str) -> None:
        """Put what comes last into the list or the dict before it."""
        if name in {"APPEND", "APPENDS"}:
            values = self.last(1) if name == "APPEND" else self.since_mark()
            _as(self.stack[-1], list).extend(values)
            return
        values = self.last(2) if name == "SETITEM" else self.since_mark()
        filled = _as(self.stack[-1], dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            filled[_as(key, str | Made)] = value  # a tuple's hash may take for ever

    def named(self, module: object, name: object) -> Name:
        """The name, when it is a known one."""
        found = Name(_as(module, str), _as(name, str))
        if found not in self.known:
            raise ForeignName(
                re.sub(r"[^\w.]", "?", ".".join(found), flags=re.ASCII)[:LONGEST_NAME]
            )
        return found

    def last(self, number: int) -> list[Any]:
        """The last values, taken off the stack."""
        begin = len(self.stack) - number
        if begin < (self.marks[-1] if self.marks else 0):
            raise ValueError("it takes more than it has put down")
        values = self.stack[begin:]
        del self.stack[begin:]
        return values

    def since_mark(self) -> list[Any]:
        """The values since the last mark, taken off the stack with it."""
        return self.last(len(self.stack) - self.marks.pop())


def _made(name: object, args: object) -> Made:
    return Made(_as(name, Name), _as(args, tuple))


def _as(value: Any, kind: Any) -> Any:
    """The value, when it is of this kind."""
    if not isinstance(value, kind):
        raise ValueError(f"a {type(value).__name__} stands where something else belongs")  # noqa: TRY004 - what a file holds
    return value
