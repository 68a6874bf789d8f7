"""`archspec check` and `archspec list` as programs: arguments, streams, exit codes."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from archspec import resources
from tests.conftest import RunCli

GOOD = """archspec: 1
name: Good
source: a test
input: [3, 224, 224]
vars: {num_classes: 10}
layers:
  - {name: conv1, op: conv2d, kernel_size: 11, out_channels: 96, padding: [1, 2], stride: 4}
  - name: head
    layers:
      - {name: flatten, op: flatten}
      - {name: fc, op: linear, out_features: num_classes}
"""
OTHER = GOOD.replace("Good", "Other").replace("conv1", "first")
FAILING = GOOD.replace("Good", "Failing") + "expect: {params: 7}\n"
FAMILY = """archspec: 1
name: Family
input: [3, 32, 32]
vars: {width: ~}
variants:
  small: {width: 4}
  large:
    name: Large
    width: 8
    expect: {params: 224}
blocks:
  Pair:
    args: {width: ~}
    layers:
      - {op: conv2d, out_channels: width, kernel_size: 3}
      - {op: relu}
layers:
  - {name: stem, op: Pair, width: width}
"""
FAULTY = GOOD.replace("op: flatten", "op: flaten").replace("11,", "x,").replace("[3,", "[3, 3,")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with specs of every kind."""
    (tmp_path / "specs").mkdir()
    for name, text in {"good": GOOD, "other": OTHER, "failing": FAILING, "faulty": FAULTY}.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "family.yaml").write_text(FAMILY, encoding="utf-8")
    (tmp_path / "broken_family.yaml").write_text(FAMILY.replace("224", "225"), encoding="utf-8")
    (tmp_path / "specs" / "mine.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "specs" / "broken.yaml").write_text("[", encoding="utf-8")
    (tmp_path / "latin.yaml").write_bytes("name: größe\n".encode("latin-1"))
    return tmp_path


EXIT_CODES = [
    ("good.yaml", 0),
    ("mine", 0),
    ("good.yaml other.yaml", 0),
    ("failing.yaml", 1),
    ("faulty.yaml", 1),
    ("good.yaml faulty.yaml other.yaml", 1),
    ("absent.yaml", 2),
    ("nospec", 2),
    ("latin.yaml", 2),
    ("specs", 2),
    ("good.yaml absent.yaml", 2),
    ("failing.yaml absent.yaml good.yaml", 2),
    ("", 2),
    ("good.yaml --explain nolayer", 2),
    ("good.yaml --explain conv1", 0),
    ("good.yaml --format yaml", 2),
    ("good.yaml --colour always", 2),
    ("good.yaml --set num_classes=5", 0),
    ("good.yaml --set num_clases=5", 1),
    ("good.yaml --set num_classes", 2),
    ("good.yaml --set num_classes=", 2),
    ("good.yaml --set =5", 2),
    ("good.yaml --set num_classes=[1", 2),
    ("good.yaml --set num_classes=~", 2),
    ("good.yaml --explain --format json", 2),
    ("good.yaml --depth 1", 0),
    ("good.yaml --depth all", 0),
    ("good.yaml --depth 0", 2),
    ("good.yaml --depth some", 2),
    ("good.yaml --all", 2),
    ("--all --explain", 2),
    ("--all --depth 1", 2),
    ("good.yaml --notes", 0),
    ("family.yaml", 0),
    ("family.yaml:small", 0),
    ("family.yaml:tiny", 2),
    ("broken_family.yaml", 1),
    ("broken_family.yaml:small", 0),
    ("broken_family.yaml:large", 1),
    ("family.yaml --explain stem", 2),
    ("family.yaml:small --explain stem", 0),
    ("family.yaml --set width=2", 0),
]


@pytest.mark.parametrize(("args", "exit_code"), EXIT_CODES)
def test_exit_codes(run_cli: RunCli, folder: Path, args: str, exit_code: int) -> None:
    done = run_cli("check", *args.split(), cwd=folder)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == (exit_code == 2)


@pytest.mark.parametrize(
    ("args", "exit_code"), [case for case in EXIT_CODES if "--" not in case[0]]
)
def test_exit_codes_are_the_same_with_json(
    run_cli: RunCli, folder: Path, args: str, exit_code: int
) -> None:
    done = run_cli("check", *args.split(), "--format", "json", cwd=folder)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert bool(done.stderr) == (exit_code == 2)
    assert not done.stdout or json.loads(done.stdout)


def test_what_cannot_be_read_is_told_and_the_others_are_checked(
    run_cli: RunCli, folder: Path
) -> None:
    done = run_cli("check", "absent.yaml", "good.yaml", cwd=folder)
    assert done.stderr == "error: there is no file absent.yaml\n"
    assert done.stdout.startswith("Good  good.yaml\n")


def test_a_spec_that_cannot_be_read_leaves_nothing_on_stdout(run_cli: RunCli, folder: Path) -> None:
    assert run_cli("check", "absent.yaml", "--format", "json", cwd=folder).stdout == ""
    done = run_cli("check", "absent.yaml", "good.yaml", "--format", "json", cwd=folder)
    assert [document["name"] for document in json.loads(done.stdout)] == ["Good"]


def test_several_specs_are_all_checked_and_headed_by_name(run_cli: RunCli, folder: Path) -> None:
    done = run_cli("check", "good.yaml", "failing.yaml", "other.yaml", cwd=folder)
    heads = [line for line in done.stdout.splitlines() if line.endswith(".yaml")]
    assert [head for head in heads if not head.startswith(" ")] == [
        "Good  good.yaml",
        "Failing  failing.yaml",
        "Other  other.yaml",
    ]


def test_json_is_one_object_or_a_list_and_alone_on_stdout(run_cli: RunCli, folder: Path) -> None:
    one = run_cli("check", "faulty.yaml", "--format", "json", cwd=folder)
    assert isinstance(json.loads(one.stdout), dict)
    two = run_cli("check", "faulty.yaml", "good.yaml", "--format", "json", cwd=folder)
    assert [document["ok"] for document in json.loads(two.stdout)] == [False, True]
    assert one.stderr == two.stderr == ""


def test_all_faults_of_a_spec_are_shown(run_cli: RunCli, folder: Path) -> None:
    text = run_cli("check", "faulty.yaml", cwd=folder).stdout
    places = ("faulty.yaml:4:8", "faulty.yaml:7:44 (conv1)", "faulty.yaml:10:29 (head.flatten)")
    for place in places:
        assert f"--> {place}\n" in text
    assert "✗ 3 errors" in text


def test_standard_input_is_a_spec_too(run_cli: RunCli) -> None:
    done = run_cli("check", "-", "--format", "json", stdin=GOOD)
    assert json.loads(done.stdout)["file"] == "<stdin>"
    explained = run_cli("check", "--explain", "-", stdin=GOOD)
    assert "(224 − 11 + 1 + 2)/4 + 1 = 55" in explained.stdout


def test_standard_input_has_to_be_text() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archspec", "check", "-"],
        input=b"\xff\xfe\x00",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == b"error: standard input is not a text in UTF-8\n"


@pytest.mark.parametrize(
    ("value", "shape"),
    [("5", [5]), ("2 * 4", [8]), ("max(3, 4)", [4])],
)
def test_set_gives_a_variable_another_value(
    run_cli: RunCli, folder: Path, value: str, shape: list[int]
) -> None:
    args = ("good.yaml", "--set", f"num_classes={value}", "--format", "json")
    done = run_cli("check", *args, cwd=folder)
    assert json.loads(done.stdout)["outputs"] == {"head.fc": shape}


@pytest.mark.parametrize(
    ("vars_", "help_"),
    [
        ("vars: {num_classes: 10}", "did you mean `num_classes`?"),
        ("vars: {width: 10, num_classes: 10}", "did you mean `num_classes`?"),
        ("vars: {}", "it has no `vars`"),
    ],
)
def test_setting_a_variable_that_is_not_there_names_those_that_are(
    run_cli: RunCli, folder: Path, vars_: str, help_: str
) -> None:
    text = GOOD.replace("vars: {num_classes: 10}", vars_)
    (folder / "vars.yaml").write_text(text, encoding="utf-8")
    done = run_cli("check", "vars.yaml", "--set", "num_clases=5", cwd=folder)
    assert done.returncode == 1
    assert "the spec has no variable `num_clases`\n --> vars.yaml:5:1\n" in done.stdout
    assert f"  = help: {help_}\n" in done.stdout


CONV1, HEAD = ["conv1"], ["head", "head.flatten", "head.fc"]
ALL = [*CONV1, *HEAD]


@pytest.mark.parametrize(
    ("args", "paths"),
    [
        ("good.yaml --explain", ALL),
        ("good.yaml --explain conv1", CONV1),
        ("good.yaml --explain=conv1", CONV1),
        ("--explain conv1 good.yaml", CONV1),
        ("--explain good.yaml", ALL),
        ("--explain= good.yaml", ALL),
        ("good.yaml --explain --color never", ALL),
        ("--explain --color never good.yaml", ALL),
        ("good.yaml --explain head", HEAD),
        ("good.yaml --explain head.fc --explain conv1", ["head.fc", "conv1"]),
        ("good.yaml other.yaml --explain", [*ALL, "first", *HEAD]),
        ("good.yaml other.yaml --explain first", ["first"]),
    ],
)
def test_explain_with_and_without_a_layer(
    run_cli: RunCli, folder: Path, args: str, paths: list[str]
) -> None:
    done = run_cli("check", *args.split(), cwd=folder)
    assert done.returncode == 0, done.stderr
    titles = [line for line in done.stdout.splitlines() if " → " in line and line[0] != " "]
    assert [title.split()[0] for title in titles] == paths


def test_a_spec_without_the_layer_says_so(run_cli: RunCli, folder: Path) -> None:
    done = run_cli("check", "good.yaml", "other.yaml", "--explain", "first", cwd=folder)
    assert done.stdout.count("no layer `first` here") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("good.yaml --explain conv2", "there is no layer `conv2` in Good: did you mean `conv1`?"),
        (
            "--explain good.yaml other.yaml",
            (
                "there is no layer `good.yaml` in Other: it is a spec; "
                "write --explain after the specs to explain all layers"
            ),
        ),
        (
            "good.yaml other.yaml --explain zzz",
            (
                "there is no layer `zzz` in any of the specs: "
                "there are conv1, head, head.flatten, head.fc, first"
            ),
        ),
    ],
)
def test_an_unknown_layer_is_wrong_usage(
    run_cli: RunCli, folder: Path, args: str, message: str
) -> None:
    done = run_cli("check", *args.split(), cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")


def test_explaining_a_spec_with_errors_shows_them(run_cli: RunCli, folder: Path) -> None:
    done = run_cli("check", "faulty.yaml", "--explain", "conv1", cwd=folder)
    assert done.returncode == 1
    assert "this row has errors" in done.stdout
    assert "error[AS204]" in done.stdout


def test_a_pipe_gets_full_width_and_no_colour(run_cli: RunCli, folder: Path) -> None:
    env = {"COLUMNS": "", "NO_COLOR": "", "TERM": "xterm"}
    done = run_cli("check", "good.yaml", cwd=folder, env=env)
    assert "receptive field" in done.stdout
    assert "3×224×224 → 96×55×55" in done.stdout
    assert "\x1b" not in done.stdout
    colored = run_cli("check", "good.yaml", "--color", "always", cwd=folder, env=env)
    assert "\x1b[1mGood\x1b[0m" in colored.stdout


def test_the_encoding_of_the_stream_is_respected(run_cli: RunCli, folder: Path) -> None:
    env = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "COLUMNS": ""}
    done = run_cli("check", "good.yaml", "failing.yaml", "--explain", cwd=folder, env=env)
    assert done.stderr == ""
    assert done.stdout.isascii()
    assert "(224 - 11 + 1 + 2)/4 + 1 = 55" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_nothing_but_our_own_colours_is_an_escape(folder: Path) -> None:
    hostile = GOOD.replace("name: Good", 'name: "\\e]0;title\\a\\e[2J"').replace("fc", '"\\e[5m"')
    (folder / "hostile.yaml").write_text(hostile, encoding="utf-8")
    master, slave = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    subprocess.run(
        [sys.executable, "-m", "archspec", "check", "hostile.yaml"],
        cwd=folder,
        env={**env, "TERM": "xterm", "PYTHONUTF8": "1"},
        stdout=slave,
        check=False,
    )
    os.close(slave)
    shown = b""
    while chunk := _read(master):
        shown += chunk
    os.close(master)
    assert b"\x1b[1m" in shown
    codes = {part.partition(b"m")[0] for part in shown.split(b"\x1b")[1:]}
    assert codes <= {b"[0", b"[1", b"[2", b"[31", b"[32", b"[34", b"[1;31", b"[1;33", b"[1;36"}
    assert b"\x07" not in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux tells the end of a pseudo-terminal as an error
        return b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no head")
