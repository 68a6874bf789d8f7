"""`archspec list`: which specs there are."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from archspec.language.loader import SpecFile


def list_specs(
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="What to print.")
    ] = "text",
) -> None:
    """Name the specs that are found.

    These are the specs in ./specs, and those that come with archspec. A spec's name is what the
    other commands take in place of a file.
    """
    from archspec.language import loader
    from archspec.report.listing import Entry, write_listing, write_listing_json
    from archspec.report.page import Page

    found = loader.list_specs()
    if output == "json":
        entries = (Entry(spec.name, spec.shown, spec.variant, "") for spec in found)
        write_listing_json(sys.stdout, entries)
        return
    if not found:
        print("there are no specs in ./specs")
        return
    described = [Entry(spec.name, spec.shown, spec.variant, _describe(spec)) for spec in found]
    write_listing(Page.on(sys.stdout), described)


def _describe(file: "SpecFile") -> str:
    """The network's name and where its table comes from, or why nobody can tell."""
    from archspec.language import loader

    try:
        spec = loader.load_text(loader.read_text(file.file)).spec
    except loader.SpecNotFound as error:
        return str(error)
    if spec is None:
        return "(not a spec: archspec check tells why)"
    return f"{spec.name}: {spec.source}" if spec.source else spec.name
