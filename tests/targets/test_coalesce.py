"""Variables that are too many: that only hand their value on to another one, or are not read."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from archspec.targets.python.printer import statements
from archspec.targets.python.tree import Statement
from archspec.targets.torch.rows.coalesce import coalesced, without_unread
from tests.targets.reader import read

Change: TypeAlias = Callable[[Sequence[Statement]], list[Statement]]


def after(text: str, change: Change = coalesced) -> str:
    body = [s for s in read(text) if not hasattr(s, "parameters") and not hasattr(s, "methods")]
    return "\n".join(statements(change(body), 0))  # type: ignore[arg-type]  # no definitions


def test_the_first_is_called_as_the_second() -> None:
    assert after("a = f(x)\ny = [g(a)]\nb = a\nz = [b]") == "b = f(x)\ny = [g(b)]\nz = [b]"


def test_what_is_read_behind_stays() -> None:
    text = "a = f(x)\nb = a\nz = [a]"
    assert after(text) == text


def test_a_name_that_is_in_use_in_between_stays() -> None:
    text = "a = f(x)\ny = b\nb = a\nz = [b]"
    assert after(text) == text


def test_what_is_made_twice_stays() -> None:
    text = "a = f(x)\na = g(a)\nb = a\nz = [b]"
    assert after(text) == text


def test_what_nothing_in_the_body_makes_stays() -> None:
    text = "y = g(a)\nb = a\nz = [b]"
    assert after(text) == text


def test_a_loop_behind_may_change_it() -> None:
    text = "a = f(x)\nb = a\nfor i in y:\n    b = g(b)"
    assert after(text) == "b = f(x)\nfor i in y:\n    b = g(b)"


def test_what_nothing_reads_is_not_made() -> None:
    text = "a = f(x)\nb = g(a)\nself.y = g(x)"
    assert after(text, without_unread) == "self.y = g(x)"


def test_what_a_loop_reads_is_made() -> None:
    text = "a = f(x)\nfor i in y:\n    a = g(a)"
    assert after(text, without_unread) == text
