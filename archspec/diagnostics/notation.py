"""How other tools write numbers, lists and expressions, and how they are written here."""

import re

_LONGEST = 80
"""Characters of a text that are looked at."""
_GROUPED = re.compile(r"\d{1,3}(?:(?P<mark>[ ,'’\u00a0\u2009\u202f])\d{3})(?:(?P=mark)\d{3})*")
_SCALED = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgGbB])")
_POWERS = {"k": 3, "m": 6, "g": 9, "b": 9}
_EXACT = 10**9
"""Numbers below are written out."""
_TIMES = re.compile(r"[xX×]\s*(\d+)|(\d+)\s*[xX×]")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
_CHOICE = re.compile(r"([^?:]+)\?([^?:]+):([^?:]+)")
_CALL = re.compile(r"(?:\b(?:math|np|numpy|torch)\.)?\b_?(\w+)\(")
_FUNCTIONS = {
    "int": "floor(…)",
    "trunc": "floor(…)",
    "floor": "floor(…)",
    "ceil": "ceil(…)",
    "abs": "max(x, -x)",
    "sqrt": "x ** 0.5",
    "pow": "x ** y",
    "make_divisible": "make_divisible(…)",
    "_make_divisible": "make_divisible(…)",
}
"""Functions of Python, and what is written here in their place."""


def as_here(text: str) -> str:
    """Help for a text that is no expression here, and is one elsewhere; empty where there is none.

    It may be several numbers (`3x3`), one as it is printed (`1 792`, `25.6M`, `50%`), or an
    expression of another language (`2^5`, `d ? 8 : 16`, `int(x)`).
    """
    text = text.strip()[:_LONGEST]
    number = as_number(text)
    return f"write {number}" if number else as_list(text) or _as_expression(text)


def as_number(text: str) -> str:
    """A number as one would type it in YAML: `1 792` is 1792; empty where the text is none."""
    if _GROUPED.fullmatch(text):
        return re.sub(r"\D", "", text)
    if scaled := _SCALED.fullmatch(text):
        return f"{scaled[1]}e{_POWERS[scaled[2].lower()]}"
    if times := _TIMES.fullmatch(text):
        return times[1] or times[2]
    if percent := _PERCENT.fullmatch(text):
        return f"{float(percent[1]) / 100:.6g}"
    return ""


def half_of(number: str, power: int) -> str:
    """Half of a number times a power of ten, as one would type it; `…` where the text is none."""
    try:
        half = float(number) / 2
    except ValueError:
        return "…"
    if not power:
        written = str(int(half)) if half.is_integer() and half < _EXACT else f"{half:g}"
        return written.replace("e+0", "e").replace("e+", "e")
    return f"{half:g}e{power}"


def _as_expression(text: str) -> str:
    if choice := _CHOICE.fullmatch(text):
        condition, first, second = (part.strip() for part in choice.groups())
        return f"write `{first} if {condition} else {second}`"
    if "^" in text:
        return f"a power is `**`: write `{text.replace('^', '**')}`"
    for call in _CALL.finditer(text):
        ours = _FUNCTIONS.get(call[1], "")
        if ours and call[0] != f"{ours.partition('(')[0]}(":
            return f"`{call[0]}…)` is `{ours}` here"
    return ""


def as_list(text: str) -> str:
    """Help for several numbers that are written as elsewhere: `3x3`, or `(3, 3)`."""
    numbers = re.findall(r"\d+", text)
    if re.fullmatch(r"\s*\d+(?:\s*[x×X]\s*\d+)+\s*|\s*\(\s*\d+(?:\s*,\s*\d+)*\s*,?\s*\)?\s*", text):
        several = f"[{', '.join(numbers)}]"
        return f"write {numbers[0]} or {several}" if len(set(numbers)) == 1 else f"write {several}"
    return ""
