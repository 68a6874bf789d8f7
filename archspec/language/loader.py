"""Where specs are found, and how their text is read."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.wording import suggest
from archspec.language.model import Spec
from archspec.language.parse import parse
from archspec.language.source import MAX_BYTES, Document, read
from archspec.resources import folder

SUFFIXES = (".yaml", ".yml")
_VARIANTS = re.compile(
    r"^variants:[ \t]*(?:#.*)?\n(?P<body>(?:[ \t]+.*\n?|#.*\n?|[ \t]*\n)*)", re.MULTILINE
)
_VARIANT = re.compile(r"^( +)([A-Za-z_]\w*):", re.MULTILINE)


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
    """Every spec file that can be named, by name; one here hides a packaged one of that name."""
    found: dict[str, SpecFile] = {}
    for place in spec_folders():
        for file in sorted(place.glob("*")):
            if file.suffix in SUFFIXES and file.is_file():
                found.setdefault(file.stem, SpecFile(file.stem, file))
    return tuple(found[name] for name in sorted(found))


def find(name: str | Path) -> SpecFile:
    """The spec of a name or a path; raises `SpecNotFound`, with a suggestion.

    `alexnet`, `resnet50` (a variant), `resnet:resnet50`, `specs/resnet.yaml` and
    `specs/resnet.yaml:resnet50` are all names. A bare word is a name first, so that a folder
    called `alexnet` here does not hide the spec.
    """
    text, _, variant = str(name).rpartition(":")
    if text and variant.isidentifier() and not Path(name).is_file():
        return find(text)._replace(name=variant, variant=variant)
    path = Path(name)
    bare = len(path.parts) == 1 and path.suffix not in SUFFIXES
    specs = {spec.name: spec for spec in list_specs()} if bare else {}
    if str(name) in specs:
        return specs[str(name)]
    family = _family_of(str(name), specs.values())
    if family is not None:
        return family
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
    known = [*specs, *(v for spec in specs.values() for v in variants_of(spec.file))]
    raise SpecNotFound(f"there is no spec `{name}`; {suggest(str(name), known)}")


def _family_of(name: str, specs: Iterable[SpecFile]) -> SpecFile | None:
    """The spec file that has a variant of that name."""
    if not name.isidentifier():
        return None
    for spec in specs:
        if name in variants_of(spec.file):
            return SpecFile(name, spec.file, name)
    return None


def variants_of(file: Path) -> tuple[str, ...]:
    """The names of a file's variants, in its order, without reading all of it as a spec.

    Only the block form is recognised: `variants:` at the margin, each name on a line of its own.
    """
    try:
        text = read_text(file)
    except SpecNotFound:
        return ()
    section = _VARIANTS.search(text)
    if section is None:
        return ()
    names = _VARIANT.findall(section["body"])
    least = min((len(indent) for indent, _ in names), default=0)
    return tuple(name for indent, name in names if len(indent) == least)


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
    loaded = load_text(read_text(found.file), found.shown)
    if found.variant is None or loaded.spec is None:
        return found, loaded
    variant = loaded.spec.variants.get(found.variant)
    if variant is None:
        known = loaded.spec.variants
        help_ = suggest(found.variant, known) if known else "it has no `variants`"
        raise SpecNotFound(f"{found.shown} has no variant `{found.variant}`; {help_}")
    return found, loaded._replace(spec=loaded.spec.of(variant), variant=variant.name)


def load_text(text: str, file: str = "<text>") -> Loaded:
    """Read a spec from its text; `file` is what messages call it."""
    document = read(text, file)
    spec, faults = parse(document)
    return Loaded(document, spec, tuple(faults))
