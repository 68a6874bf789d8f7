"""What a spec declares beside its rows: outputs, init, families, variables, defaults, texts."""

from copy import deepcopy
from random import Random
from typing import Any

from archspec.graph.inherited import default_of
from archspec.ops import OPS_BY_NAME
from tests.fuzz import facts, growth, paths
from tests.fuzz.draft import STRUCTURE, SUGAR, Draft, places, sites
from tests.fuzz.lifting import in_terms_of, vary
from tests.fuzz.samples import SAMPLERS
from tests.fuzz.sampling import sample


def defaults(draft: Draft) -> bool:
    """Attributes of a row, or others, are said for all rows of its op."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if s.row.get("op") in OPS_BY_NAME]
    if not found:
        return False
    site = rng.choice(found)

    def change() -> bool:
        row = draft.site_now(site).row
        keys = [k for k in row if k not in STRUCTURE and k not in SUGAR]
        if not keys:
            return False
        key = rng.choice(keys)
        draft.by_default(row["op"], {key: row.pop(key)})
        return True

    return draft.propose(change)


def computed_defaults(draft: Draft) -> bool:
    """An attribute follows from another one, or from a variable, for all rows of its op."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if s.row.get("op") in OPS_BY_NAME]
    if not found:
        return False
    site = rng.choice(found)

    def change() -> bool:
        row = draft.site_now(site).row
        op = OPS_BY_NAME[row["op"]]
        numbers = {k: v for k, v in row.items() if type(v) is int and k in op.model_fields}
        if not numbers:
            return False
        key, value = rng.choice(list(numbers.items()))
        others = {k: numbers.get(k, default_of(op, k)) for k in op.model_fields if k != key}
        known = {name: number for name, number in others.items() if type(number) is int}
        if known and rng.random() < 0.7:
            name = rng.choice(list(known))
            written = in_terms_of(rng, name, known[name], value)
        else:
            name = rng.choice((key, draft.fresh("size", "w"), *op.model_fields))
            if name in str(draft.data.get("vars", {})):
                return False
            draft.declare(None, {name: value})
            written = name if name == key or name not in op.model_fields else f"{name} + 1"
        draft.by_default(row["op"], {key: written})
        del row[key]
        return True

    return draft.propose(change)


def role_defaults(draft: Draft) -> bool:
    """Attributes of an op that may be handed over as a value: norms, activations, dropouts."""
    rng = draft.rng
    role = rng.choice(SUGAR)
    op = rng.choice([name for name in growth.BY_ROLE[role] if SAMPLERS[name]])
    shape = rng.choice([draft.output_shape(), draft.network.input_shape or (4, 8, 8)])
    given = sample(rng, op, shape)
    if not given:
        return False

    return draft.propose(lambda: draft.by_default(op, given))


def variable_input(draft: Draft) -> bool:
    """A size of the input is a variable."""
    rng = draft.rng
    sizes = draft.data["input"]
    at = rng.randrange(len(sizes))
    if not isinstance(sizes[at], int):
        return False
    name = draft.fresh("size", "channels", "height")

    def change() -> None:
        draft.declare(None, {name: sizes[at]})
        draft.data["input"][at] = rng.choice((name, f"1 * {name}"))

    return draft.propose(change)


def texts(draft: Draft) -> bool:
    """Words that only people read."""
    rng = draft.rng
    words = ("a net", 'it says """ and \\', "two\nlines", "{i} % s", "größe 5×5", "a" * 120)

    def change() -> None:
        draft.data[rng.choice(("description", "source"))] = rng.choice(words)
        blocks = list(draft.data.get("blocks", {}).values())
        if blocks:
            rng.choice(blocks)["description"] = rng.choice(words)

    return draft.propose(change)


def outputs(draft: Draft) -> bool:
    """The network gives back several steps, some of them in training only."""
    rng = draft.rng
    place = next(p for p in places(draft.data) if p.kind == "network")
    steps = [s.name for s in paths.steps_of(draft, place) if s.name != "input"]
    if not steps:
        return False
    count = rng.choice((1, 2, 2, 3))
    chosen = [rng.choice([steps[-1], rng.choice(steps)]) for _ in range(count)]
    names = rng.sample(("logits", "aux", "main", "features", "out1", "x"), count)
    made: dict[str, Any] = {}
    for name, step in zip(names, chosen, strict=True):
        made[name] = step
        if rng.random() < 0.4:
            made[name] = {"from": step}
            if rng.random() < 0.7:
                made[name]["training_only"] = True
            if rng.random() < 0.3:
                made[name]["optional"] = rng.choice((True, False))

    def change() -> None:
        draft.data["outputs"] = made

    return draft.propose(change)


_SCHEMES: tuple[Any, ...] = (
    "zeros",
    "ones",
    {"constant": {"value": 0.5}},
    {"constant": {"value": 2}},
    {"normal": {"mean": 0.5, "std": 0.1}},
    {"uniform": {"a": -0.5, "b": 0.5}},
    {"trunc_normal": {"std": 0.02}},
    {"kaiming_normal": {"mode": "fan_out", "nonlinearity": "relu"}},
    {"kaiming_uniform": {"a": 1}},
    {"xavier_normal": {"gain": 2}},
    "xavier_uniform",
)


