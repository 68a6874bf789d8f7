"""Templates of somebody's own: what they change, what they see, and how their faults are told."""

from pathlib import Path

import pytest

import archspec
from archspec.cli import main
from archspec.resources import folder
from tests.targets.test_gen import SMALL, names_in

HEADER = '# Copyright of the laboratory.\n{% include "archspec/module.py.jinja" %}\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `archspec gen --templates mine`, in this process."""
    with pytest.raises(SystemExit) as ended:
        main(["gen", "small.yaml", "--templates", "mine", *arguments])
    done = capfd.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, done.out, done.err


def put(here: Path, name: str, text: str) -> None:
    file = here / "mine" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")


def ours(here: Path) -> str:
    return archspec.generate(here / "small.yaml")


def test_ours_stand_in_for_those_that_are_missing(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(here, "module.py.jinja", HEADER)
    assert run(capfd, "--stdout") == (0, f"# Copyright of the laboratory.\n{ours(here)}", "")


def test_copies_of_ours_change_nothing(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And so each of ours can be replaced: the sandbox takes all that they do."""
    place = folder("templates") / "torch"
    for file in place.rglob("*.jinja"):
        put(here, file.relative_to(place).as_posix(), file.read_text(encoding="utf-8"))
    padded = SMALL.replace("kernel_size: 3", "kernel_size: 5, stride: 2, padding: same")
    (here / "small.yaml").write_text(padded, encoding="utf-8")
    assert "def _same_padding" in ours(here)
    assert run(capfd, "--stdout") == (0, ours(here), "")


def test_a_template_of_one_part_is_used_within_ours(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(
        here,
        "class.py.jinja",
        '{% with class = dict(class, base="lab.Model") %}\n'
        '{% include "archspec/class.py.jinja" %}\n{% endwith %}\n',
    )
    put(here, "function.py.jinja", "{{ indent }}# {{ function.name }}\n{{ function.body[0] }}\n")
    _, source, _ = run(capfd, "--stdout")
    assert "class Small(lab.Model):\n" in source
    assert "    # forward\n        x = " in source


def test_a_helper_may_be_another(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    put(here, "helpers/Conv2dSame.py.jinja", "from lab import Conv2dSame\n")
    padded = SMALL.replace("kernel_size: 3", "kernel_size: 5, stride: 2, padding: same")
    (here / "small.yaml").write_text(padded, encoding="utf-8")
    _, source, _ = run(capfd, "--stdout")
    assert "\n\n\nfrom lab import Conv2dSame\n\n\nclass Small" in source


def test_templates_are_what_files_are_compared_with(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(here, "module.py.jinja", HEADER)
    assert run(capfd)[0] == 0
    assert run(capfd, "--check")[0] == 0
    put(here, "module.py.jinja", HEADER.replace("laboratory", "institute"))
    code, shown, _ = run(capfd, "--check")
    assert code == 1
    assert "    +# Copyright of the institute." in shown


FAULTS = {
    "syntax": ("module.py.jinja", "\n{% for x in %}\n", ":2: Expected an expression"),
    "undefined": ("module.py.jinja", "\n\n{{ licence }}\n", ":3: 'licence' is undefined"),
    "undefined attribute": (
        "class.py.jinja",
        "class {{ class.name }}:\n    {{ class.nme }}\n",
        ":2: 'dict object' has no attribute 'nme'",
    ),
    "in a template that is not used": ("helpers/RBF.py.jinja", "{{ (", ":1: "),
    "missing": ("module.py.jinja", '\n{% include "header" %}', ":2: there is no template 'header'"),
    "a filter that is not there": ("module.py.jinja", "{{ docstring | shout }}", ":1: No filter"),
    "wrong types": ("module.py.jinja", '\n{{ "a" + 1 }}', ":2: can only concatenate str"),
    "a reach out of the sandbox": (
        "module.py.jinja",
        "\n{{ docstring.__class__.__mro__ }}",
        ":2: access to attribute '__class__' of 'str' object is unsafe",
    ),
    "a change of what is given": (
        "module.py.jinja",
        "{% if classes.append(1) %}{% endif %}",
        ":1: access to attribute 'append' of 'list' object is unsafe",
    ),
    "without end": (
        "function.py.jinja",
        '{% include "function.py.jinja" %}',
        ":1: templates include one another without end",
    ),
    "no text": ("module.py.jinja", '{{ "\\ud800" }}', ": 'utf-8' codec can't encode"),
}


@pytest.mark.parametrize(("name", "text", "problem"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_with_its_file_and_line(
    name: str, text: str, problem: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(here, name, text)
    code, shown, told = run(capfd)
    assert (code, shown) == (2, "")
    place = "mine" if name == "module.py.jinja" and "codec" in problem else f"mine/{name}"
    assert told.startswith(f"error: {place}{problem}"), told
    assert told.count("\n") == 1
    assert names_in(here) == ["mine", "small.yaml"]


def test_a_file_that_is_no_text(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "mine" / "module.py.jinja").write_bytes(b"# caf\xe9\n")
    code, _, told = run(capfd)
    assert code == 2
    assert told == "error: mine/module.py.jinja: it is no text in UTF-8\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--templates", "nowhere"], "nowhere: there is no such folder of templates"),
        ([], "mine: it holds no template that is used: class.py.jinja, function.py.jinja, module"),
    ],
    ids=["no folder", "nothing of use"],
)
def test_a_folder_that_changes_nothing(
    arguments: list[str], problem: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(here, "modul.py.jinja", HEADER)
    code, _, told = run(capfd, *arguments)
    assert code == 2
    assert problem in told


def test_nothing_is_written_of_any_spec_where_a_template_fails(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(here, "module.py.jinja", '{% if functions %}{{ licence }}{% endif %}{{ "" }}')
    family = SMALL.replace("vars:", "variants: {a: {num_classes: 2}, b: {}}\nvars:")
    (here / "two.yaml").write_text(family, encoding="utf-8")
    code, shown, told = run(capfd, "two.yaml")
    assert (code, shown) == (2, "")
    assert told == "error: mine/module.py.jinja:1: 'licence' is undefined\n"
    assert names_in(here) == ["mine", "small.yaml", "two.yaml"]
