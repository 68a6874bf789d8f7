"""What can go wrong with a spec that `check` accepts, and what makes two faults the same."""

import re
from typing import NamedTuple

KINDS = (
    "crash in check",
    "crash in a report",
    "crash in gen",
    "refused",
    "no reason",
    "not the same twice",
    "does not parse",
    "does not import",
    "cannot be built",
    "state differs",
    "init differs",
    "cannot be run",
    "cannot be differentiated",
    "input overwritten",
    "output differs",
    "gradient differs",
    "statistics differ",
    "macs differ",
    "field differs",
    "meaning differs",
    "not interpreted",
    "not proven",
    "slow",
    "process lost",
)


class Failure(NamedTuple):
    """One thing that is wrong: its kind, and what was said; `where` is the member it is about."""

    kind: str
    message: str
    where: str = ""

    @property
    def signature(self) -> str:
        """Kind and message, without what differs from one spec to the next."""
        other = " (at another value of an argument)" if "(" in self.where else ""
        return f"{self.kind}: {normalised(self.message)}{other}"


def told(error: BaseException) -> str:
    """An exception in one line."""
    first = (str(error).strip().split("\n") or [""])[0][:200]
    return f"{type(error).__name__}: {first}"


_QUOTED = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"")
_SIZES = re.compile(r"\[[-\d, ]*\]|\([-\d, ]*\)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
_NAME = re.compile(r"\b(\w*_\w*\d+\w*|[A-Z]\w*\d\w*)\b")


def normalised(message: str) -> str:
    """A message's first line with names and numbers struck out."""
    line = message.strip().split("\n")[0][:300]
    line = _QUOTED.sub("…", line)
    line = _SIZES.sub("…", line)
    line = _NAME.sub("…", line)
    return re.sub(r"(#[×, #]*)+", "# ", _NUMBER.sub("#", line)).strip()
