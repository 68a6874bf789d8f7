"""A generated module: read without running it, then made into a network."""

import ast
import inspect
import linecache
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from archspec.train.errors import TrainError

if TYPE_CHECKING:
    from torch import nn

CLASSES_ARGUMENT = "num_classes"


@dataclass(frozen=True)
class ModuleSource:
    """The text of a generated module, and what it says about its network.

    `input_shape` is (C, H, W); `kwargs` go to the class besides the number of classes.
    """

    name: str
    code: str
    class_name: str
    input_shape: tuple[int, int, int]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SpecText:
    """The spec that a module was made from: its text, and the variant and variables chosen."""

    text: str
    variant: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)


def read_module(name: str, code: str, kwargs: Mapping[str, Any] | None = None) -> ModuleSource:
    """Read the class name (the first of `__all__`) and INPUT_SHAPE out of a module's text.

    Nothing is executed. Raises TrainError when the text is not a generated module.
    """
    try:
        constants = _constants(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError) as error:
        raise TrainError(f"{name}: not a Python module: {error}", exit_code=2) from error
    names, shape = constants.get("__all__"), constants.get("INPUT_SHAPE")
    if not (isinstance(names, list | tuple) and names and isinstance(names[0], str)):
        raise TrainError(f"{name}: no __all__ naming the network's class first", exit_code=2)
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(map(_is_size, shape))):
        raise TrainError(f"{name}: no INPUT_SHAPE = (channels, height, width)", exit_code=2)
    return ModuleSource(name, code, names[0], shape, dict(kwargs or {}))


def read_module_file(path: Path, kwargs: Mapping[str, Any] | None = None) -> ModuleSource:
    """`read_module` of a file; raises TrainError also when it cannot be read."""
    try:
        code = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f"cannot read {path}: {_reason(error)}", exit_code=2) from error
    # A file's name may be any bytes; a network's is text.
    name = os.fsencode(path.stem).decode(errors="replace")
    return read_module(name, code, kwargs)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _constants(tree: ast.Module) -> dict[str, Any]:
    """The module's top-level names that are bound to literals."""
    constants = {}
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        try:
            constants[name] = ast.literal_eval(value)
        except (ValueError, TypeError):
            continue
    return constants


def build_network(source: ModuleSource, num_classes: int, batch_size: int = 2) -> "nn.Module":
    """Run the module's text and make its network for `num_classes` classes.

    Only ever given a module that the user named or that lies in a run folder: it is code. Raises
    TrainError when the class does not take the arguments, its output is not [N, num_classes], or
    it cannot be trained on batches of `batch_size`, the smallest there will be.
    """
    network_class = _network_class(source)
    accepted = inspect.signature(network_class).parameters
    unknown = sorted(set(source.kwargs) - set(accepted))
    if unknown:
        takes = ", ".join(accepted) or "no arguments"
        raise TrainError(f"{source.class_name} takes no {unknown[0]!r}; it takes {takes}", 2)
    kwargs = dict(source.kwargs)
    if CLASSES_ARGUMENT in accepted:
        given = kwargs.setdefault(CLASSES_ARGUMENT, num_classes)
        if given != num_classes:
            raise TrainError(f"num_classes is set to {given}: the data has {num_classes}", 2)
    _refuse_unfit(source, network_class, kwargs, num_classes, batch_size)
    with told_if_failing(source, "cannot be made"):
        network: nn.Module = network_class(**kwargs)
    return network


@contextmanager
def told_if_failing(source: ModuleSource, what: str) -> Iterator[None]:
    """Turn whatever a module's code raises, SystemExit too, into a TrainError."""
    try:
        yield
    except TrainError:
        raise
    except (Exception, SystemExit) as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        said = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        raise TrainError(f"{source.name}: the network {what}: {said}") from error


def _network_class(source: ModuleSource) -> Any:
    from torch import nn

    module = ModuleType(f"archspec_network_{source.name}")
    filename = f"<network {source.name}>"
    # Tracebacks show the text's lines, and inspect finds it, as if it were a file.
    linecache.cache[filename] = (
        len(source.code),
        None,
        source.code.splitlines(keepends=True),
        filename,
    )
    sys.modules[module.__name__] = module
    with told_if_failing(source, "is in a module that does not run"):
        exec(compile(source.code, filename, "exec"), module.__dict__)  # noqa: S102 - see build_network
        found = getattr(module, source.class_name)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise TrainError(f"{source.name}: {source.class_name} is not a class of torch.nn.Module", 2)
    return found


def _refuse_unfit(
    source: ModuleSource,
    network_class: Any,
    kwargs: Mapping[str, Any],
    num_classes: int,
    batch_size: int,
) -> None:
    """Try the network on the meta device, where shapes cost neither memory nor arithmetic."""
    import torch

    try:
        _try_on("meta", source, network_class, kwargs, num_classes, batch_size)
    except TrainError:
        # It may only need numbers, which meta has none of: a CPU has the last word.
        with torch.random.fork_rng(devices=[]):
            _try_on("cpu", source, network_class, kwargs, num_classes, batch_size)


def _try_on(
    device: str,
    source: ModuleSource,
    network_class: Any,
    kwargs: Mapping[str, Any],
    num_classes: int,
    batch_size: int,
) -> None:
    """Raise TrainError unless the network evaluates two pictures and trains on `batch_size`."""
    import torch

    takes_classes = CLASSES_ARGUMENT in kwargs
    with torch.device(device):
        with told_if_failing(source, "cannot be run"), torch.no_grad():
            network = network_class(**kwargs).eval()
            output = network(torch.zeros(2, *source.input_shape))
        _refuse_output(source, output, (2, num_classes), takes_classes=takes_classes)
        with told_if_failing(source, f"cannot be trained on batches of {batch_size}"):
            result = network.train()(torch.zeros(batch_size, *source.input_shape))
        output, *heads = result if isinstance(result, tuple) and result else (result,)
        for scores in (output, *(head for head in heads if head is not None)):
            size = (batch_size, num_classes)
            _refuse_output(source, scores, size, takes_classes=takes_classes)
    if not output.requires_grad:
        raise TrainError(f"{source.name}: the network has no parameters to train", 2)


def _refuse_output(
    source: ModuleSource, output: Any, expected: tuple[int, int], *, takes_classes: bool
) -> None:
    import torch

    if isinstance(output, torch.Tensor) and output.is_floating_point():
        if output.shape == expected:
            return
        what = str(list(output.shape[1:])) if output.dim() > 1 else f"{output.dim()}-dimensional"
    elif isinstance(output, torch.Tensor):
        what = f"of {output.dtype}, not of floating-point numbers"
    else:
        what = f"a {type(output).__name__}, not one tensor [N, classes]"
    hint = "" if takes_classes else ", and it takes no num_classes"
    raise TrainError(
        f"{source.name}: {expected[1]} classes do not fit: its output is {what}{hint}", 2
    )
