"""The wheel and the editable checkout both work from an empty directory, each in a fresh venv."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("packaging")  # one process builds, once

DATA_FOLDERS = ("recipes", "specs", "templates")


@dataclass(frozen=True)
class Installed:
    """archspec in a virtual environment that sees this one's libraries, but not its archspec."""

    scripts: Path
    empty: Path

    def run(self, program: str, *args: str) -> str:
        """Run an installed program in an empty directory; its standard output."""
        done = subprocess.run(
            [self.scripts / program, *args],
            cwd=self.empty,
            env={**os.environ, "COLUMNS": "80"},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout

    def folder(self, name: str) -> Path:
        """Where the installed package finds its data folder `name`."""
        code = f"from archspec.resources import folder; print(folder({name!r}))"
        return Path(self.run("python", "-c", code).strip())


def install(folder: Path, *arguments: str | Path) -> Installed:
    """A fresh venv in `folder` with what pip makes of `arguments`, without network."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    base = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    packages = Path(sysconfig.get_path("purelib", vars=base))
    # A folder named in a .pth is searched, but the .pth files in it are not read: the editable
    # archspec of the environment that runs the tests stays out of sight.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install", "-q"]
    subprocess.run([*pip, *offline, *arguments], check=True)
    (folder / "empty").mkdir()
    return Installed(scripts, folder / "empty")


@pytest.fixture(scope="module")
def distributions(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, root],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def from_wheel(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    (wheel,) = distributions.glob("*.whl")
    return install(tmp_path_factory.mktemp("wheel"), wheel)


@pytest.fixture(scope="module")
def from_checkout(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("editable"), "--editable", root)


@pytest.fixture(params=["from_wheel", "from_checkout"])
def installed(request: pytest.FixtureRequest) -> Installed:
    either: Installed = request.getfixturevalue(request.param)
    return either


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(
    root: Path, distributions: Path
) -> None:
    (wheel,) = distributions.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"{prefix}{path.relative_to(root).as_posix()}"
        for folder, prefix in (("archspec", ""), *((name, "archspec/") for name in DATA_FOLDERS))
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "archspec/py.typed" in names


def test_the_sdist_holds_the_sources_and_no_leftovers(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        top = {name.split("/")[1] for name in archive.getnames()}
    assert {"archspec", *DATA_FOLDERS, "tests", "dev.py", "constraints.txt"} <= top
    assert not top & {".venv", "runs", ".git", ".mypy_cache", ".pytest_cache"}


@pytest.mark.parametrize("name", DATA_FOLDERS)
def test_a_wheel_finds_its_data_in_itself(from_wheel: Installed, root: Path, name: str) -> None:
    found = from_wheel.folder(name)
    assert found.is_dir()
    assert found.parts[-3:] == ("site-packages", "archspec", name)
    assert not found.is_relative_to(root)


@pytest.mark.parametrize("name", DATA_FOLDERS)
def test_a_checkout_finds_its_data_beside_the_package(
    from_checkout: Installed, root: Path, name: str
) -> None:
    assert from_checkout.folder(name) == root / name


def test_list_names_the_specs(installed: Installed, root: Path) -> None:
    listed = installed.run("archspec", "list")
    for spec in (root / "specs").glob("*.yaml"):
        assert spec.stem in listed


def test_check_finds_a_spec_by_name(installed: Installed) -> None:
    assert "AlexNet" in installed.run("archspec", "check", "alexnet")


def test_a_recipe_is_found_by_its_name(installed: Installed) -> None:
    code = "from archspec.train.recipe_file import list_recipes, read_recipe; "
    printed = "print(*(read_recipe(name).name for name in list_recipes()))"
    names = installed.run("python", "-c", code + printed).split()
    assert {"tutorial", "alexnet2012"} <= set(names)


def test_gen_prints_a_module_that_compiles(installed: Installed) -> None:
    module = installed.run("archspec", "gen", "alexnet", "--target", "torch", "--stdout")
    compile(module, "alexnet.py", "exec")
    assert "class AlexNet(nn.Module):" in module
    assert not list(installed.empty.iterdir())


def test_the_package_tells_its_version(installed: Installed) -> None:
    assert installed.run("archspec", "--version") == installed.run(
        "python", "-m", "archspec", "--version"
    )
