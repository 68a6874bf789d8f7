"""`archspec list`: which specs there are."""

import re
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from archspec.language.loader import SpecFile
    from archspec.report.listing import Entry

_TOLD = re.compile(r"^(?:name|source)[ \t]*:.*\n?(?:[ \t]+.*\n?|[ \t]*\n)*", re.MULTILINE)
"""The entries of a spec that a listing shows, with the lines that belong to them."""


def list_specs(
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="What to print.")
    ] = "text",
    recipes: Annotated[
        bool, typer.Option("--recipes", help="Name the recipes for training instead.")
    ] = False,
) -> None:
    """Name the specs that are found.

    These are the specs in ./specs, and those that come with archspec. The names of a spec and of
    its variants are what the other commands take in place of a file. With --recipes: those in
    ./recipes, and those that come along.
    """
    if recipes:
        _list_recipes(output)
        return
    from archspec.language import loader
    from archspec.report.listing import write_listing, write_listing_json
    from archspec.report.page import Page

    found = loader.list_specs()
    if output == "json":
        write_listing_json(sys.stdout, (_entry(spec, "") for spec in found))
        return
    if not found:
        print("there are no specs in ./specs")
        return
    write_listing(Page.on(sys.stdout), [_entry(spec, _describe(spec)) for spec in found])


def _list_recipes(output: str) -> None:
    import json

    from archspec.language.loader import SpecFile
    from archspec.report.listing import Entry, write_listing
    from archspec.report.page import Page
    from archspec.train.errors import TrainError
    from archspec.train.recipe_file import list_recipes, read_recipe

    def source_of(name: str) -> str:
        try:
            return read_recipe(name).source
        except TrainError:
            return "(not a recipe: archspec train --recipe tells why)"

    files = {name: SpecFile(name, file).shown for name, file in sorted(list_recipes().items())}
    found = [(name, file, source_of(name)) for name, file in files.items()]
    if output == "json":
        keys = ("name", "file", "source")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in found], ensure_ascii=False))
        return
    write_listing(Page.on(sys.stdout), [Entry(n, file, None, text, ()) for n, file, text in found])


def _entry(spec: "SpecFile", description: str) -> "Entry":
    from archspec.language import loader
    from archspec.report.listing import Entry

    variants = loader.variants_of(spec.file)
    return Entry(spec.name, spec.shown, spec.variant, description, variants)


def _describe(file: "SpecFile") -> str:
    """The network's name and where its table comes from, or why nobody can tell.

    Only those two entries are read: a listing says what is there, `archspec check` whether it is
    sound.
    """
    from archspec.language import loader, source

    try:
        text = loader.read_text(file.file)
    except loader.SpecNotFound as error:
        return str(error)
    told = source.read("".join(match[0] for match in _TOLD.finditer(text))).data
    if not isinstance(told, dict) or not isinstance(told.get("name"), str):
        return "(not a spec: archspec check tells why)"
    where = told.get("source")
    return f"{told['name']}: {where}" if isinstance(where, str) else told["name"]
