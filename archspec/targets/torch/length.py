"""How long a module may become, asked before the work is done rather than after it."""

from collections.abc import Iterable, Sequence

from archspec.graph.network import Network
from archspec.targets.python.tree import Class, For, Function, If, Statement

MAX_LINES = 20_000
"""Nobody reads more, and Python itself takes long to."""
NAMES_IN_A_LINE = 8
"""A row that reads more takes more than one line."""


class TooLong(Exception):
    """A module would be longer than `limit` lines; `reason` is why it has to be plain, if so."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.limit = MAX_LINES
        self.form = f", for only its plain form is right: {reason}" if reason else ""


def require(lines: int, reason: str = "") -> None:
    """Raise `TooLong` unless there is room for so many lines."""
    if lines > MAX_LINES:
        raise TooLong(reason)


def require_few_rows(networks: Iterable[Network]) -> None:
    """Raise `TooLong` where there are more rows that do anything than lines: no form has fewer."""
    lines = {
        node.step.at: 1 + len(node.inputs) // NAMES_IN_A_LINE
        for network in networks
        for node in network.nodes
        if node.step is not None and (node.module.tensors or network.is_run(node))
    }
    require(sum(lines.values()))


def require_few_lines(classes: Sequence[Class]) -> None:
    """Raise `TooLong` where there are more statements than lines."""
    require(sum(_in_function(method) for cls in classes for method in cls.methods))


def _in_function(function: Function) -> int:
    return 1 + _in_body(function.body)


def _in_body(body: Iterable[Statement]) -> int:
    return sum(map(_in_statement, body))


def _in_statement(statement: Statement) -> int:
    if isinstance(statement, If):
        return 1 + _in_body(statement.body) + _in_body(statement.orelse)
    if isinstance(statement, For):
        return 1 + _in_body(statement.body)
    return 1
