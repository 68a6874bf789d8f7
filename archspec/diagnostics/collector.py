"""Diagnostics told once: what a row says at each of its places, and what several variants say."""

from collections.abc import Iterable
from copy import copy
from typing import Any

from archspec.diagnostics.base import Diagnostic


def key_of(fault: Diagnostic) -> Any:
    """What two diagnostics have in common that tell of the same fault: place, kind and subject."""
    if fault.cause:
        return (fault.cause, fault.code, "" if fault.told_by else fault.subject)
    return (fault.at or fault.where, fault.offset, fault.code, fault.subject)


class Collector:
    """Faults in the order in which they were found, each kept as whoever found it first told it."""

    def __init__(self) -> None:
        self._told: dict[Any, dict[str, Diagnostic]] = {}

    def add(self, faults: Iterable[Diagnostic], variant: str = "") -> None:
        """Take what was found, in a variant of a family if it is one."""
        for fault in faults:
            among = self._told.setdefault(key_of(fault), {})
            among.setdefault(variant, fault)
            if fault.cause:
                first = next(iter(among))
                among[first] = _seen_in(among[first], fault)

    def told(self, variants: int = 1) -> list[Diagnostic]:
        """Each fault once; one that not all of so many variants have says which do."""
        return [_among(found, variants) for found in self._told.values()]


def _seen_in(told: Diagnostic, fault: Diagnostic) -> Diagnostic:
    """What is told, with where else it is."""
    also = (told.also | fault.also | {fault.where}) - {told.where}
    if also == told.also:
        return told
    told = copy(told)
    told.also = also
    return told


def told_once(faults: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The faults without those that tell the same again."""
    collector = Collector()
    collector.add(faults)
    return collector.told()


def _among(found: dict[str, Diagnostic], variants: int) -> Diagnostic:
    """A fault with the variants that have it; as it is where they all do, or where it says so."""
    name, fault = next(iter(found.items()))
    alike = all(other.message == fault.message for other in found.values())
    if alike and len(found) == variants:
        return fault
    more = len(found) - 1
    if not more and (name in fault.where[:2] or f"`{name}`" in fault.message):
        return fault
    fault = copy(fault)
    others = f" and {more} more variant{'s' if more > 1 else ''}" if more else ""
    fault.among = f" (in `{name}`{others})"
    return fault
