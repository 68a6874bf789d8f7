"""What was probably meant by a part of a spec that has another form than its place asks for."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archspec.language.source import Data

MAPPINGS: Mapping[str, str] = {
    "args": "each with its default, `~` where it has to be given: `args: {width: ~, stride: 1}`",
    "blocks": "each under its name: `blocks: {Unit: {args: {width: ~}, layers: […]}}`",
    "vars": "each with its value: `vars: {width: 64, deep: true}`",
    "variants": "each under its name: `variants: {small: {width: 32}, large: {width: 64}}`",
    "outputs": "each under a name: `outputs: {logits: fc}`",
    "defaults": "by op: `defaults: {conv2d: {kernel_size: 3, padding: 1}}`",
    "init": "by op: `init: {conv2d: {weight: kaiming_normal}}`",
    "expect": "by metric: `expect: {params: 61100840}`",
}
"""What stands under a key, as it is written."""


def as_mapping(value: Data, key: str) -> Mapping[str, Data]:
    """A list of names, or of mappings, as the mapping that it stands for; else an empty one.

    So that nothing that names what is in there is told to name nothing.
    """
    items = value if isinstance(value, list) and key not in ("expect", "init") else []
    found: dict[str, Any] = {}
    for item in items:
        if isinstance(item, str) and key in ("args", "outputs"):
            found[item] = item if key == "outputs" else None  # a step's name, a required one
        elif isinstance(item, dict) and isinstance(item.get("name"), str):
            found[item["name"]] = {key: item[key] for key in item if key != "name"}
        elif isinstance(item, dict):
            found.update(item)
    return found


def of_row(row: Data) -> str:
    """Help for a row that is the name of an op, or has its attributes under that name."""
    if isinstance(row, str) and row.strip().isidentifier():
        return f"a row of an op is `- {{op: {row.strip()[:60]}}}`"
    if not isinstance(row, dict) or len(row) != 1:
        return ""
    ((name, inner),) = row.items()
    if isinstance(inner, list):
        return f"a group of rows is `- {{name: {name[:60]}, layers: […]}}`"
    if isinstance(inner, dict) and "op" in inner:
        return f"a row says its name as its attributes, `- {{name: {name[:60]}, op: …}}`"
    if isinstance(inner, dict):
        first = next(iter(inner), "…")
        return f"attributes stand beside the op: `- {{op: {name[:60]}, {first[:60]}: …}}`"
    return ""


def of_rows(data: Data) -> str:
    """Help for rows that are not a list."""
    if isinstance(data, dict) and isinstance(data.get("op"), str):
        more = ", …" if len(data) > 1 else ""
        return f"each row is an item: `- {{op: {data['op'][:60]}{more}}}`"
    if isinstance(data, dict):
        first = str(next(iter(data), "conv1"))
        return f"each row is an item, with its name in it: `- {{name: {first[:60]}, op: …}}`"
    return "each row is an item: `- {op: relu}`"


ENDS = (")", *"0123456789")
"""What the key ends with that is the end of a value which a comma tore apart."""
MOST_PARTS = 16
"""Into so many parts the commas of a call or a tuple tear it at most."""
_THOUSANDS = re.compile(r"\d{3}")


def torn(data: Mapping[str, Data]) -> Iterator[tuple[str, list[str]]]:
    """The keys of a mapping with the rest of their values, of which most have none.

    In a flow mapping a comma ends a value: behind a bracket that is open, `(3`, `max(8`, the rest
    of it is keys without a value.
    """
    keys, start = list(data), 0
    while start < len(keys):
        end = _closing(data, keys, start)
        yield keys[start], keys[start + 1 : end]
        start = end


def _closing(data: Mapping[str, Data], keys: Sequence[str], start: int) -> int:
    """The key behind those that the open brackets of a value hold."""
    first, end = data[keys[start]], start + 1
    if type(first) is int and 0 < first < 1000:  # `1,792` is torn as well
        while end < len(keys) and data[keys[end]] is None and _THOUSANDS.fullmatch(keys[end]):
            end += 1
        return end
    opened = _opened(first)
    while opened > 0 and end < len(keys) and data[keys[end]] is None:
        opened += _opened(keys[end])
        end += 1
    return start + 1 if opened else end


def torn_cells(row: Sequence[Data]) -> Iterator[tuple[int, list[Data]]]:
    """Where the cells of a list row begin, with the parts of each, of which most have one."""
    start = 0
    while start < len(row):
        opened, end = _opened(row[start]), start + 1
        while opened > 0 and end < min(len(row), start + MOST_PARTS):
            opened += _opened(row[end])
            end += 1
        end = start + 1 if opened else end
        yield start, list(row[start:end])
        start = end


def thousands(cells: Sequence[Data]) -> int | None:
    """The number that cells are parts of, as `1,792` is two; None where they are not."""
    first, *rest = cells
    if type(first) is not int or not 0 < first < 1000 or not 0 < len(rest) < 4:
        return None
    groups = [str(cell) for cell in rest if type(cell) in (int, str)]
    if len(groups) < len(rest) or not all(_THOUSANDS.fullmatch(group) for group in groups):
        return None
    return int("".join([str(first), *groups]))


def _opened(text: Data) -> int:
    return text.count("(") - text.count(")") if isinstance(text, str) else 0


def whole(key: str, text: str) -> tuple[Data, str, str]:
    """What was meant by a value that its commas tore apart, what is wrong, and what mends it."""
    if text[0] != "(" and text.replace(", ", "").isdecimal():
        number = text.replace(", ", "")
        problem = f"{key} is torn apart: a comma ends a value"
        return int(number[:15]), problem, f"write `{key}: {number}`"
    numbers = text[1:-1].split(", ")
    if _is_tuple(text) and not all(number.isdecimal() for number in numbers):
        problem = f"{key} is written as a tuple, {text}; YAML has lists"
        return list(numbers), problem, f"write `{key}: [{text[1:-1]}]`"
    if not _is_tuple(text):
        problem = f"{key} is torn apart: a comma ends a value"
        return text, problem, f'write it in quotes, `{key}: "{text}"`'
    sizes = [int(number[:9]) for number in numbers]
    problem = f"{key} is written as a tuple, {text}; YAML has lists"
    if key != "output" or len(sizes) != 3:
        return sizes, problem, f"write `{key}: {sizes}`"
    if sizes[0] == sizes[1] != sizes[2]:
        sizes = [sizes[2], *sizes[:2]]  # as Keras prints it
    return None, problem, f"write `{key}: {sizes}`, channels first"


def _is_tuple(text: str) -> bool:
    """Whether a text is written as `(a, b)`, each part with its own brackets closed."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    return all(part.count("(") == part.count(")") for part in text[1:-1].split(", "))


def in_op(value: Mapping[str, Data]) -> str:
    """Help for an op with attributes in the place of an op."""
    said = ", ".join(f"{key}: {value[key]}" for key in value)
    return f"attributes stand in the row itself: `{said[:60]}`" if "op" in value else ""
