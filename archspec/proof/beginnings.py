"""How parameters and buffers begin, as the constructor makes them and as the spec says."""

from collections.abc import Hashable, Iterator, Mapping
from math import isclose, prod
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from archspec.graph.network import Module
from archspec.language.init import Scheme
from archspec.ops import Op, thousands
from archspec.ops.activation import PReLU
from archspec.ops.conv import Convolution
from archspec.ops.lenet import RBF, PartialConv2d, ScaledAvgPool
from archspec.ops.linear import Linear
from archspec.ops.residual import LayerScale
from archspec.ops.transposed import ConvTranspose2d
from archspec.proof.certificate import Difference, Proof, not_applicable, verdict
from archspec.proof.drawing import WHOLE, Act, Acts, Drawing
from archspec.proof.subject import Subject, named_tensors
from archspec.report.figures import counted

CLAIM = "beginnings"
Beginning = tuple[dict[str, Tensor], Drawing]
"""A module's tensors by name, and how those of them are drawn that are."""
SEED = 8191
"""Nobody's own."""
MANY = 64
"""So many random signs are never all the same."""


def prove_beginnings(subject: Subject) -> Proof:
    """The constructor makes every tensor as the spec's `init` says, else as its op begins.

    Numbers that are not drawn are compared, of those that are how they are drawn. Nothing begins
    in another way because it is drawn, or set, once more; nor does the constructor seed chance.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        before = torch.get_rng_state()
        made, state = subject.begun()
        touched = not torch.equal(before, torch.get_rng_state())
    if touched and _seeds_chance(subject):
        seeded = Difference("the constructor", "chance as it finds it", "a seed of its own")
        return verdict(CLAIM, "every network is made with the same numbers", [seeded])
    found: list[Difference] = []
    seen = said = 0
    known: dict[Hashable, Beginning] = {}
    for module in subject.network.modules:
        tensors = dict(named_tensors(module))
        if any(_shape(state.get(name)) != tensor.shape for name, tensor in tensors.items()):
            continue  # that is for another claim to tell, and fans are others
        key = _key(module)
        if key not in known:
            known[key] = _beginning(module)
        expected, drawn = known[key]
        for name, tensor in tensors.items():
            seen += 1
            said += (tensor.name or "weight") in (module.init or {})
            wanted = expected[tensor.name]
            signs = isinstance(module.op, RBF) and not module.init
            found += _compare(name, (drawn, wanted), (made, state[name]), signs=signs)
    if not seen:
        return not_applicable(CLAIM, "there is no tensor")
    if found:
        text = f"{len(found)} of {counted(seen, 'tensor')} begin in another way"
        return verdict(CLAIM, text.replace("begin", "begins") if len(found) == 1 else text, found)
    as_said = f"{thousands(said)} as `init` says, " if said else ""
    others = "the others" if said else "all"
    how = f"{as_said}{others} as their ops do" if said < seen else "all as `init` says"
    return verdict(CLAIM, f"{counted(seen, 'tensor')}, {how}")


def _seeds_chance(subject: Subject) -> bool:
    """Whether a network is made with the same numbers whatever the seed is."""
    states = []
    with torch.random.fork_rng(devices=[]):
        for seed in (SEED, SEED + 1):
            torch.manual_seed(seed)
            subject.construct()
            states.append(torch.get_rng_state())
    return torch.equal(*states)


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)


def _key(module: Module) -> Hashable:
    """What a beginning depends on; modules of one network are often alike."""
    schemes = (module.init or {}).items()
    said = ((name, scheme.name, *scheme.options.items()) for name, scheme in schemes)
    return id(module.op), module.tensors, tuple(said)


def _beginning(module: Module) -> Beginning:
    """A module's tensors by name as they should begin, and how they are drawn."""
    with Drawing() as drawn, torch.no_grad():
        held = {
            tensor.name: torch.empty(tensor.shape, dtype=_kind(tensor.name))
            for tensor in module.tensors or ()
        }
        if held and module.op is not None:
            _begin(module.op, held)
        for parameter, scheme in (module.init or {}).items():
            _follow(scheme, held[parameter if parameter in held else ""])
    return held, drawn


