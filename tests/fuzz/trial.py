"""One spec on trial: checked, written, imported, built, run, and compared with what it means."""

import ast
import importlib.util
import inspect
import itertools
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from archspec.api import Check, SpecError, check_text, emit
from tests.fuzz import numbers
from tests.fuzz.failure import Failure, told
from tests.fuzz.fields import compare_fields
from tests.fuzz.meaning import compare_meaning
from tests.fuzz.reports import report
from tests.fuzz.structure import compare_beginnings, compare_macs, compare_state
from tests.fuzz.text import from_yaml

SLOW = 3.0
"""Seconds of computing after which `check`, or `gen`, of so small a spec is slow."""


class Outcome(NamedTuple):
    """What a trial found: the check of a spec that is accepted, and what is wrong with it then.

    `plain` is why its module is written in the plain form, where it is.
    """

    failures: tuple[Failure, ...]
    check: Check | None = None
    source: str = ""
    plain: str = ""


Fields = Literal["none", "all"]
"""Which receptive fields are compared."""
Writer = Callable[[Check], tuple[str, str]]
"""A module's text, and why it is plain."""
PLAIN = "written in its plain form: "
_LINE = re.compile(r"line \d+: ")
CRASHED = "no rule has a form for it"
"""The reason that is given where the rules did not say no, but went wrong."""


def written(check: Check) -> tuple[str, str]:
    """What `gen` writes; raises `SpecError`."""
    emission = emit(check)
    notes = [note for note in emission.notes if note.startswith(PLAIN)]
    text = next(iter(emission.files.values())).decode()
    return text, _LINE.sub("", notes[0].removeprefix(PLAIN)) if notes else ""


def examine(text: str, *, fields: Fields = "all", writer: Writer = written) -> Outcome:
    """Everything that is wrong with a spec; nothing is raised."""
    start = time.process_time()
    try:
        check = check_text(text)
    except Exception as error:  # noqa: BLE001 - a crash is what is looked for
        return Outcome((Failure("crash in check", told(error)),))
    if not check.ok:
        return Outcome(())
    failures = [Failure("slow", "check")] if time.process_time() - start > SLOW else []
    start = time.process_time()
    try:
        source, plain = writer(check)
        again, _ = writer(check_text(text))
    except SpecError as error:
        return Outcome((*failures, Failure("refused", _without_place(error))), check)
    except Exception as error:  # noqa: BLE001 - a crash is what is looked for
        return Outcome((*failures, Failure("crash in gen", told(error))), check)
    if time.process_time() - start > 2 * SLOW:
        failures.append(Failure("slow", "gen"))
    if source != again:
        failures.append(Failure("not the same twice", "gen"))
    if plain.startswith(CRASHED):
        failures.append(Failure("no reason", plain))
    failures += report(check)
    failures += compare_meaning(from_yaml(text), check)
    failures += _of_source(text, check, source, fields=fields)
    return Outcome(tuple(dict.fromkeys(failures)), check, source, plain)


def _without_place(error: SpecError) -> str:
    return error.diagnostics[0].message


# --- the module's text -------------------------------------------------------------------------


def _of_source(text: str, check: Check, source: str, *, fields: Fields) -> Iterator[Failure]:
    try:
        ast.parse(source)
    except SyntaxError as error:
        yield Failure("does not parse", told(error))
        return
    try:
        with imported(source) as module:
            for member in check.family or (check,):
                yield from _of_member(text, member, module, fields=fields)
    except _NotImported as error:
        yield Failure("does not import", str(error))


class _NotImported(Exception):
    """The text cannot be executed."""


_NUMBERS = itertools.count()


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="fuzz-")


@contextmanager
def imported(source: str) -> Iterator[ModuleType]:
    """A module's text as a file that is imported, and gone afterwards."""
    name = f"fuzzed_{next(_NUMBERS)}"
    path = Path(_folder().name) / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise _NotImported(told(error)) from error
        yield module
    finally:
        del sys.modules[name]
        path.unlink()


def _of_member(text: str, check: Check, module: ModuleType, *, fields: Fields) -> Iterator[Failure]:
    """A network at its defaults, and at another value of each argument that is open."""
    name = check.variant or module.__all__[0]
    where = check.variant or ""
    make = getattr(module, name, None)
    if make is None:
        yield Failure("does not import", f"there is no function for `{name}`", where)
        return
    found = False
    for failure in _of_network(check, make, {}, where, fields=fields):
        found = True
        yield failure
    if found:
        return
    for argument, value, other in _others(text, check, make):
        given = {argument: value}
        place = f"{where}({argument}={value})"
        yield from _of_network(other, make, given, place, fields="none")


def _others(
    text: str, check: Check, make: Callable[..., nn.Module]
) -> Iterator[tuple[str, Any, Check]]:
    """For each open argument another value that `check` accepts, and what it means."""
    assert check.network is not None
    values = check.network.vars
    for name in inspect.signature(make).parameters:
        own = values.get(name)
        if isinstance(own, bool):
            others: tuple[Any, ...] = (not own,)
        elif isinstance(own, int):
            others = (own + 1, 2 * own, own - 1)
        elif isinstance(own, float):
            others = (own / 2,)
        else:
            continue
        for value in others:
            checked = check_text(text, overrides={name: value})
            members = {member.variant: member for member in checked.family or (checked,)}
            member = members[check.variant]
            if member.ok:
                yield name, value, member
                break


def _of_network(
    check: Check,
    make: Callable[..., nn.Module],
    arguments: Mapping[str, Any],
    where: str,
    *,
    fields: Fields,
) -> Iterator[Failure]:
    network = check.network
    assert network is not None
    torch.manual_seed(0)
    try:
        module = make(**arguments)
    except Exception as error:  # noqa: BLE001 - whatever generated code raises is a finding
        yield Failure("cannot be built", told(error), where)
        return
    found = list(compare_state(network, module)) or list(compare_beginnings(network, module))
    if not found:
        found += compare_macs(check, network, module)
        found += numbers.compare(network, module)
    if not found and fields != "none":
        found += compare_fields(check, module)
    yield from (failure._replace(where=where) for failure in found)
