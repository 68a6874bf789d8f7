"""Recipes as text: found by name, read with places for faults, changed by `--set`, written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from archspec.diagnostics.wording import suggest
from archspec.language import source
from archspec.language.loader import SpecNotFound, read_text
from archspec.resources import folder
from archspec.train.errors import TrainError
from archspec.train.recipe import NO_AUGMENT, Recipe

VERSION = 1
SUFFIX = ".yaml"
DEFAULT = "tutorial"
MAX_SHOWN = 10

# What a plain value stands for where a section may stand: `schedule: cosine`, `early_stopping: 5`.
SHORT_FOR = {
    "optimizer": "name",
    "schedule": "name",
    "crop": "name",
    "test": "name",
    "early_stopping": "patience",
}

Data = Any
Path_ = tuple[str | int, ...]


class Fault(NamedTuple):
    """Something wrong with a recipe: where in its data, and what."""

    path: Path_
    message: str
    on_key: bool = False


def recipe_folders() -> tuple[Path, ...]:
    """Where names are looked up: `recipes/` here, then the recipes that come with archspec."""
    here, packaged = Path("recipes"), folder("recipes")
    if here.is_dir() and here.resolve() != packaged.resolve():
        return here, packaged
    return (packaged,)


def list_recipes() -> dict[str, Path]:
    """Every recipe that can be named; one here hides a packaged one of that name."""
    found: dict[str, Path] = {}
    for place in recipe_folders():
        for file in sorted(place.glob(f"*{SUFFIX}")):
            found.setdefault(file.stem, file)
    return found


def find_recipe(name: str) -> Path:
    """The file of a recipe's name, or the file itself; raises TrainError with a suggestion."""
    if name.endswith((SUFFIX, ".yml")) or "/" in name:
        return Path(name)
    known = list_recipes()
    if name not in known:
        raise TrainError(f"there is no recipe `{name}`; {suggest(name, known)}", exit_code=2)
    return known[name]


def read_recipe(name: str, settings: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a name or a file, with the values at dotted names replaced by `settings`.

    Raises TrainError with a line for everything that is wrong: its place, and what would do.
    """
    file = find_recipe(name)
    try:
        text = read_text(file)
    except SpecNotFound as error:
        raise TrainError(str(error), exit_code=2) from error
    return parse_recipe(text, str(file), settings or {})


def parse_recipe(text: str, file: str, settings: Mapping[str, Any]) -> Recipe:
    """As `read_recipe`, of a text; `file` is what messages call it."""
    document = source.read(text, file)
    if document.faults:
        first = document.faults[0]
        at = first.at or document.locate(first.where)
        raise TrainError(f"{file}:{at.line}:{at.column}: {first.message}", exit_code=2)
    if not isinstance(document.data, dict):
        raise TrainError(f"{file}: a recipe is a mapping that begins with `recipe: {VERSION}`", 2)
    data = dict(document.data)
    version = data.pop("recipe", None)
    if version != VERSION:
        raise TrainError(f"{file}: not a recipe: it has to begin with `recipe: {VERSION}`", 2)
    recipe, faults = validate(expanded(data))
    if faults:
        lines = (_placed(fault, document) for fault in faults[:MAX_SHOWN])
        raise TrainError("\n".join(lines), exit_code=2)
    assert recipe is not None
    return changed(recipe, settings) if settings else recipe


def changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with `settings`, by dotted name (`optimizer.lr`); raises TrainError.

    Another `name` of a section keeps those of its values that the new kind has as well.
    """
    data = recipe.resolved()
    for dotted, value in settings.items():
        _put(data, tuple(dotted.split(".")), value)
        data = expanded(data)  # what comes next may go into what this one stands for
    result, faults = validate(data, given=settings)
    if faults:
        said = (f"--set {_dotted(fault.path)}: {fault.message}" for fault in faults[:MAX_SHOWN])
        raise TrainError("\n".join(said), exit_code=2)
    assert result is not None
    return result


def is_setting(name: str) -> bool:
    """Whether a name is a recipe's: `epochs`, or anything dotted."""
    return "." in name or name in Recipe.model_fields


def dotted_names() -> list[str]:
    """The names that `--set` takes of a recipe, `optimizer.lr` among them."""
    return list(_flat(Recipe().resolved()))


def _flat(data: Mapping[str, Any]) -> Iterator[str]:
    for name, value in data.items():
        yield name
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in _flat(value))


def expanded(data: Data) -> Data:
    """The data with plain values where a section may stand written out."""
    if not isinstance(data, dict):
        return data
    written = {}
    for key, value in data.items():
        if key == "augment" and value == "none":
            written[key] = NO_AUGMENT.model_dump(mode="json")
        elif key in SHORT_FOR and isinstance(value, str | int):
            written[key] = {SHORT_FOR[key]: value}
        else:
            written[key] = expanded(value)
    return written


