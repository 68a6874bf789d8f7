"""Where specs are found, and how their text is read."""

from pathlib import Path
from typing import NamedTuple

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.wording import suggest
from archspec.language.model import Spec
from archspec.language.parse import parse
from archspec.language.source import MAX_BYTES, Document, read
from archspec.resources import folder

SUFFIXES = (".yaml", ".yml")


class SpecNotFound(Exception):
    """No readable spec has that name; the message says what there is."""


class SpecFile(NamedTuple):
    """A spec that exists: its short name, its file, and the variant in it, if any."""

    name: str
    file: Path
    variant: str | None = None

    @property
    def shown(self) -> str:
        """The file as a person would type it: relative where it lies below here."""
        try:
            return self.file.resolve().relative_to(Path.cwd()).as_posix()
        except (ValueError, OSError):
            return self.file.as_posix()


class Loaded(NamedTuple):
    """A spec as written, its document (for positions), and every fault met so far."""

    document: Document
    spec: Spec | None
    faults: tuple[Diagnostic, ...]
    variant: str | None = None


def spec_folders() -> tuple[Path, ...]:
    """Where names are looked up: `specs/` here, then the specs that come with archspec."""
    here, packaged = Path("specs"), folder("specs")
    if here.is_dir() and here.resolve() != packaged.resolve():
        return here, packaged
    return (packaged,)


def list_specs() -> tuple[SpecFile, ...]:
    """Every spec that can be named, by name; a spec here hides a packaged one of that name."""
    found: dict[str, SpecFile] = {}
    for place in spec_folders():
        for file in sorted(place.glob("*")):
            if file.suffix in SUFFIXES and file.is_file():
                found.setdefault(file.stem, SpecFile(file.stem, file))
    return tuple(found[name] for name in sorted(found))


def find(name: str | Path) -> SpecFile:
    """The spec of a name (`alexnet`) or a path; raises `SpecNotFound`, with a suggestion.

    A bare word is a name first, so that a folder called `alexnet` here does not hide the spec.
    """
    path = Path(name)
    bare = len(path.parts) == 1 and path.suffix not in SUFFIXES
    specs = {spec.name: spec for spec in list_specs()} if bare else {}
    if str(name) in specs:
        return specs[str(name)]
    try:
        exists, is_folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):  # longer than any file's name, or with a NUL in it
        exists, is_folder = False, False
    if exists:
        return SpecFile(path.stem, path)
    if is_folder:
        inside = f"{path}/alexnet.yaml"
        raise SpecNotFound(f"{path} is a folder; name the spec in it, for example {inside}")
    if not bare:
        raise SpecNotFound(f"there is no file {path}")
    raise SpecNotFound(f"there is no spec `{name}`; {suggest(str(name), specs)}")


def read_text(file: Path) -> str:
    """A file's text; raises `SpecNotFound` when it cannot be read as UTF-8 text."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecNotFound(f"{file} cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(data) > MAX_BYTES:
            return data.decode("utf-8-sig", errors="replace")  # refused for its size, with a place
        line = data[: error.start].count(b"\n") + 1
        raise SpecNotFound(f"{file} is not a text in UTF-8 (line {line})") from None


def load(name: str | Path) -> tuple[SpecFile, Loaded]:
    """Find and read a spec; raises `SpecNotFound` where there is nothing to read."""
    found = find(name)
    return found, load_text(read_text(found.file), found.shown)


def load_text(text: str, file: str = "<text>") -> Loaded:
    """Read a spec from its text; `file` is what messages call it."""
    document = read(text, file)
    spec, faults = parse(document)
    return Loaded(document, spec, tuple(faults))
