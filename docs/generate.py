# ruff: noqa: INP001 - a script, not a package
"""Writes the generated pages of this folder: `python docs/generate.py` (`--check` only compares).

docs/ops.md comes from the classes of the ops and their case files, docs/diagnostics.md from the
catalogue. A test holds that the pages are current.
"""

import re
import sys
from collections.abc import Callable, Iterator
from inspect import get_annotations
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from archspec.ops import OPS, Op, fields
from archspec.report import catalogue

DOCS = Path(__file__).resolve().parent
CASES = DOCS.parent / "tests" / "cases" / "ops"
HEADER = "<!-- Written by docs/generate.py; edit what it reads, not this page. -->\n\n"

# What the forms of archspec/ops/fields.py mean to somebody who types them.
FORMS: tuple[tuple[Any, str], ...] = (
    (fields.PositiveInt, "a whole number from 1"),
    (fields.Size, "a size: one number or `[height, width]`"),
    (fields.OptionalSize, "a size: one number or `[height, width]`"),
    (fields.Padding, "[padding](language.md#padding)"),
    (fields.Truth, "`true` or `false`"),
    (fields.Number, "a number"),
    (fields.PositiveNumber, "a number from 0"),
    (fields.Probability, "a number from 0 to 1"),
)
DEFAULTS: dict[tuple[str, str], str] = {
    ("max_pool", "stride"): "the kernel's size",
    ("avg_pool", "stride"): "the kernel's size",
}


def ops_page() -> str:
    """docs/ops.md: every op with its attributes and an example."""
    summary = [f"| [`{op.op_name}`](#{op.op_name}) | {_first_sentence(op)} |" for op in OPS]
    return "\n".join(
        [
            f"{HEADER}# Ops\n",
            "Every op of the language, its attributes in PyTorch's names, and a row with what",
            "comes out of it. An attribute may be an [expression](language.md#expressions); what",
            "a row leaves out comes from the spec's [defaults](language.md#defaults), then from",
            "here.\n",
            "| op | |",
            "|---|---|",
            *summary,
            *(section for op in OPS for section in _op(op)),
            "",
        ]
    )


def _first_sentence(op: type[Op]) -> str:
    text = _prose(op.__doc__ or "").split("\n\n")[0]
    return re.split(r"(?<=\.) ", text)[0].replace("|", "\\|")


def _prose(docstring: str) -> str:
    """A docstring with its paragraphs on one line each."""
    paragraphs = re.split(r"\n\s*\n", docstring.strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _op(op: type[Op]) -> Iterator[str]:
    yield f"\n## {op.op_name}\n"
    yield _prose(op.__doc__ or "")
    if op.model_fields:
        yield "\n| attribute | what it is | default |\n|---|---|---|"
        aliases = {canonical: other for other, canonical in op.aliases.items()}
        for name, field in op.model_fields.items():
            shown = f"`{name}`" + (f" (or `{aliases[name]}`)" if name in aliases else "")
            yield f"| {shown} | {_form(op, name)} | {_default(op, name, field)} |"
    case = yaml.safe_load((CASES / f"{op.op_name}.yaml").read_text(encoding="utf-8"))["cases"][0]
    yield f"\n<!-- input: {case['input']} -->\n```yaml"
    yield f"- {case['row']}  # → {'×'.join(map(str, case['output']))}\n```"


def _form(op: type[Op], name: str) -> str:
    annotation = next(own[name] for cls in op.__mro__ if name in (own := get_annotations(cls)))
    for form, text in FORMS:
        if annotation == form:
            return text
        if annotation == form | None:
            return f"{text}, or `~`"
    words = op.words.get(name)
    return " or ".join(f"`{word}`" for word in sorted(words)) if words else "a whole number"


def _default(op: type[Op], name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    return DEFAULTS.get((op.op_name, name)) or f"`{_spell(field.default)}`"


def _spell(value: object) -> str:
    """A default as one would type it: ((0, 0), (0, 0)) is 0."""
    while isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    if isinstance(value, tuple):
        return f"[{', '.join(_spell(item) for item in value)}]"
    return fields.spell(value)


PAGES: dict[str, Callable[[], str]] = {
    "ops.md": ops_page,
    "diagnostics.md": lambda: catalogue.markdown() + "\n",
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` say which are not current; 1 if any is not."""
    stale = []
    for name, write in PAGES.items():
        page, text = DOCS / name, write()
        if page.is_file() and page.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            page.write_text(text, encoding="utf-8")
    if stale:
        done = "not current" if "--check" in arguments else "written"
        sys.stdout.write(f"{done}: {', '.join(stale)}\n")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
