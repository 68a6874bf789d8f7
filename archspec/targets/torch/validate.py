"""Is the code the network? It is executed on symbols and compared, before it is written.

Compilers call this translation validation: whatever rules made the code, what came out is what was
meant. Every module is where it belongs and was made with the values that the network has, every
step reads what it should, nothing else is computed, and nothing is overwritten that is needed once
more, by a later step or by the backward pass.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from archspec.expressions import make_divisible
from archspec.graph.network import Module, Network, Node
from archspec.language.init import Scheme, Schemes
from archspec.ops import Op, channels_of
from archspec.targets.python import tree
from archspec.targets.python.machine import Machine, same_kinds
from archspec.targets.python.objects import External, Instance, MachineError
from archspec.targets.torch.emit import Spelling, WatchedRow, spell_step
from archspec.targets.torch.framework import Torch, refuse_to_run
from archspec.targets.torch.helpers import HELPERS
from archspec.targets.torch.signatures import difference
from archspec.targets.torch.steps import StepByStep
from archspec.targets.torch.storage import Expected, Mismatch
from archspec.targets.torch.symbols import (
    Made,
    NotThere,
    Parameter,
    Tensor,
    place,
)

UNUSABLE = "the code that its rows give cannot be run"


class Validator:
    """Compares what a module makes with networks; its classes are made ready once."""

    def __init__(self, definitions: Iterable[tree.Definition | tree.Assign]) -> None:
        self.torch = Torch()
        try:
            self.machine = Machine(definitions, self.torch, _FUNCTIONS, IMPORTED)
        except MachineError as error:  # in the default of an argument
            raise Mismatch(f"{UNUSABLE}: {error}") from error
        self.torch.run = self.machine.call
        # By all that an emitter asked about; kept alive, since `alike` knows them by identity.
        self.expected: dict[Any, Expected] = {}
        self.numbers: dict[int, tuple[Op, int]] = {}  # equal ops by identity, kept alive as well
        self.equal: dict[Any, tuple[Any, int]] = {}  # the same by their values
        self.schemes: dict[int, tuple[Schemes, Any]] = {}  # as calls, by identity, kept alive
        self.alike: set[Any] = set()  # how what was compared is built, whatever its numbers are
        self.before: tuple[Network, Sequence[Expected]] | None = None  # the last that was compared

    def close(self) -> None:
        """Let go of what refers to itself: it is gone at once, and no collector has to find it."""
        self.machine.forget()
        self.torch.run = refuse_to_run

    def validate(self, network: Network, name: str, arguments: Mapping[str, Any]) -> None:
        """Raise `Mismatch` unless calling `name` makes the network."""
        try:
            self._validate(network, name, dict(arguments))
        except NotThere as error:  # pragma: no cover - every lookup is caught where it is made
            raise Mismatch(str(error)) from error
        except Mismatch:
            raise
        except (MachineError, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise Mismatch(f"{UNUSABLE}: {error}") from error
        except (ZeroDivisionError, RecursionError, OverflowError) as error:
            raise Mismatch(f"{UNUSABLE}: {error}") from error

    def _validate(self, network: Network, name: str, arguments: dict[str, Any]) -> None:
        root = self.machine.call(self.machine.globals[name], (), arguments)
        if not isinstance(root, Instance):
            raise Mismatch(f"{name} makes no module")
        placed, form = place(root)
        ways = self._ways(network)
        self._compare_modules(network, ways, placed)
        built = (form, self._topology(network, ways))
        if built in self.alike:
            return  # only numbers differ, for which the modules were compared
        self._run(network, ways, root, placed, training=True)
        draws = any(tensor.callee[0] == "F.dropout" for tensor in self.torch.terms.values())
        if self.torch.asked or network.training_only or draws:
            self._run(network, ways, root, placed, training=False)
        self.alike.add(built)

    @staticmethod
    def _topology(network: Network, ways: Sequence[Expected]) -> tuple[Any, ...]:
        """The steps of a network; with their numbers where `forward` may say those itself."""
        told = [
            (
                type(node.module.op) if way.function is None and way.padding is None else id(way),
                node.module.path,
                node.inputs,
            )
            for node, way in zip(network.nodes, ways, strict=True)
        ]
        runs = (network.run, network.evaluated)
        return tuple(told), runs, tuple(network.outputs.items()), network.training_only

    def _run(
        self,
        network: Network,
        ways: Sequence[Expected],
        root: Instance,
        placed: Mapping[str, Any],
        *,
        training: bool,
    ) -> None:
        torch = self.torch
        torch.training, torch.asked = training, False
        torch.terms, torch.events, torch.used = {}, [], set()
        x = torch.apply(("input",), ())
        torch.events.clear()
        result = self.machine.call(root, (x,), {})
        asked = torch.asked
        run = StepByStep(self.machine, torch, network, ways, x, placed, training=training)
        run.compare(result)
        torch.asked = asked

    # --- modules -----------------------------------------------------------------------------

    def _compare_modules(
        self, network: Network, ways: Sequence[Expected], placed: Mapping[str, Any]
    ) -> None:
        """Every module with tensors at its path; none that the network has not.

        Of others those that nothing runs, where they were made: no call tells what they are.
        """
        wanted: set[str] = set()
        same: set[Any] = set()  # what was compared, by identity: all of it is kept alive meanwhile
        for node, expected in zip(network.nodes, ways, strict=True):
            module = node.module
            path = module.path
            made = placed.get(path)
            if not module.tensors and (type(made) is not Made or network.is_run(node)):
                continue
            wanted.add(path)
            if made is None:
                raise Mismatch(f"there would be no `{path}`", path)
            found = made.arguments if type(made) is Parameter else made.key
            pair = (id(expected), id(found), id(module.init), id(made.inits))
            if pair not in same:
                self._compare_module(module, expected, made, found)
                same.add(pair)
        for path, made in placed.items():
            if path not in wanted and (type(made) is Parameter or _has_tensors(made)):
                raise Mismatch(f"there would be a `{path}`, which the network has not", path)

    def _compare_module(self, module: Module, expected: Expected, made: Any, found: Any) -> None:
        """What a module was made with, and how its parameters begin."""
        parameter = expected.parameter if isinstance(made, Parameter) else None
        if found not in (parameter, expected.key, expected.bare):
            wanted = expected.key or expected.parameter
            raise Mismatch(f"`{module.path}` would be {difference(found, wanted)}", module.path)
        schemes, found = module.init or {}, made.inits
        if not schemes and not found:
            return
        if id(schemes) not in self.schemes:
            begin = {name: _scheme(scheme) for name, scheme in schemes.items()}
            self.schemes[id(schemes)] = (schemes, begin)
        begin = self.schemes[id(schemes)][1]
        if isinstance(made, Parameter):
            begin = dict(zip([""], begin.values(), strict=False))
        if begin != found:
            raise Mismatch(f"the parameters of `{module.path}` would begin otherwise", module.path)

    # --- steps -------------------------------------------------------------------------------

    def _ways(self, network: Network) -> Sequence[Expected]:
        """How each step may have been written; of those that the last network had, it is known."""
        before, known = self.before or (network, ())
        same = len(known) and _shared(network, before)
        ways = network.of_twins(
            lambda node: known[node.index] if node.index < same else self.expect(node, network)
        )
        self.before = (network, ways)
        return ways

    def expect(self, node: Node, network: Network) -> Expected:
        """The ways in which a step may have been written."""
        op, shapes = node.op, network.arriving(node)
        assert op is not None
        assert shapes is not None
        ways, whatever = self.expected, (self._number(op), len(shapes[0]), *map(type, shapes))
        if whatever in ways:
            return ways[whatever]
        channels = channels_of(shapes[0])
        known = ways.get((whatever, channels)) or ways.get((whatever, shapes))
        if known is not None:
            return known
        row = WatchedRow(shapes[0], channels)
        ready = self._ready(spell_step(op, row), len(shapes))
        if row.asks_sizes:
            ways[whatever, shapes] = ready
        else:
            ways[(whatever, channels) if row.asks_channels else whatever] = ready
        return ready

    def _number(self, op: Op) -> int:
        """The same for all ops that are equal."""
        known = self.numbers.get(id(op))
        if known is None:
            values = tuple(op.__dict__.values())
            same = self.equal.get((type(op), values))
            if same is None or not same_kinds(same[0], values):
                same = self.equal[type(op), values] = (values, len(self.numbers))
            known = self.numbers[id(op)] = (op, same[1])
        return known[1]

    def _ready(self, spelling: Spelling, count: int) -> Expected:
        made = None if spelling.module is None else self._made(spelling.module)
        bare = None if spelling.bare is None else self._made(spelling.bare)
        return Expected(
            made.key if isinstance(made, Made) else None,
            made.arguments if isinstance(made, Parameter) else None,
            None if bare is None else bare.key,
            self._closure(spelling.function, count),
            self._closure(spelling.padding, count),
            spelling.overwrites,
        )

    def _made(self, module: tree.Call) -> Any:
        """The layer that a call makes: at once where it is given constants, as most are."""
        arguments: list[Any] = []
        keywords: dict[str, Any] = {}
        for argument in module.arguments:
            if type(argument) is tree.Keyword:
                keywords[argument.name] = tree.constant(argument.value)
            else:
                arguments.append(tree.constant(argument))
        if any(value is NotImplemented for value in (*arguments, *keywords.values())):
            return self.machine.evaluate(module)
        return self.torch.call(External(tree.path_of(module.function)), arguments, keywords)

    def _closure(
        self, wrap: Callable[[Sequence[tree.Expr]], tree.Expr] | None, count: int
    ) -> Callable[[Sequence[Tensor], Any], Any] | None:
        """A function of the tensors that a step reads, and of what `self` is."""
        if wrap is None:
            return None
        names = [f"x{i}" for i in range(count)]
        evaluation = self.machine.expression(wrap([tree.Name(name) for name in names]))
        return lambda tensors, self_: evaluation(
            {**dict(zip(names, tensors, strict=True)), "self": self_}
        )


def _shared(one: Network, other: Network) -> int:
    """With how many of the same nodes, on the same shapes, two networks begin."""
    pairs = zip(one.nodes, other.nodes, one.shapes, other.shapes, strict=False)
    if one.inputs != other.inputs:
        return 0
    differ = (i for i, (a, b, x, y) in enumerate(pairs) if a is not b or x is not y)
    return next(differ, min(len(one.nodes), len(other.nodes)))


def _has_tensors(made: Made) -> bool:
    """Whether a layer would be found in the state_dict."""
    if made.head in _WEIGHTED:
        return True
    given = made.arguments
    return any(given[name] for name in _KEPT if name in given)


def _scheme(scheme: Scheme) -> tuple[Any, ...]:
    """How a parameter begins, as a call of `nn.init` is noted."""
    options = dict(scheme.options)
    first = (options.pop("value"),) if scheme.name == "constant" else ()
    return (scheme.name, *first, *sorted(options.items()))


_KEPT = ("affine", "elementwise_affine", "track_running_stats")
"""Arguments that say whether a layer of another kind has any."""
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"_make_divisible": make_divisible}
IMPORTED = frozenset({"nn", "F", "torch", "math", "NamedTuple", "partial", *HELPERS})
"""The names that a module imports, or defines as helpers."""
_WEIGHTED = frozenset(
    {
        "nn.Conv2d",
        "Conv2dSame",
        "PaddedConv2d",
        "nn.ConvTranspose2d",
        "PartialConv2d",
        "nn.Linear",
        "RBF",
        "ScaledAvgPool2d",
        "nn.PReLU",
        "LayerScale",
    }
)
"""Layers that have tensors whatever their arguments are."""
