"""`docs/diagnostics.md`, generated from the catalogue: `python -m archspec.report.catalogue`."""

import sys
from collections.abc import Iterator
from inspect import cleandoc
from itertools import groupby

from archspec.diagnostics import CATALOGUE, Diagnostic

_HEAD = """\
# Diagnostics

Everything that `archspec check` can find wrong, or worth knowing, in a spec. An **error** makes the
check fail; a **warning** is something that was probably meant otherwise; a **note** is a fact that
often explains a surprise.

A fault has a code and a name. Where a message stands below with braces, the braces hold the facts
of the case: `{key}` is the key that was typed.

<!-- Generated from archspec/diagnostics by: python -m archspec.report.catalogue -->
"""
_CHAPTERS = {
    "AS1": "The text",
    "AS2": "What is written",
    "AS3": "Sizes",
    "AS4": "Claims",
    "AS5": "Generation",
}


def markdown() -> str:
    """The page: a table of all diagnostics, then a section for each."""
    return "\n".join([_HEAD, *_overview(), *_sections()])


def _overview() -> Iterator[str]:
    yield "| code | name | severity |"
    yield "|---|---|---|"
    for kind in CATALOGUE:
        yield f"| [{kind.code}](#{_anchor(kind)}) | {kind.name} | {kind.severity} |"


def _sections() -> Iterator[str]:
    for chapter, kinds in groupby(CATALOGUE, key=lambda kind: kind.code[:3]):
        yield f"\n## {chapter}xx: {_CHAPTERS[chapter]}"
        for kind in kinds:
            yield f"\n### {kind.code} {kind.name}\n"
            yield f"*{kind.severity}*: {_open(kind.template)}\n"
            yield cleandoc(kind.__doc__ or "")
            if kind.advice:
                yield f"\nHelp: {_open(kind.advice)}"


def _open(template: str) -> str:
    """A template as text, `{{` being a brace."""
    return template.replace("{{", "{").replace("}}", "}")


def _anchor(kind: type[Diagnostic]) -> str:
    return f"{kind.code} {kind.name}".lower().replace(" ", "-")


if __name__ == "__main__":
    sys.stdout.write(markdown() + "\n")
