"""What was probably meant by a part of a spec that has another form than its place asks for."""

from collections.abc import Mapping
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
    if isinstance(data, dict):
        first = str(next(iter(data), "conv1"))
        return f"each row is an item, with its name in it: `- {{name: {first[:60]}, op: …}}`"
    return "each row is an item: `- {op: relu}`"


def in_op(value: Mapping[str, Data]) -> str:
    """Help for an op with attributes in the place of an op."""
    said = ", ".join(f"{key}: {value[key]}" for key in value)
    return f"attributes stand in the row itself: `{said[:60]}`" if "op" in value else ""
