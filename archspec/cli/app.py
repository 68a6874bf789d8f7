"""The typer application, with no more commands in it than the command line needs."""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import typer

from archspec import __version__
from archspec.cli import COMMANDS, told_to_people


def build_app(name: str | None) -> typer.Typer:
    """The application with the command `name`; for the help page (None) all, as mere lines."""
    app = typer.Typer(
        help="Design convolutional networks as layer tables.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # plain help: rich would cost every command as much as yaml
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_program)
    if name is not None:
        # Told inside of typer, which would end a closed pipe and an interrupt in its own way;
        # `main` tells what happens outside of the command.
        app.command(name)(told_to_people()(_load(COMMANDS[name].target)))
        return app
    for listed, command in COMMANDS.items():
        app.command(listed, help=command.summary)(_placeholder)
    return app


def _load(target: str) -> Callable[..., Any]:
    module, _, function = target.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), function)
    return loaded


def _placeholder() -> None:
    """Stands for a command on the help page, which runs none."""


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    print(f"archspec {__version__}")
    raise typer.Exit


def _program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Hold the options that stand before a command."""
