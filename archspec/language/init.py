"""How parameters begin: the grammar of `init`, and the schemes there are."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from archspec.diagnostics import SpecPath
from archspec.diagnostics.language import InvalidValue, MissingKey, UnknownKey, WrongType
from archspec.diagnostics.terms import suggest_scheme
from archspec.diagnostics.wording import describe, suggest
from archspec.language.source import Data

if TYPE_CHECKING:
    from archspec.language.rows import RowParser


class Option(NamedTuple):
    """An option of a scheme: a number, of at least `least` or above `above`, or one of `words`."""

    words: tuple[str, ...] = ()
    least: float | None = None
    above: float | None = None
    required: bool = False


class Scheme(NamedTuple):
    """How one parameter begins: `name` is that of `torch.nn.init`, without its underscore.

    `options` are those that are given: as written in a spec, evaluated in a network.
    """

    name: str
    options: Mapping[str, Data]
    at: SpecPath = ()


Schemes = Mapping[str, Scheme]
"""Schemes by the name of the parameter, as in PyTorch's `state_dict`."""

_NUMBER = Option()
_SPREAD = Option(least=0)
_KAIMING = {
    "a": _NUMBER,
    "mode": Option(words=("fan_in", "fan_out")),
    "nonlinearity": Option(words=("linear", "relu", "leaky_relu", "selu", "sigmoid", "tanh")),
}
_XAVIER = {"gain": _SPREAD}

SCHEMES: Mapping[str, Mapping[str, Option]] = {
    "zeros": {},
    "ones": {},
    "constant": {"value": Option(required=True)},
    "normal": {"mean": _NUMBER, "std": _SPREAD},
    "uniform": {"a": _NUMBER, "b": _NUMBER},
    "trunc_normal": {"mean": _NUMBER, "std": Option(above=0), "a": _NUMBER, "b": _NUMBER},
    "kaiming_normal": _KAIMING,
    "kaiming_uniform": _KAIMING,
    "xavier_normal": _XAVIER,
    "xavier_uniform": _XAVIER,
}
"""Every scheme with its options; those that are left out have PyTorch's defaults."""


RANGES: Mapping[str, tuple[float, float]] = {"uniform": (0, 1), "trunc_normal": (-2, 2)}
"""The schemes with a range from `a` to `b`, and PyTorch's defaults of the two."""

WITH_FANS = frozenset({"kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform"})
"""The schemes that go by a weight's fan-in and fan-out, for which it has two dimensions or more."""


def read_defaults(
    parser: "RowParser", data: Mapping[str, Data], at: SpecPath
) -> dict[str, Schemes]:
    """A spec's `init`: schemes by op, then by parameter."""
    read = ((op, read_schemes(parser, written, (*at, op))) for op, written in data.items())
    return {op: schemes for op, schemes in read if schemes is not None}


def read_schemes(parser: "RowParser", data: Data, at: SpecPath) -> Schemes | None:
    """The schemes of one op or row by parameter, None where none are given; faults collected."""
    if data is None:
        return None
    if not isinstance(data, dict):
        wanted = "a mapping of parameters to schemes, such as `{weight: zeros}`"
        parser.fault(WrongType, at, what="`init`", wanted=wanted, found=describe(data))
        return None
    return dict(_schemes(parser, data, at))


def _schemes(
    parser: "RowParser", data: Mapping[str, Data], at: SpecPath
) -> Iterator[tuple[str, Scheme]]:
    for parameter, written in data.items():
        where = (*at, parameter)
        wanted = "a scheme, such as `zeros` or `{normal: {std: 0.01}}`"
        options: Data = {}
        if isinstance(written, str):
            name, inner = written, where
        elif isinstance(written, dict) and len(written) == 1:
            name, found = next(iter(written.items()))
            inner = (*where, name)
            options = found or {}
            if isinstance(found, str) and name not in SCHEMES:
                ours = found if found in SCHEMES else "kaiming_normal"
                help_, problem = f"write `{parameter}: {ours}`", f"there is no scheme `{name[:60]}`"
                parser.fault(InvalidValue, inner, on_key=True, problem=problem, help=help_)
                continue
            if not parser.typed(options, dict, inner, f"what `{name}` is given"):
                continue
        else:
            found = "several" if isinstance(written, dict) and written else describe(written)
            parser.fault(WrongType, where, what=f"`{parameter}`", wanted=wanted, found=found)
            continue
        scheme = _scheme(parser, name, options, inner, on_key=inner != where)
        if scheme is not None:
            yield parameter, scheme


def _scheme(
    parser: "RowParser", name: str, options: Mapping[str, Data], at: SpecPath, *, on_key: bool
) -> Scheme | None:
    known = SCHEMES.get(name)
    if known is None:
        help_, problem = suggest_scheme(name, SCHEMES), f"there is no scheme `{name[:60]}`"
        parser.fault(InvalidValue, at, on_key=on_key, problem=problem, help=help_)
        return None
    for option in options:
        if option not in known:
            help_ = suggest(option, known) or "it takes no options"
            where = (*at, option)
            parser.fault(UnknownKey, where, on_key=True, owner=name, key=option, help=help_)
    for option, form in known.items():
        if form.required and options.get(option) is None:
            help_ = f"write `{{{name}: {{{option}: 0.5}}}}`"
            parser.fault(MissingKey, at, on_key=on_key, owner=name, key=option, help=help_)
    given = {key: value for key, value in options.items() if key in known and value is not None}
    return Scheme(name, given, at)


def problem_with(option: str, form: Option, value: object) -> str | None:
    """Why an option cannot have that (evaluated) value, None when it can."""
    if form.words:
        words = ", ".join(form.words)
        return None if value in form.words else f"{option} is one of {words}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{option} is a number"
    if form.least is not None and value < form.least:
        return f"{option} is at least {form.least:g}, not {value:g}"
    if form.above is not None and value <= form.above:
        return f"{option} is above {form.above:g}, not {value:g}"
    return None
