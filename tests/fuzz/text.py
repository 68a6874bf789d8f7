"""A spec's data as the YAML that a person would type: a row a line, words without quotes."""

import json
import re
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z_][\w .+*/<>()=-]*")
_SPECIAL = re.compile(r"(?i)(true|false|null|nan|inf|none|yes|no|on|off|y|n)")

_ORDER = (
    *("archspec", "name", "source", "description", "input", "vars", "variants", "defaults"),
    *("init", "blocks", "columns", "layers", "outputs"),
)


def to_yaml(data: dict[str, Any]) -> str:
    """The text of a spec."""
    lines: list[str] = []
    for key, value in sorted(data.items(), key=lambda item: _ORDER.index(item[0])):
        if key in ("layers", "columns") and isinstance(value, list):
            lines += [f"{key}: {flow(value)}"] if key == "columns" else [f"{key}:", *_rows(value)]
        elif key == "blocks":
            lines.append("blocks:")
            for name, block in value.items():
                lines.append(f"  {flow(name)}:")
                lines += _block(block)
        elif key in ("variants", "defaults", "init") and value:
            lines.append(f"{key}:")
            lines += [f"  {flow(name)}: {flow(inner)}" for name, inner in value.items()]
        else:
            lines.append(f"{key}: {flow(value)}")
    return "\n".join(lines) + "\n"


class _Loader(yaml.SafeLoader):
    """YAML in which `on` and `no` are words."""


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("(true|false)$"), list("tf"))


def from_yaml(text: str) -> dict[str, Any]:
    """The data of a spec's text."""
    data: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - it is a safe one
    return data


def _rows(rows: list[Any], indent: str = "  ") -> list[str]:
    return [f"{indent}- {flow(row)}" for row in rows] or [f"{indent}[]"]


def _block(block: dict[str, Any]) -> list[str]:
    lines = []
    for key, value in block.items():
        if key == "layers":
            lines += ["    layers:", *_rows(value, "      ")]
        else:
            lines.append(f"    {key}: {flow(value)}")
    return lines


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and not value.endswith(" ")
        return value if plain and not _SPECIAL.fullmatch(value) else json.dumps(value)
    if value is None:
        return "~"
    return json.dumps(value)
