"""What other tools call the ways in which parameters begin, and what is claimed of a network."""

from collections.abc import Iterable, Mapping
from functools import cache

from archspec.diagnostics.foreign import by_word, plain_of
from archspec.diagnostics.notation import as_number, half_of
from archspec.diagnostics.wording import did_you_mean, is_list, suggest

_SCHEMES: Mapping[str, str] = {
    "kaiming_normal": "he henormal kaiming msra msrafill",
    "kaiming_uniform": "heuniform msrauniform",
    "xavier_normal": "glorotnormal",
    "xavier_uniform": "glorot glorotuniform xavier xavierfill",
    "trunc_normal": "truncatednormal truncnormal",
    "normal": "gaussian randomnormal randn",
    "uniform": "randomuniform rand",
    "zeros": "zero",
    "ones": "one",
    "constant": "const fill constantfill",
    "{kaiming_normal: {nonlinearity: linear}}": "lecun lecunnormal",
    "{kaiming_uniform: {nonlinearity: linear}}": "lecununiform",
}
"""Ways in which parameters begin; Caffe's and Keras' Xavier is the uniform one."""
_METRICS: Mapping[str, str] = {
    "params": "parameters paramcount totalparams numparameters nparams weights",
    "macs": "multadds madds multiplyadds maccs nummacs",
    "output": "shape outputshape outputsize outshape",
    "receptive_field": "rf receptivefieldsize",
    "weighted_layers": "layers depth",
}


_FLOPS = {"flops": 0, "flop": 0, "numflops": 0, "mflops": 6, "gflops": 9}
"""What counts multiplications and additions apart, and the power of ten that it counts in."""


@cache
def _schemes() -> dict[str, str]:
    return by_word(_SCHEMES)


@cache
def _metrics() -> dict[str, str]:
    return by_word(_METRICS)


def suggest_scheme(word: str, known: Iterable[str]) -> str:
    """Help for a word that is no way in which parameters begin."""
    known = list(known)
    plain = plain_of(word.removesuffix("_"))
    ours = next((name for name in known if plain_of(name) == plain), _schemes().get(plain))
    if ours is None:
        close = suggest(word, [name for name in known if name not in ("normal", "uniform")])
        return suggest(word, known) if is_list(close) else close
    return did_you_mean(ours)


def suggest_metric(word: str, known: Iterable[str], value: object = None) -> str:
    """Help for a word that is nothing that can be claimed."""
    plain = plain_of(word)
    if plain in _FLOPS:
        text = as_number(value) if isinstance(value, str) else str(value)
        half = half_of(text, _FLOPS[plain])
        return f"`macs` counts a multiplication and its addition as one, half of it: `macs: {half}`"
    return did_you_mean(_metrics()[plain]) if plain in _metrics() else suggest(word, known)