def init(draft: Draft) -> bool:
    """Parameters of a row, or of all rows of an op, begin in a way of their own."""
    rng = draft.rng
    nodes = [n for n in draft.network.nodes if n.op is not None and not n.role]
    found = [
        (node, tensor)
        for node in nodes
        for tensor in facts.tensors_of(node)
        if tensor.trainable and tensor.name
    ]
    if not found:
        return False
    node, tensor = rng.choice(found)
    parameter = tensor.name
    scheme = deepcopy(rng.choice(_SCHEMES))
    needs_fan = any(name in str(scheme) for name in ("kaiming", "xavier"))
    if needs_fan and len(tensor.shape) < 2 and rng.random() < 0.95:
        return False  # it has none, which a spec may overlook now and then
    of_row = rng.random() < 0.5
    if isinstance(scheme, dict) and rng.random() < 0.3:
        (options,) = scheme.values()
        names = [n for n, value in draft.data.get("vars", {}).items() if type(value) is int]
        forms = [f"{name} / 4" for name in names] + (["1 / in_channels"] if of_row else [])
        numbers = [option for option, value in options.items() if not isinstance(value, str)]
        if forms and numbers:
            options[rng.choice(numbers)] = rng.choice(forms)

    def change() -> bool:
        if not of_row:
            schemes = draft.data.setdefault("init", {})
            schemes.setdefault(node.op_name, {})[parameter] = scheme
            return True
        rows = [s.row for s in sites(draft.data) if s.path == node.at]
        if not rows:
            return False
        rows[0].setdefault("init", {})[parameter] = scheme
        return True

    return draft.propose(change)


def family(draft: Draft) -> bool:
    """Variants, which set variables otherwise, and perhaps have inputs of their own."""
    rng = draft.rng
    names = draft.data.get("vars", {})
    if "variants" in draft.data:
        return _vary_variant(draft)
    if not names and rng.random() < 0.7:
        return False
    members: dict[str, Any] = {}
    for member in ("small", "large", "net_3")[: rng.choice((1, 2, 2, 3))]:
        own: dict[str, Any] = {}
        for name, value in names.items():
            if rng.random() < 0.5 and not isinstance(value, str):
                own[name] = rng.choice((value, vary(rng, value), vary(rng, value)))
        if rng.random() < 0.2:
            own["input"] = _other_input(rng, draft.data["input"])
        members[member] = own

    def change() -> None:
        shared = {k: v for k, v in draft.data.items() if k != "layers"}
        draft.data = {**shared, "variants": members, "layers": draft.data["layers"]}
        for name, value in names.items():
            if all(name in own for own in members.values()) and rng.random() < 0.5:
                draft.data["vars"][name] = None
            del value

    return draft.propose(change)


def derived(draft: Draft) -> bool:
    """A family whose members have variables that follow from an argument, each in its own way."""
    rng, shape = draft.rng, draft.output_shape()
    if "variants" in draft.data or "num_classes" in draft.data.get("vars", {}):
        return False
    least, hidden = draft.fresh("least", "c", "ratio"), draft.fresh("hidden", "width")
    forms = (f"max({least}, num_classes)", f"num_classes * {least}", f"num_classes + {least}")
    rows = [] if len(shape) == 1 else [{"op": "adaptive_avg_pool"}, {"op": "flatten"}]
    rows += [
        {"op": "linear", "out_features": hidden},
        {"op": "linear", "out_features": "num_classes"},
    ]

    def change() -> None:
        names = {"num_classes": rng.choice((3, 5)), least: None, hidden: rng.choice(forms)}
        draft.declare(None, names)
        draft.data["variants"] = {"small": {least: 2}, "large": {least: rng.choice((3, 7))}}
        draft.data["layers"] += rows

    return draft.propose(change)


def _vary_variant(draft: Draft) -> bool:
    rng = draft.rng
    names = [n for n, value in draft.data.get("vars", {}).items() if not isinstance(value, dict)]
    if not names:
        return False
    member, name = rng.choice(list(draft.data["variants"])), rng.choice(names)
    own = draft.data["variants"][member].get(name, draft.data["vars"][name])
    value = vary(rng, own)

    def change() -> None:
        draft.data["variants"][member][name] = value

    return value is not None and draft.propose(change)


def _other_input(rng: Random, shape: list[Any]) -> list[Any]:
    if not all(isinstance(size, int) for size in shape):
        return shape
    if len(shape) == 1:
        return [rng.choice((2, 4, 6))]
    channels = rng.choice((shape[0], shape[0], 2 * shape[0]))
    return [channels, shape[1] + rng.randint(0, 4), shape[2] + rng.randint(0, 4)]


def variables(draft: Draft) -> bool:
    """A variable follows from another one."""
    rng = draft.rng
    names = draft.data.get("vars", {})
    numbers = [n for n, value in names.items() if type(value) is int]
    if len(numbers) < 2:
        return False
    first, second = sorted(rng.sample(numbers, 2), key=list(names).index)
    difference = names[second] - names[first]
    forms = [f"{first} + {difference}" if difference >= 0 else f"{first} - {-difference}"]
    forms += [f"max({first}, {names[second]})"] if difference >= 0 else []

    def change() -> None:
        draft.data["vars"][second] = rng.choice(forms)

    return draft.propose(change)
