"""Names and texts from a spec, which is untrusted, made fit for Python source."""

import builtins
import keyword
import re
import sys
import unicodedata
from collections.abc import Iterable

MAX_CLASS_NAME = 64

TAKEN = frozenset({"torch", "nn", "F", "math", "OrderedDict", "INPUT_SHAPE", "self", "x", "layer"})
"""Names that generated modules use themselves."""


def class_name(name: str, taken: frozenset[str] = frozenset()) -> str:
    """A spec's name as a class name: `LeNet-5 (modern)` is `LeNet5Modern`."""
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    parts = re.findall(r"[A-Za-z0-9]+", letters)
    joined = "".join(part[0].upper() + part[1:] for part in parts)[:MAX_CLASS_NAME]
    if not joined:
        return "Network"
    if joined[0].isdigit():
        joined = f"Net{joined}"
    if keyword.iskeyword(joined) or hasattr(builtins, joined) or joined in TAKEN | taken:
        joined = f"{joined}Net"
    return joined


def member_name(name: str, title: str | None, family: str) -> str:
    """What the class of a family's member is called, before it is a class name.

    Its title, or its name with the family's capitals: `resnext50_32x4d` of `ResNeXt` becomes
    `ResNeXt50x32x4d`, for two numbers side by side are none.
    """
    letters = "".join(re.findall(r"[A-Za-z0-9]+", family))
    if title is None and name.lower().startswith(letters.lower()):
        name = letters + name[len(letters) :]
    return re.sub(r"(?<=[0-9])[^A-Za-z0-9.]+(?=[0-9])", "x", title or name)


def module_name(stem: str) -> str:
    """A file's stem as the name of a module that hides nothing: `lenet-5` is `lenet_5`."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", stem) or "network"
    if name[0].isdigit():
        name = f"net_{name}"
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name in ("torch", "__init__"):
        name = f"{name}_net"
    return name


def prose(text: str) -> str:
    """A text that is safe and tidy inside a docstring: one line, nothing that ends or escapes it.

    Control, formatting (bidirectional ones too) and unassigned characters become spaces; quotes
    that could close the docstring become single ones; a backslash becomes a slash, for an escape
    would be read and a raw docstring cannot end in one.
    """
    plain = text.isascii() and text.isprintable()
    visible = text if plain else "".join(map(_visible, text))
    quoted = re.sub('"{2,}', lambda match: "'" * len(match[0]), visible.replace("\\", "/"))
    return " ".join(quoted.split())


def _visible(character: str) -> str:
    return " " if unicodedata.category(character)[0] in "CZ" else character


def sentence(text: str) -> str:
    """`prose` that ends in a full stop and does not begin with a quote."""
    words = prose(text)
    if words.startswith('"'):
        words = "'" + words[1:].replace('"', "'", 1)
    return words if words.endswith(".") else f"{words.rstrip(':;,')}."


def capitalised(text: str) -> str:
    """A text that begins with a capital, unless with a name or a formula: `conv1`, `x + y`."""
    first = text.split(" ", 1)[0].rstrip(",.;:")
    is_word = first == "a" or (first.isalpha() and len(first) > 1)
    return text[:1].upper() + text[1:] if is_word else text


def commas(number: int) -> str:
    """A count with commas between its thousands: `11,689,512`."""
    return f"{number:,}"


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order of `__all__`: constants, classes, functions, by how they are spelt."""
    return sorted(names, key=lambda n: (not _is_constant(n), not n[0].isupper(), _natural(n)))


def _is_constant(name: str) -> bool:
    return len(name) > 1 and name.isupper()


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """The order of people, `resnet18` before `resnet152`; with a zero in front, that of texts."""
    parts = re.findall(r"\d+|\D+", name)
    counts = (int(part) if part.isdigit() and part[0] != "0" else 0 for part in parts)
    return [(not p.isdigit(), count, p) for p, count in zip(parts, counts, strict=True)]


def usable_argument(name: str) -> bool:
    """Whether a variable's name can name an argument without hiding something the module needs."""
    return not (
        keyword.iskeyword(name)
        or keyword.issoftkeyword(name)
        or hasattr(builtins, name)
        or name in TAKEN
    )
