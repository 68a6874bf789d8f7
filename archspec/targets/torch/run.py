"""Executes a generated module's text; the only imports of torch are the text's own."""

import hashlib
import linecache
import sys
from types import ModuleType
from typing import Any

from archspec.targets.torch.names import module_name


def load_module(source: str, name: str = "network") -> ModuleType:
    """Execute a generated module's text as a module of its own.

    The module is registered, and its lines are where tracebacks and `inspect.getsource` look, so
    its classes can be read, copied and pickled within this process. The same text gives the same
    module. Raises ImportError where torch is not installed.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    unique = f"archspec_generated_{module_name(name)}_{digest}"
    if unique in sys.modules:
        return sys.modules[unique]
    module = ModuleType(unique)
    file = module.__file__ = f"<archspec {name} {digest}>"
    code = compile(source, file, "exec")
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    sys.modules[unique] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - running what was generated is the purpose
    except BaseException:
        del sys.modules[unique], linecache.cache[file]
        raise
    return module


def instantiate(source: str, name: str = "network", **arguments: Any) -> Any:
    """An instance of the network that a generated module's text defines, an `nn.Module`.

    `arguments` go to its constructor. Raises ImportError where torch is not installed.
    """
    module = load_module(source, name)
    return getattr(module, module.__all__[0])(**arguments)
