"""The modules of a list that are called one after the other are called in a loop."""

from archspec.targets.python.printer import statements
from archspec.targets.python.tree import Statement
from archspec.targets.torch.rows.looped import looped
from tests.targets.reader import read


def after(text: str) -> str:
    body: list[Statement] = [*read(text)]  # type: ignore[list-item]  # no definitions
    return "\n".join(statements(looped(body), 0))


def test_all_of_a_list_are_called_in_a_loop() -> None:
    text = "x = self.a(x)\nx = self.trees[0](x)\nx = self.trees[1](x)\nreturn x"
    assert after(text) == ("x = self.a(x)\nfor tree in self.trees:\n    x = tree(x)\nreturn x")


def test_a_name_that_is_taken_is_not_used_again() -> None:
    text = "tree = f(x)\nx = self.trees[0](x)\nx = self.trees[1](x)\nreturn x + tree"
    assert "for block in self.trees:\n    x = block(x)\n" in after(text)


def test_what_is_called_once_more_is_called_one_by_one() -> None:
    text = "x = self.m[0](x)\nx = self.m[1](x)\ny = self.m[0](x)\nreturn x + y"
    assert after(text) == text


def test_what_has_something_between_is_called_one_by_one() -> None:
    text = "x = self.m[0](x)\nx = self.a(x)\nx = self.m[1](x)\nreturn x"
    assert after(text) == text


def test_what_reads_something_else_is_called_one_by_one() -> None:
    text = "x = self.m[0](x)\ny = self.m[1](x)\nreturn x + y"
    assert after(text) == text