def _kind(name: str) -> torch.dtype:
    return torch.int64 if name == "num_batches_tracked" else torch.float32


def _begin(op: Op, held: Mapping[str, Tensor]) -> None:
    """As an op's documentation says, of what PyTorch has as PyTorch does."""
    layer = SimpleNamespace(weight=held.get("weight"), bias=held.get("bias"))
    if isinstance(op, PartialConv2d):
        _begin_partial(op, layer.weight, layer.bias)
    elif isinstance(op, Convolution | ConvTranspose2d):
        nn.Conv2d.reset_parameters(layer)  # type: ignore[arg-type]  # it has what is begun
    elif isinstance(op, Linear):
        nn.Linear.reset_parameters(layer)  # type: ignore[arg-type]  # likewise
    elif isinstance(op, LayerScale):
        held[""].fill_(op.init_value)
    elif isinstance(op, PReLU):
        layer.weight.fill_(0.25)
    elif isinstance(op, ScaledAvgPool):
        layer.weight.fill_(1 / prod(op.kernel_size))  # at first, the average
        layer.bias.zero_()
    else:  # a norm
        for name, tensor in held.items():
            tensor.fill_(name in {"weight", "running_var"})


def _begin_partial(op: PartialConv2d, weight: Tensor, bias: Tensor | None) -> None:
    """Each output as a convolution of the channels it reads begins."""
    kernels = iter(weight)
    for output, channels in enumerate(op.table):
        bound = (len(channels) * prod(op.kernel_size)) ** -0.5
        for _ in channels:
            next(kernels).uniform_(-bound, bound)
        if bias is not None:
            bias[output].uniform_(-bound, bound)


def _follow(scheme: Scheme, tensor: Tensor) -> None:
    """Begin a tensor by one of `torch.nn.init`."""
    options = {
        name: value if isinstance(value, str) else float(value)
        for name, value in scheme.options.items()
    }
    if scheme.name == "constant":
        options["val"] = options.pop("value")
    getattr(nn.init, f"{scheme.name}_")(tensor, **options)


def _compare(
    name: str, expected: tuple[Drawing, Tensor], made: tuple[Drawing, Tensor], *, signs: bool
) -> Iterator[Difference]:
    (drawn, wanted), (drawing, got) = expected, made
    should, does = drawn.drawn(wanted), drawing.drawn(got)
    if signs:
        same = does is None and _are_signs(got)
    elif should is None or does is None:
        same = should is does and torch.equal(wanted, got)
    else:
        same = _is_same(should, does)
    if not same:
        yield Difference(name, "random signs" if signs else _told(should, wanted), _told(does, got))


def _are_signs(tensor: Tensor) -> bool:
    """Whether all are −1 or +1, and of many some are either."""
    few = tensor.numel() < MANY
    return bool((tensor.abs() == 1).all()) and (few or bool((tensor != tensor.flatten()[0]).any()))


def _is_same(should: Acts, does: Acts) -> bool:
    return should.keys() == does.keys() and all(
        len(should[part]) == len(does[part]) and all(map(_is_same_act, should[part], does[part]))
        for part in should
    )


def _is_same_act(one: Act, other: Act) -> bool:
    """The same act with the same numbers, but for how a bound was computed."""
    return one.name == other.name and all(
        a == b or (isinstance(a, float) and isinstance(b, float) and isclose(a, b, rel_tol=1e-9))
        for (_, a), (_, b) in zip(one.options, other.options, strict=True)
    )


def _told(acts: Acts | None, tensor: Tensor) -> str:
    if acts is None and bool(tensor.isnan().any()):
        return "no numbers"
    if acts is None:
        first = tensor.flatten()[0] if tensor.numel() else tensor
        return f"{float(first):g}" if bool((tensor == first).all()) else "numbers that differ"
    part, done = next(iter(acts.items()))
    text = ", then ".join(map(str, done))
    return text if part == WHOLE and len(acts) == 1 else f"{text} of a part, and so on"
