"""What the generator made before it was text: trees, and whether they are the plain form."""

from contextlib import ExitStack
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

import archspec
from archspec.api import Check
from archspec.targets.python.tree import Class, Function
from archspec.targets.torch import write
from archspec.targets.torch.module import Module
from archspec.targets.torch.module import render as laid_out
from archspec.targets.torch.rows.facts import Member
from archspec.targets.torch.rows.refusal import CannotWrite
from tests.targets.networks import members_of


class Made(NamedTuple):
    """A module's text, and the page it was laid out from; a `reason` where it is the plain form."""

    text: str
    reason: str
    page: Module
    members: tuple[Member, ...]

    @property
    def definitions(self) -> tuple[Class | Function, ...]:
        """Classes and functions, in their order."""
        return (*self.page.classes, *self.page.functions)

    @property
    def makers(self) -> list[str]:
        """What makes each member: a function of a family, or the class."""
        functions = [function.name for function in self.page.functions]
        return (functions or [self.page.exported[0]])[: len(self.members)]


@cache
def zoo(spec: str, *, plain: bool = False) -> Made:
    """The module of a spec of the project; every test reads the same one."""
    return made(archspec.check(spec), plain=plain)


def made(checked: Check, *, plain: bool = False) -> Made:
    """The module of a network or family without errors; in its plain form, if that is asked for."""
    checked.raise_for_errors()
    members = []
    for member in members_of(checked):
        assert member.network is not None
        assert member.results is not None
        members.append(Member(member.variant or member.name, member.network, member.results))
    pages: list[Module] = []

    def render(module: Module, *templates: Any) -> str:
        pages.append(module)
        return laid_out(module, *templates)

    with ExitStack() as stack:
        stack.enter_context(patch.object(write, "render", render))
        if plain:
            refusal = CannotWrite((), "the plain form is asked for")
            stack.enter_context(patch.object(write, "_from_rows", side_effect=refusal))
        written = write.write_module(members, checked.name if checked.family else None)
    return Made(written.text, written.reason, pages[-1], tuple(members))