@pytest.mark.parametrize("args", ["--explain", "--format json", "--color always"])
def test_a_reader_that_stops_early_is_no_failure_worth_a_traceback(folder: Path, args: str) -> None:
    rows = "  - {op: relu}\n" * 20_000
    text = f"archspec: 1\nname: Long\ninput: [1, 8, 8]\nlayers:\n{rows}"
    (folder / "long.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "archspec", "check", "long.yaml", *args.split()]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE to imitate")
def test_a_reader_that_has_gone_before_a_failing_check_is_silent_too(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "archspec", "check", "failing.yaml"],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_list_names_own_and_packaged_specs(run_cli: RunCli, folder: Path) -> None:
    done = run_cli("list", "--format", "json", cwd=folder)
    listed = json.loads(done.stdout)
    assert all(list(entry) == ["name", "file", "variant", "variants"] for entry in listed)
    mine = next(entry for entry in listed if entry["name"] == "mine")
    assert mine == {"name": "mine", "file": "specs/mine.yaml", "variant": None, "variants": []}
    assert [entry["name"] for entry in listed] == sorted(entry["name"] for entry in listed)
    packaged = {path.stem for path in resources.folder("specs").glob("*.yaml")}
    assert {entry["name"] for entry in listed} == packaged | {"mine", "broken"}


