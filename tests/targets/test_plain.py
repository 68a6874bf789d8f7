"""The plain form: right for whatever `check` accepts, clean, and never needed in the zoo."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from archspec.api import check_text
from archspec.diagnostics import Fault
from archspec.language import loader
from archspec.targets.torch.run import load_module
from tests.cases.reader import CASES, unmark
from tests.fuzz import numbers
from tests.fuzz.structure import compare_beginnings, compare_state
from tests.targets.forms import Made, made, zoo

SPECS = [file.name for file in loader.list_specs()]
IN_NUMBERS = ("lenet5", "lenet5_1998", "nin_cifar10", "flower_net", "resnet_cifar")
"""Those that are small enough to be run, forward and backward, in double precision."""


@cache
def accepted() -> dict[str, str]:
    """Every spec among the cases, whole as it stands there, that `check` accepts."""
    found = {}
    for file in sorted(CASES.rglob("*.yaml")):
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))["cases"]:
            for number, text in enumerate(texts_of(case)):
                try:
                    checked = check_text(text)
                except Fault:  # that check itself fails is not the question here
                    continue
                if checked.ok and checked.network is not None and checked.network.nodes:
                    name = f"{file.parent.name}/{file.stem}/{case['case']}/{number}"
                    found[name.replace(" ", "_")] = text
    return found


def texts_of(case: dict[str, Any]) -> Iterator[str]:
    """The specs of a case: whole, or rows with something above them."""
    if isinstance(case.get("spec"), str):
        yield unmark(case["spec"])[0]
    if isinstance(case.get("rows"), str):
        rows = "\n".join(f"  {line}" for line in unmark(case["rows"])[0].splitlines())
        head = unmark(case.get("head") or "")[0]
        shape = case.get("input", [3, 8, 8])
        yield f"archspec: 1\nname: Net\ninput: {shape}\n{head}\nlayers:\n{rows}\n"
    if isinstance(case.get("row"), str):
        before = f"  - {case['behind']}\n" if "behind" in case else ""
        shape = case.get("input", [3, 8, 8])
        yield f"archspec: 1\nname: Net\ninput: {shape}\nlayers:\n{before}  - {case['row']}\n"


def assert_is_the_network(form: Made, *, runs: bool) -> None:
    """Each member's tensors; with `runs` its outputs, gradients and statistics as well."""
    module = load_module(form.text, form.members[0].name)
    for member, maker in zip(form.members, form.makers, strict=True):
        torch.manual_seed(0)
        with torch.device("cpu" if runs else "meta"):
            network = getattr(module, maker)()
        found = list(compare_state(member.network, network))
        if runs:
            found += compare_beginnings(member.network, network)
            found += numbers.compare(member.network, network)
        assert found == []


@pytest.mark.parametrize("spec", SPECS)
def test_no_network_of_the_zoo_needs_it(spec: str) -> None:
    assert zoo(spec).reason == ""


@pytest.mark.parametrize("spec", SPECS)
def test_the_zoo_in_plain_has_the_same_tensors(spec: str) -> None:
    assert_is_the_network(zoo(spec, plain=True), runs=False)


@pytest.mark.parametrize("spec", IN_NUMBERS)
def test_the_zoo_in_plain_computes_the_same(spec: str) -> None:
    form = zoo(spec, plain=True)
    assert_is_the_network(form._replace(members=form.members[:1]), runs=True)


def test_every_case_that_is_accepted_is_the_network_in_plain() -> None:
    wrong = {}
    for name, text in accepted().items():
        try:
            assert_is_the_network(made(check_text(text), plain=True), runs=True)
        except Exception as error:  # noqa: BLE001 - all that are wrong, not the first
            wrong[name] = str(error)
    assert wrong == {}
    assert len(accepted()) > 250


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def written(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the zoo in plain, and with the project's configuration."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "generated").mkdir()
    for name in ("pyproject.toml", "generated/ruff.toml"):
        (folder / name).write_bytes((root / name).read_bytes())
    for spec in SPECS:
        (folder / "generated" / f"{spec}.py").write_text(
            zoo(spec, plain=True).text, encoding="utf-8"
        )
    return folder


def test_the_formatter_changes_nothing(written: Path) -> None:
    assert not run(written, "ruff", "format", "--diff", "--no-cache", "generated")


def test_the_linter_finds_nothing(written: Path) -> None:
    assert not run(written, "ruff", "check", "--no-cache", "generated")


def test_the_type_checker_finds_nothing(written: Path, root: Path) -> None:
    """In its strict mode and without any configuration, as anybody might run it."""
    cache = root / ".mypy_cache" / "plain"
    samples = [f"generated/{spec}.py" for spec in ("lenet5", "googlenet", "resnet_cifar")]
    assert not run(written, "mypy", "--strict", "--config-file", "", "--cache-dir", cache, *samples)
