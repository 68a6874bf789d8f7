"""A generated module: read without running it, then made into a network."""

import ast
import inspect
import linecache
import sys
from collections.abc import Mapping
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
    return read_module(path.stem, code, kwargs)


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


def build_network(source: ModuleSource, num_classes: int) -> "nn.Module":
    """Run the module's text and make its network for `num_classes` classes.

    Only ever given a module that the user named or that lies in a run folder: it is code. Raises
    TrainError when the class does not take the arguments or its output is not [N, num_classes].
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
    _refuse_unfit(source, network_class, kwargs, num_classes)
    network: nn.Module = network_class(**kwargs)
    _take_off_softmax(network)
    return network


def _take_off_softmax(network: "nn.Module") -> None:
    """Replace a closing softmax by the identity: the loss and the predictions apply their own."""
    from torch import nn

    name, last = list(network.named_modules())[-1]
    if name and isinstance(last, nn.Softmax):
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, nn.Identity())


def _network_class(source: ModuleSource) -> Any:
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
    try:
        exec(compile(source.code, filename, "exec"), module.__dict__)  # noqa: S102 - see build_network
        return getattr(module, source.class_name)
    except Exception as error:
        raise TrainError(f"{source.name}: the module does not run: {error!r}") from error


def _refuse_unfit(
    source: ModuleSource, network_class: Any, kwargs: Mapping[str, Any], num_classes: int
) -> None:
    """Try the network on the meta device, where shapes cost neither memory nor arithmetic."""
    import torch

    try:
        with torch.device("meta"), torch.inference_mode():
            output = network_class(**kwargs).eval()(torch.empty(2, *source.input_shape))
    except Exception as error:
        raise TrainError(f"{source.name}: the network cannot be run: {error}") from error
    shape = tuple(getattr(output, "shape", ()))
    if shape == (2, num_classes):
        return
    what = f"its output is {list(shape[1:])}" if shape else "it has several outputs"
    hint = "" if CLASSES_ARGUMENT in kwargs else ", and it takes no num_classes"
    raise TrainError(f"{source.name}: {num_classes} classes do not fit: {what}{hint}", 2)
