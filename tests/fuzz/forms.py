"""Expressions for a value: how it may be written in terms of a name, and what the name is then."""

from collections.abc import Iterator
from math import isqrt
from random import Random
from typing import Any, NamedTuple

from archspec.ops import OPS


class Form(NamedTuple):
    """An expression, and the value that its name has to have."""

    text: str
    value: Any


def form_of(rng: Random, name: str, value: Any) -> Form:
    """An expression of `name` that gives `value`, or something near it."""
    if isinstance(value, bool):
        return rng.choice(list(_truths(name, value)))
    if isinstance(value, int):
        return rng.choice([Form(name, value), rng.choice(list(_wholes(rng, name, value)))])
    if isinstance(value, float):
        return rng.choice([Form(name, value), rng.choice(list(_numbers(name, value)))])
    if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
        return rng.choice([Form(name, value), rng.choice(list(_lists(rng, name, value)))])
    if isinstance(value, str) and (other := another_word(rng, value)):
        return rng.choice(
            [
                Form(name, value),
                Form(f"{value} if {name} else {other}", True),  # noqa: FBT003 - a value
                Form(f"{value} if {name} > 2 else {other}", 3),
                Form(f"{other} if {name} > 2 else {value}", 1),
                Form(f"{value} if {name} == {value} else {other}", value),
            ]
        )
    return Form(name, value)


WORDS = tuple({words for op in OPS for words in op.words.values()})
"""The words that belong together: each attribute takes one of such a set."""


def another_word(rng: Random, value: str) -> str | None:
    """Another word that may stand where one does; None for what is none."""
    others = [sorted(words - {value}) for words in WORDS if value in words]
    return rng.choice(others[0]) if others else None


def _truths(name: str, value: bool) -> Iterator[Form]:  # noqa: FBT001 - it is what is written
    yield from [Form(name, value)] * 4
    yield Form(f"not {name}", not value)
    yield Form(f"{name} > 2", 3 if value else 2)
    yield Form(f"{name} == 1", 1 if value else 2)
    yield Form(f"{name} != 1", 2 if value else 1)
    yield Form(f"0 < {name} < 5", 2 if value else 7)
    yield Form(f"{name} in [1, 3]", 3 if value else 4)
    yield Form(f"{name} and true", value)
    yield Form(f"{name} or false", value)
    yield Form(f"{name} % 2 == 0", 2 if value else 3)
    yield Form(f"true if {name} else false", value)


def _wholes(rng: Random, name: str, value: int) -> Iterator[Form]:
    other = rng.randint(1, 4)
    yield Form(f"{name} + {other}", value - other)
    yield Form(f"{other} + {name}", value - other)
    yield Form(f"{name} - {other}", value + other)
    yield Form(f"{value + other} - {name}", other)
    yield Form(f"{name} // {other}", value * other + rng.randrange(other))
    yield Form(f"{name} / {other}", value * other)
    yield Form(f"{name} * {other} // {other}", value)
    yield Form(f"{other} * {name} - {other}", (value + other) // other)
    yield Form(f"({name} + 1) * {other}", max(value // other - 1, 0))
    yield Form(f"{name} * {other}", max(value // other, 1))
    yield Form(f"2**{name}", max(value.bit_length() - 1, 0))
    yield Form(f"{name}**2 + {other}", max(isqrt(max(value - other, 0)), 1))
    yield Form(f"max({name}, {min(value, other)})", value)
    yield Form(f"min({name}, {value + other})", value)
    yield Form(f"{name} % {value + other}", value)
    yield Form(f"-{name} + {value + other}", other)
    yield Form(f"ceil({name} / 2)", 2 * value)
    yield Form(f"round({name} * 1.0)", value)
    yield Form(f"floor({name} / 2)", 2 * value + 1)
    yield Form(f"{name} if {name} > {value - 1} else {other}", value)
    yield Form(f"[{other}, {name}][1]", value)
    yield Form(f"{name}[1]", [other, value])
    yield Form(f"{name}[-1]", [other, value])
    yield Form(f"sum({name})", [max(value - 1, 0), min(value, 1)])
    yield Form(f"len({name})", [1] * value)
    if value:
        yield Form(f"make_divisible({name}, {value})", value)


def _numbers(name: str, value: float) -> Iterator[Form]:
    yield Form(f"{name} / 2", 2 * value)
    yield Form(f"{name} * 0.5", 2 * value)
    yield Form(f"{name} + 0.25", value - 0.25)
    yield Form(f"-{name}", -value)
    yield Form(f"{name}[0]", [value, 1])
    yield Form(f"1 - {name}", 1 - value)
    if value:
        yield Form(f"1 / {name}", round(1 / value, 6))
    yield Form(f"{name} if {name} < 1 else 0.5", value)


def _lists(rng: Random, name: str, value: list[int]) -> Iterator[Form]:
    yield Form(f"[{', '.join([*map(str, value[:-1]), name])}]", value[-1])
    yield Form(f"[{', '.join([name, *map(str, value[1:])])}]", value[0])
    yield Form(f"{name}[:{len(value)}]", [*value, rng.randint(1, 3)])
    yield Form(f"{name}[1:]", [rng.randint(1, 3), *value])


def counted_form(rng: Random, name: str, value: Any) -> Any:
    """An expression of a repetition's index that gives `value`, or something near it, at first."""
    if isinstance(value, bool):
        true = (f"{name} == 0", f"{name} < 1", f"not {name}", f"{name} % 2 == 0")
        false = (f"{name} > 0", f"{name} != 0", f"{name} % 2 == 1", f"{name} >= 1")
        return rng.choice(true if value else false)
    if isinstance(value, int):
        other = rng.randint(1, 3)
        forms = (
            f"{name} + {value}",
            f"{value} + {name} * {other}",
            f"{value} * ({name} + 1)",
            f"{value} - {name}",
            f"[{value}, {other}][{name}]",
            f"{value} if {name} == 0 else {other}",
            f"max({name}, {value})",
            f"{name} // 2 + {value}",
        )
        return rng.choice(forms)
    if isinstance(value, float):
        numbers = (
            f"{value} / ({name} + 1)",
            f"{value} * (1 - {name})",
            f"{name} * 0.25 + {value}",
            f"{value} if {name} == 0 else 0.5",
        )
        return rng.choice(numbers)
    if isinstance(value, str) and (word := another_word(rng, value)):
        return f"{value} if {name} == 0 else {word}"
    if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
        at = rng.randrange(len(value))
        items: list[Any] = list(value)
        items[at] = counted_form(rng, name, value[at])
        return items if rng.random() < 0.5 else f"[{', '.join(map(str, items))}]"
    return None