def test_list_says_what_each_spec_is(run_cli: RunCli, folder: Path) -> None:
    lines = run_cli("list", cwd=folder, env={"COLUMNS": ""}).stdout.splitlines()
    mine = next(line.split() for line in lines if line.startswith("mine "))
    assert mine == ["mine", "Good:", "a", "test", "specs/mine.yaml"]
    broken = next(line for line in lines if line.startswith("broken "))
    assert "not a spec" in broken


def test_list_fits_a_terminal(run_cli: RunCli, folder: Path) -> None:
    for width in (40, 60, 80, 120):
        lines = run_cli("list", cwd=folder, env={"COLUMNS": str(width)}).stdout.splitlines()
        assert max(map(len, lines)) <= width


def test_listed_files_can_be_checked_as_they_are_named(run_cli: RunCli, root: Path) -> None:
    for entry in json.loads(run_cli("list", "--format", "json").stdout):
        assert (root / entry["file"]).is_file()


def test_a_family_is_a_line_a_variant_and_one_of_it_a_table(run_cli: RunCli, folder: Path) -> None:
    env = {"COLUMNS": ""}
    lines = run_cli("check", "family.yaml", cwd=folder, env=env).stdout.splitlines()
    assert lines[0] == "Family  family.yaml"
    shown = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[4:6]}
    assert shown == {
        "small": "1 112 97.2 k 3 4×30×30 ✓",
        "large": "1 224 194.4 k 3 8×30×30 ✓ 1",
    }
    lines = run_cli("check", "family.yaml:large", cwd=folder, env=env).stdout.splitlines()
    assert lines[0] == "Large  family.yaml:large"
    assert any(line.startswith("stem.0 ") for line in lines)


