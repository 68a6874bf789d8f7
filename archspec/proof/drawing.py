"""How a constructor's tensors begin: what is drawn is noted and not drawn, all else is done."""

from contextlib import ExitStack
from math import nan
from typing import Any, NamedTuple, Self
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

ATEN = torch.ops.aten
Part = tuple[Any, ...]
WHOLE: Part = ()
"""The part of a tensor's memory that is all of it; others say where they lie in it."""
MOST_UNMADE = 2**20
"""Larger ones are weights, which are drawn: to touch their memory takes time."""


class Act(NamedTuple):
    """One thing that was done in place: what, and with which numbers."""

    name: str
    options: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        given = ", ".join(f"{k}={v:g}" if isinstance(v, float) else k for k, v in self.options)
        return f"{self.name}({given})"


Acts = dict[Part, list[Act]]
"""By part: what was done to it, from the last draw on."""


class Drawing(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Notes every random draw into a tensor, and what is done in place to numbers that are drawn.

    Neither is done: drawing costs seconds, and two draws show no distribution. Everything else is
    done, so that a tensor that is not `drawn` holds its numbers. Whatever way a draw is written,
    as `nn.init` or a method, it is the same act.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self._acts: dict[int, Acts] = {}
        self._memory: list[torch.UntypedStorage] = []  # kept, so that no other takes its place
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        # It tries draws again until all fit, which without drawing may be for ever.
        truncated = mock.patch.object(nn.init, "_no_grad_trunc_normal_", self._draw_truncated)
        self._stack.enter_context(truncated)
        super().__enter__()  # type: ignore[no-untyped-call]  # torch's own
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]  # torch's own
        self._stack.close()

    def drawn(self, tensor: Tensor) -> Acts | None:
        """How a tensor's numbers are drawn; None where they are what it holds."""
        return self._acts.get(_memory_of(tensor))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS:
            self._note(args[0], _act(func, args, kwargs), afresh=True)
            return args[0]
        if func is ATEN.clone.default:
            copy = func(*args, **kwargs)
            self._copy(copy, args[0])
            return copy
        if func in _EMPTY:
            return _unmade(func(*args, **kwargs))
        if not _is_in_place(func, args):
            return func(*args, **kwargs)
        overwrites = func in _OVERWRITES and _part_of(args[0]) == WHOLE
        if self.drawn(args[0]) is not None and not overwrites:
            self._note(args[0], _act(func, args, kwargs))
            return args[0]
        self._acts.pop(_memory_of(args[0]), None)
        if func is ATEN.copy_.default:
            self._copy(args[0], args[1])
        return func(*args, **kwargs)

    def _draw_truncated(
        self, tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any = None
    ) -> Tensor:
        del generator
        numbers = {"mean": mean, "std": std, "a": a, "b": b}
        options = tuple((name, float(number)) for name, number in numbers.items())
        self._note(tensor, Act("trunc_normal", options), afresh=True)
        return tensor

    def _note(self, tensor: Tensor, act: Act, *, afresh: bool = False) -> None:
        key, part = _memory_of(tensor), _part_of(tensor)
        if key not in self._acts:
            self._memory.append(tensor.untyped_storage())
        if afresh and part == WHOLE:
            self._acts[key] = {}
        acts = self._acts.setdefault(key, {})
        acts[part] = [act] if afresh else [*acts.get(part, ()), act]

    def _copy(self, target: Tensor, source: Tensor) -> None:
        """What is copied from drawn numbers is drawn as they are."""
        acts = self.drawn(source)
        if acts is not None:
            self._memory.append(target.untyped_storage())
            self._acts[_memory_of(target)] = {part: [*done] for part, done in acts.items()}


_DRAWS = frozenset({ATEN.normal_.default, ATEN.uniform_.default})
_EMPTY = frozenset({ATEN.empty.memory_format, ATEN.empty_like.default, ATEN.new_empty.default})
_OVERWRITES = frozenset(
    {ATEN.copy_.default, ATEN.fill_.Scalar, ATEN.fill_.Tensor, ATEN.zero_.default}
)


def _unmade(tensor: Tensor) -> Tensor:
    """A tensor that nothing was put into yet: what lies in memory could pass for zeros."""
    small = tensor.is_floating_point() and tensor.numel() <= MOST_UNMADE
    return tensor.fill_(nan) if small else tensor


def _memory_of(tensor: Tensor) -> int:
    memory: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - the one name that it has
    return memory


def _part_of(tensor: Tensor) -> Part:
    if tensor.numel() * tensor.itemsize == tensor.untyped_storage().nbytes():
        return WHOLE
    return (tensor.storage_offset(), tuple(tensor.shape), tensor.stride())


def _is_in_place(func: Any, args: Any) -> bool:
    taken = func._schema.arguments  # noqa: SLF001 - all that says what an operation writes to
    written = bool(taken) and taken[0].alias_info is not None and taken[0].alias_info.is_write
    return written and bool(args) and isinstance(args[0], Tensor)


def _act(func: Any, args: Any, kwargs: dict[str, Any]) -> Act:
    """What is done, with all numbers by their names, those that are left out as well."""
    schema = func._schema  # noqa: SLF001 - as above
    given = dict(zip((argument.name for argument in schema.arguments), args, strict=False))
    options = []
    for argument in schema.arguments[1:]:
        value = {**given, **kwargs}.get(argument.name, argument.default_value)
        if argument.name != "generator":
            is_number = isinstance(value, int | float)
            options.append((argument.name, float(value) if is_number else repr(type(value))))
    return Act(schema.name.partition("::")[2].rstrip("_"), tuple(options))
