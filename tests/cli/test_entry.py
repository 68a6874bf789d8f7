"""The entry point: which modules it loads, what it says about mistakes, how it ends."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

from archspec.cli import COMMANDS, main
from tests.conftest import RunCli

# The entry point as a program, with one more command than it has.
WITH_PROBE = """
from archspec.cli import COMMANDS, Command, main
COMMANDS["probe"] = Command("probe:probe", "A probe.")
main()
"""


class Probe:
    """A command of our own making, run through the entry point."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, body: str, *args: str) -> subprocess.Popen[str]:
        source = f"def probe(n: int = 0) -> None:\n    {body}\n"
        (self.folder / "probe.py").write_text(source, encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-c", WITH_PROBE, "probe", *args],
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, body: str, *args: str) -> tuple[int, str, str]:
        with self.start(body, *args) as process:
            stdout, stderr = process.communicate()
            return process.returncode, stdout, stderr


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


def test_help_lists_every_command_without_loading_one(run_cli: RunCli) -> None:
    shown = run_cli("--help")
    assert shown.returncode == 0
    for name, command in COMMANDS.items():
        assert f"{name:9}{command.summary}" in shown.stdout
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "archspec", "--help"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stderr
    assert "archspec.cli.errors" in loaded
    assert not [command for command in COMMANDS.values() if command.target.split(":")[0] in loaded]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_page_begins_as_the_command_does(name: str) -> None:
    module, _, function = COMMANDS[name].target.partition(":")
    documented = inspect.getdoc(getattr(import_module(module), function))
    assert documented is not None
    assert documented.startswith(COMMANDS[name].summary.removesuffix("."))


def test_without_arguments_it_shows_the_help_page_and_fails(run_cli: RunCli) -> None:
    shown = run_cli()
    assert shown.returncode == 2
    assert "Usage: archspec" in shown.stdout + shown.stderr


def test_the_version_is_that_of_the_installed_package(run_cli: RunCli) -> None:
    shown = run_cli("--version")
    assert (shown.returncode, shown.stdout) == (0, f"archspec {version('archspec')}\n")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("chekc", "error: no command 'chekc': did you mean 'check'?\n"),
        ("zzz", f"error: no command 'zzz': there are {', '.join(COMMANDS)}\n"),
    ],
)
def test_an_unknown_command_is_named_with_a_suggestion(
    run_cli: RunCli, typed: str, message: str
) -> None:
    refused = run_cli(typed, "specs/alexnet.yaml")
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", message)


def test_an_unknown_option_is_wrong_usage(run_cli: RunCli) -> None:
    refused = run_cli("--versoin")
    assert refused.returncode == 2
    assert "--versoin" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_main_raises_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["chekc"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: no command 'chekc'")


def test_a_command_gets_its_typed_arguments(probe: Probe) -> None:
    assert probe.run("print(n + 1)", "--n", "41") == (0, "42\n", "")


def test_a_command_can_end_with_an_exit_code(probe: Probe) -> None:
    assert probe.run("import typer; print(1); raise typer.Exit(3)") == (3, "1\n", "")


def test_a_user_error_is_one_line_and_its_exit_code(probe: Probe) -> None:
    body = "from archspec.cli.errors import UserError; raise UserError('no such thing', 2)"
    assert probe.run(body) == (2, "", "error: no such thing\n")


def test_an_interrupt_is_one_line_and_130(probe: Probe) -> None:
    assert probe.run("raise KeyboardInterrupt") == (130, "", "interrupted\n")


def test_a_missing_library_is_named_with_its_extra(probe: Probe) -> None:
    message = "error: this needs torch: pip install 'archspec[train]'\n"
    assert probe.run("import sys; sys.modules['torch'] = None; import torch") == (2, "", message)


def test_a_bug_keeps_its_traceback(probe: Probe) -> None:
    exit_code, _, stderr = probe.run("1 / 0")
    assert exit_code == 1
    assert stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE to imitate")
@pytest.mark.parametrize(
    "body",
    [
        "print('short')",
        "for _ in range(100_000): print('much more than a buffer holds')",
        "print('short'); import typer; raise typer.Exit(1)",
    ],
)
def test_a_closed_pipe_is_silent(probe: Probe, body: str) -> None:
    with probe.start(body) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


UNIX = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
WRITING = ["check lenet5", "check lenet5 --format json", "gen lenet5 --stdout", "list", "--help"]


def ends(redirected: str) -> tuple[int, str]:
    """How `archspec` with these arguments and redirections ends: exit code and stderr."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m archspec {redirected}', sys.executable],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stderr


@UNIX
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("args", WRITING)
def test_a_full_disk_is_one_line_and_2(
    monkeypatch: pytest.MonkeyPatch, args: str, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    message = "error: cannot write the output: No space left on device\n"
    assert ends(f"{args} >/dev/full") == (2, message)


@UNIX
@pytest.mark.parametrize("args", WRITING)
def test_a_closed_standard_output_is_one_line_and_2(args: str) -> None:
    assert ends(f"{args} >&-") == (2, "error: standard output is closed\n")


@UNIX
def test_without_standard_error_a_message_does_not_turn_to_standard_output(
    tmp_path: Path,
) -> None:
    assert ends(f"chekc 2>&- >{tmp_path / 'out'}")[0] == 2
    assert (tmp_path / "out").read_text() == ""


def test_a_failure_to_read_is_not_told_as_one_to_write(probe: Probe) -> None:
    exit_code, _, stderr = probe.run("import errno; raise OSError(errno.EIO, 'no', 'some.file')")
    assert exit_code == 1
    assert "OSError: [Errno 5] no: 'some.file'" in stderr
