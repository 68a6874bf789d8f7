"""The words in what is written: every name that an expression may read, and others.

More than the names is found, and no name missed: what a word does not occur in cannot read it.
"""

import re
from collections.abc import Iterator, Mapping

_WORD = re.compile(r"[^\W\d]\w*")
_WORDLESS = frozenset({int, float, bool, type(None)})


def words_in(*values: object) -> frozenset[str]:
    """The words in texts, lists and mappings, keys among them, at any depth."""
    return frozenset(_found(list(values)))


def _found(pending: list[object]) -> Iterator[str]:
    while pending:
        item = pending.pop()
        if type(item) in _WORDLESS:  # most there are, and asking further takes its time
            continue
        if isinstance(item, str):
            yield from _WORD.findall(item)
        elif isinstance(item, list | tuple):
            pending += item
        elif isinstance(item, Mapping):
            pending += [*item, *item.values()]
