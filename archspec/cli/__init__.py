"""The command line: loads only the command that is asked for, and tells errors to people."""

import atexit
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EBADF, EDQUOT, EFBIG, EIO, ENOSPC
from typing import NamedTuple, NoReturn

from archspec.cli.errors import UserError

INTERRUPTED = 130  # what a shell reports for a program ended by SIGINT
PIPE_CLOSED = 141  # and by SIGPIPE
UNWRITABLE = {EBADF, EDQUOT, EFBIG, EIO, ENOSPC}

# Module → the extra that installs it.
EXTRAS = {"torch": "train", "numpy": "train", "PIL": "train"}


class Command(NamedTuple):
    """Where a command's function stands, and the line that `archspec --help` shows for it.

    `optional` are options that may stand without their value.
    """

    target: str
    summary: str
    is_brief: bool = True
    optional: tuple[str, ...] = ()


COMMANDS = {
    "check": Command(
        "archspec.cli.check:check",
        "Compute, explain and verify networks.",
        optional=("--explain",),
    ),
    "list": Command("archspec.cli.listing:list_specs", "Name the specs that are found."),
    "gen": Command("archspec.cli.gen:gen", "Write networks as code."),
    "prove": Command(
        "archspec.cli.prove:prove", "Run networks, and certify what they do.", is_brief=False
    ),
    "train": Command("archspec.cli.train:train", "Train a network on pictures.", is_brief=False),
    "eval": Command("archspec.cli.evaluate:evaluate", "Measure a trained network.", is_brief=False),
    "predict": Command(
        "archspec.cli.predict:predict", "Name what a trained network sees.", is_brief=False
    ),
    "show": Command(
        "archspec.cli.show:show", "Draw what a trained network makes of a picture.", is_brief=False
    ),
    "runs": Command("archspec.cli.runs:runs", "Compare runs in a table."),
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line `argv` (the process's own when None) and exit with its code."""
    args = sys.argv[1:] if argv is None else list(argv)
    name = next((arg for arg in args if not arg.startswith("-")), None)
    # The command itself is wrapped once more in `build_app`; this is for what comes before it: the
    # help page, imports, unknown commands.
    with told_to_people():
        if name is not None and name not in COMMANDS:
            raise UserError(_unknown(name), exit_code=2)
        if argv is None and (name is None or COMMANDS[name].is_brief):
            _hurry()
        from archspec.cli.app import build_app

        optional = COMMANDS[name].optional if name is not None else ()
        build_app(name)(args=_complete(args, optional), prog_name="archspec")
    raise SystemExit(0)


def _complete(args: list[str], optional: Sequence[str]) -> list[str]:
    """The arguments with an empty value for options that have none: typer knows no optional ones.

    The value of such an option is the argument after it, unless that is an option or `-`.
    """
    followers = [*args[1:], "-"]
    return [
        f"{arg}=" if arg in optional and follower.startswith("-") else arg
        for arg, follower in zip(args, followers, strict=False)
    ]


def _hurry() -> None:
    """Leave out what only a long-lived process needs: a fifth of the time of a brief command."""
    gc.disable()  # imports make thousands of objects and no garbage
    atexit.register(gc.freeze)  # at the end everything goes: Python need not look for what may
    # To look for plugins, pydantic reads the metadata of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(COMMANDS)}"
    return f"no command {name!r}: {hint}"


@contextmanager
def told_to_people() -> Iterator[None]:
    """Turn what ends a command early into at most one line on stderr and an exit code."""
    if sys.stdout is None:  # `>&-`
        _exit("error: standard output is closed", exit_code=2)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # a closed pipe shows here at the latest, not after main has ended
    except UserError as error:
        _exit(f"error: {error}", error.exit_code)
    except KeyboardInterrupt:
        _exit("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _abandon_stdout()  # the reader has gone
        raise SystemExit(PIPE_CLOSED) from None
    except OSError as error:
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        _abandon_stdout()
        _exit(f"error: cannot write the output: {error.strerror}", exit_code=2)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(error.name or "")
        if extra is None:
            raise
        _exit(f"error: this needs {error.name}: pip install 'archspec[{extra}]'", exit_code=2)


def _abandon_stdout() -> None:
    """Python flushes stdout once more at its end: into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit(message: str, exit_code: int) -> NoReturn:
    if sys.stderr is not None:  # `2>&-`; print would turn to stdout then
        print(message, file=sys.stderr)
    raise SystemExit(exit_code) from None