def validate(
    data: Data, given: Mapping[str, Any] | None = None
) -> tuple[Recipe | None, list[Fault]]:
    """The recipe that `data` stands for, or all that is wrong with it.

    With `given`, unknown values in a section whose name was given are those of its old kind:
    they are dropped.
    """
    try:
        return Recipe.model_validate(data), []
    except ValidationError as error:
        problems = [dict(problem) for problem in error.errors(include_url=False)]
    faults = _merged(_fault(problem, data) for problem in problems)
    stale = [fault.path for fault in faults if fault.on_key and _is_stale(fault.path, given or {})]
    if not stale:
        return None, faults
    for path in stale:
        _drop(data, path)
    return validate(data, given)


def _merged(faults: Iterable[Fault]) -> list[Fault]:
    """One fault a place: what a union refuses is told by each of its members."""
    merged: dict[Path_, Fault] = {}
    for fault in faults:
        first = merged.setdefault(fault.path, fault)
        if first is not fault:
            wanted, _, given = first.message.rpartition(", not ")
            other = fault.message.removeprefix("has to be ").rpartition(", not ")[0]
            merged[fault.path] = first._replace(message=f"{wanted} or {other}, not {given}")
    # A union that refuses a section says so of the whole as well.
    return [fault for path, fault in merged.items() if not _has_inner(path, merged)]


def _has_inner(path: Path_, paths: Iterable[Path_]) -> bool:
    return any(len(other) > len(path) and other[: len(path)] == path for other in paths)


def _is_stale(path: Path_, given: Mapping[str, Any]) -> bool:
    section, dotted = _dotted(path[:-1]), _dotted(path)
    renamed = f"{section}.name" in given or section in given
    return bool(section) and renamed and dotted not in given


def _put(data: Data, path: tuple[str, ...], value: Any) -> None:
    *outer, last = path
    for part in outer:
        below = data.get(part)
        if not isinstance(below, dict):
            data[part] = {}
        data = data[part]
    old = data.get(last)
    if last in SHORT_FOR and isinstance(old, dict) and isinstance(value, str):
        value = {**old, SHORT_FOR[last]: value}
    data[last] = value


def _drop(data: Data, path: Path_) -> None:
    *outer, last = path
    for part in outer:
        data = data[part]
    data.pop(last, None)


def _placed(fault: Fault, document: source.Document) -> str:
    at = document.locate(fault.path, on_key=fault.on_key)
    name = f"{_dotted(fault.path)}: " if fault.path else ""
    return f"{document.file}:{at.line}:{at.column}: {name}{fault.message}"


def _dotted(path: Iterable[str | int]) -> str:
    return ".".join(map(str, path))


# --- what pydantic found, in our words ------------------------------------------------------------


def _fault(problem: dict[str, Any], data: Data) -> Fault:
    kind, context = problem["type"], problem.get("ctx", {})
    path = _path_in(problem["loc"], data, is_missing=kind == "missing")
    if kind == "extra_forbidden":
        known = _keys_at(path[:-1], data)
        return Fault(path, f"there is no such key; {suggest(str(path[-1]), known)}", on_key=True)
    if kind == "missing":
        return Fault(path, "is missing")
    if kind == "union_tag_invalid":
        known = [name.strip(" '") for name in context["expected_tags"].split(",")]
        return Fault((*path, "name"), f"unknown; {suggest(str(context['tag']), known)}")
    if kind == "union_tag_not_found":
        return Fault(path, "needs a `name`, the kind that it is of")
    if kind == "value_error":
        return Fault(path, str(context["error"]))
    text = str(problem["msg"]).replace("Input should be ", "has to be ")
    return Fault(path, f"{text}, not {_shown(problem['input'])}")


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else yaml.safe_dump(value).strip()
    return text.removesuffix("...").strip().partition("\n")[0][:60]


def _path_in(loc: Sequence[str | int], data: Data, *, is_missing: bool) -> Path_:
    """Pydantic's location without the names of kinds and union members, which no text has."""
    path: list[str | int] = []
    for part in loc:
        inside = isinstance(data, dict) and part in data
        if inside or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            path.append(part)
            data = data[part]
    return (*path, loc[-1]) if is_missing else tuple(path)


def _keys_at(path: Path_, data: Data) -> list[str]:
    """The keys that the section at `path` may have."""
    model: type[BaseModel] = Recipe
    for part in path:
        data = data[part]
        model = _section(model.model_fields[str(part)], data)
    return list(model.model_fields)


def _section(field: FieldInfo, data: Data) -> type[BaseModel]:
    kinds = get_args(field.annotation) or (field.annotation,)
    sections = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
    named = [k for k in sections if data.get("name") in _names(k)]
    return (named or sections)[0]


def _names(section: type[BaseModel]) -> tuple[Any, ...]:
    field = section.model_fields.get("name")
    return get_args(field.annotation) if field else ()


# --- written --------------------------------------------------------------------------------------


def as_yaml(recipe: Recipe) -> str:
    """The recipe as a file that `read_recipe` reads back: every value, a section a line."""
    data = {"recipe": VERSION, **recipe.resolved()}
    return "".join(f"{key}: {_in_flow(value)}\n" for key, value in data.items())


def _in_flow(value: Any) -> str:
    text: str = yaml.safe_dump(
        value, sort_keys=False, default_flow_style=True, width=10**6, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")
