"""Words that messages share: suggestions, and what kind of thing a value is."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

_KINDS = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "true or false",
    type(None): "empty",
}
_LIST = "known here: "
MOST_CHOICES = 200
"""So many words one is compared with: that costs, and a spec may define more than people do."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Help for a word that is none of the known ones."""
    from difflib import get_close_matches  # a spec without mistakes does not need it

    choices = list(islice(known, MOST_CHOICES))
    same = next((name for name in choices if name.lower() == word.lower()), None)
    if same is not None:
        return did_you_mean(same)
    close = get_close_matches(word[:80], choices, n=1)
    if close:
        return did_you_mean(close[0])
    more = ", …" if len(choices) > 40 else ""
    return f"{_LIST}{', '.join(choices[:40])}{more}" if choices else ""


def is_list(help_: str) -> bool:
    """Whether a suggestion is the list of all that is known, as nothing was near."""
    return help_.startswith(_LIST)


def did_you_mean(word: str) -> str:
    """The help that names the one word that was probably meant."""
    return f"did you mean `{word}`?"


def meant_by(help_: str) -> str:
    """The one word that a help says was probably meant; empty where it says something else."""
    word = help_.removeprefix("did you mean `").removesuffix("`?")
    return word if help_ == did_you_mean(word) else ""


def kind_of(kind: type) -> str:
    """A type, as a spec's author would call it."""
    return _KINDS[kind]


def describe(value: Any) -> str:
    """What kind of thing a value is, for messages."""
    if isinstance(value, str):  # the name of an op or a block, too
        return "text"
    return _KINDS.get(type(value), f"the number {value}")