def test_a_family_as_json_is_a_list_of_its_variants(run_cli: RunCli, folder: Path) -> None:
    done = run_cli("check", "broken_family.yaml", "--format", "json", cwd=folder)
    listed = json.loads(done.stdout)
    assert [(c["name"], c["variant"], c["ok"]) for c in listed] == [
        ("Family (small)", "small", True),
        ("Large", "large", False),
    ]
    assert [len(c["diagnostics"]) for c in listed] == [0, 1]
    both = run_cli("check", "family.yaml", "good.yaml", "--format", "json", cwd=folder)
    assert [c["name"] for c in json.loads(both.stdout)] == ["Family (small)", "Large", "Good"]
    one = run_cli("check", "family.yaml:large", "--format", "json", cwd=folder)
    assert json.loads(one.stdout)["variant"] == "large"


def test_a_family_cannot_be_explained_as_a_whole(run_cli: RunCli, folder: Path) -> None:
    done = run_cli("check", "family.yaml", "--explain", "stem", cwd=folder)
    message = "error: family.yaml is a family: name the one to explain, of small, large\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_depth_folds_and_opens_the_table(run_cli: RunCli, folder: Path) -> None:
    env = {"COLUMNS": ""}
    folded = run_cli("check", "good.yaml", "--depth", "1", cwd=folder, env=env).stdout
    assert "head   flatten + linear  " in folded
    assert "head.fc" not in folded
    assert "folded: 2 layers; --depth all shows them" in folded
    opened = run_cli("check", "good.yaml", "--depth", "all", cwd=folder, env=env).stdout
    assert "head.fc" in opened
    assert "folded" not in opened


