"""The templates that lay out a module: ours, or somebody's own where there are any.

Somebody's own are found first and may include ours as `archspec/NAME`. They see texts and lists of
texts, in Jinja's sandbox, so that a template of a stranger reads nothing and runs nothing.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.resources import folder
from archspec.targets.base import TemplateFault

if TYPE_CHECKING:
    from traceback import FrameSummary

    from jinja2 import Environment

PAGE = "module.py.jinja"
OURS = "archspec"
"""What stands before the name of a template that is ours, whoever else has one of that name."""


def lay_out(page: Mapping[str, object], own: Path | None = None) -> str:
    """The text of a module. Raises `TemplateFault` where one of somebody's own is faulty."""
    if own is None:
        return _tidy(_environment(None).get_template(PAGE).render(page))
    names = _replaced(own)
    state = tuple((own / name).stat().st_mtime_ns for name in names)
    try:
        environment = _environment(own, own.absolute(), names, state)
        for name in names:  # a fault is told in those that are not used, too
            _require_text(own / name)
            environment.get_template(name)
        text = _tidy(environment.get_template(PAGE).render(page))
        text.encode()
    except TemplateFault:
        raise
    except Exception as error:  # noqa: BLE001 - a template may raise whatever Python can
        raise _located(error, own) from None
    return text


def _tidy(text: str) -> str:
    return text.rstrip("\n") + "\n"


@cache
def _environment(own: Path | None, *_: object) -> "Environment":
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    ours = FileSystemLoader(folder("templates") / "torch")
    found = [PrefixLoader({OURS: ours}), ours]
    make = Environment if own is None else ImmutableSandboxedEnvironment
    return make(
        loader=ours if own is None else ChoiceLoader([FileSystemLoader(own), *found]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=own is not None,
        autoescape=False,
    )


# --- somebody's own -------------------------------------------------------------------------------


def _replaced(own: Path) -> tuple[str, ...]:
    """The templates of ours that a folder has its own of; raises `TemplateFault` for none."""
    if not own.is_dir():
        raise TemplateFault(own, 0, "there is no such folder of templates")
    place = folder("templates") / "torch"
    known = sorted(file.relative_to(place).as_posix() for file in place.rglob("*.jinja"))
    found = tuple(name for name in known if (own / name).is_file())
    if not found:
        kinds = ", ".join(name for name in known if "/" not in name)
        raise TemplateFault(own, 0, f"it holds no template that is used: {kinds}, helpers/…")
    return found


def _require_text(file: Path) -> None:
    try:
        file.read_bytes().decode()
    except UnicodeDecodeError:
        raise TemplateFault(file, 0, "it is no text in UTF-8") from None
    except OSError as error:
        raise TemplateFault(file, 0, f"it cannot be read: {error.strerror}") from None


def _located(error: Exception, own: Path) -> TemplateFault:
    """What a template raised, with its file and line."""
    from traceback import extract_tb

    from jinja2 import TemplateNotFound, TemplateSyntaxError

    if isinstance(error, TemplateSyntaxError):
        file = Path(error.filename) if error.filename else own
        return TemplateFault(file, error.lineno, error.message or "it cannot be read")
    frames = [frame for frame in extract_tb(error.__traceback__) if _is_template(frame)]
    problem = str(error) or type(error).__name__
    if isinstance(error, TemplateNotFound):
        problem = f"there is no template {error.name!r}"
    elif isinstance(error, RecursionError):
        problem = "templates include one another without end"
    if not frames:
        named = getattr(error, "filename", None)
        return TemplateFault(Path(named) if named else own, 0, problem)
    return TemplateFault(Path(frames[-1].filename), frames[-1].lineno or 0, problem)


def _is_template(frame: "FrameSummary") -> bool:
    return frame.filename.endswith(".jinja")