def test_notes_are_brought_together_unless_they_are_wanted(run_cli: RunCli, folder: Path) -> None:
    rows = "  - {op: conv2d, out_channels: 1, kernel_size: 2, stride: 2}\n" * 5
    text = f"archspec: 1\nname: Odd\ninput: [1, 63, 63]\nlayers:\n{rows}"
    (folder / "odd.yaml").write_text(text, encoding="utf-8")
    env = {"COLUMNS": ""}
    assert run_cli("check", "odd.yaml", cwd=folder, env=env).stdout.count("note[AS306]") == 1
    done = run_cli("check", "odd.yaml", "--notes", cwd=folder, env=env)
    assert done.stdout.count("note[AS306]") == 5


def test_all_specs_there_are_in_a_line_each(run_cli: RunCli, folder: Path) -> None:
    (folder / "specs" / "family.yaml").write_text(FAMILY.replace("224", "225"), encoding="utf-8")
    done = run_cli("check", "--all", cwd=folder, env={"COLUMNS": ""})
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    last = next(at for at, line in enumerate(lines[2:], start=2) if line.startswith("─"))
    names = {line.split()[0] for line in lines[2:last]}
    assert {"mine", "broken", "small", "large", "alexnet", "lenet5"} <= names
    claims = {line.split()[0]: line.partition(" ✗ ")[2] for line in lines[2:last]}
    assert (claims["broken"], claims["large"], claims["small"]) == ("1 error", "1 of 1", "")
    assert " --> specs/family.yaml:10:22" in done.stdout
    assert " --> specs/broken.yaml:" in done.stdout
    assert "note[" not in done.stdout
    networks = last - 2
    assert lines[-1].startswith(f"✗ {networks} networks in ")
    assert lines[-1].endswith(" specs: 2 errors")


def test_all_specs_as_json(run_cli: RunCli, folder: Path) -> None:
    (folder / "specs" / "broken.yaml").unlink()
    done = run_cli("check", "--all", "--format", "json", cwd=folder)
    names = [check["name"] for check in json.loads(done.stdout)]
    assert {"Good", "AlexNet", "LeNet5"} <= set(names)


def test_list_names_the_variants_of_a_family(run_cli: RunCli, folder: Path) -> None:
    (folder / "specs" / "family.yaml").write_text(FAMILY, encoding="utf-8")
    lines = run_cli("list", cwd=folder, env={"COLUMNS": ""}).stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("family "))
    assert lines[at].split() == ["family", "Family", "specs/family.yaml"]
    assert lines[at + 1] == "  small large"
    listed = json.loads(run_cli("list", "--format", "json", cwd=folder).stdout)
    found = next(entry for entry in listed if entry["name"] == "family")
    assert found["variants"] == ["small", "large"]
    for name in (*found["variants"], "family:large", "specs/family.yaml:small"):
        assert run_cli("check", name, cwd=folder).returncode == 0


def test_list_reads_a_source_over_several_lines_and_nothing_else(
    run_cli: RunCli, folder: Path
) -> None:
    text = GOOD.replace("source: a test", 'source: "of two\n  lines"').replace("op: ", "po: ")
    (folder / "specs" / "mine.yaml").write_text(text, encoding="utf-8")
    lines = run_cli("list", cwd=folder, env={"COLUMNS": ""}).stdout.splitlines()
    mine = next(line.split() for line in lines if line.startswith("mine "))
    assert mine == ["mine", "Good:", "of", "two", "lines", "specs/mine.yaml"]
