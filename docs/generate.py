# ruff: noqa: INP001 - a script, not a package
"""Writes the generated pages of this folder: `python docs/generate.py` (`--check` only compares).

docs/ops.md comes from the classes of the ops and their case files, docs/diagnostics.md from the
catalogue, the names in docs/language.md from those that modules have. The tables of docs/zoo.md
come from the specs and from docs/zoo.yaml, those of docs/recipes.md from recipes/ and their schema;
the text between them is written by hand. A test holds that the pages are current.
"""

import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from inspect import get_annotations
from io import StringIO
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from archspec.analysis.claims import ClaimResult
from archspec.analysis.receptive_field import ReceptiveField, as_numbers
from archspec.api import Check, check
from archspec.graph.names import TAKEN
from archspec.graph.network import Node, Value
from archspec.ops import (
    OPS,
    Op,
    channels,
    fields,
    lenet,
    norm,
    pool,
    reshape,
    resize,
    show,
    thousands,
    transposed,
)
from archspec.report import catalogue, figures
from archspec.report.family import line_of
from archspec.report.page import Page
from archspec.train import recipe as recipes
from archspec.train import recipe_file
from archspec.train.recipe import Recipe

DOCS = Path(__file__).resolve().parent
SPECS = DOCS.parent / "specs"
CASES = DOCS.parent / "tests" / "cases" / "ops"
HEADER = "<!-- Written by docs/generate.py; edit what it reads, not this page. -->\n\n"

# What the forms of archspec/ops/fields.py mean to somebody who types them.
FORMS: tuple[tuple[Any, str], ...] = (
    (fields.PositiveInt, "a whole number from 1"),
    (fields.Size, "a size: one number or `[height, width]`"),
    (fields.OptionalSize, "a size: one number or `[height, width]`"),
    (fields.Padding, "[padding](language.md#padding)"),
    (fields.Ends, "[padding](language.md#padding) in numbers"),
    (transposed.SymmetricPadding, "[padding](language.md#padding), the same at both ends"),
    (transposed.OutputPair, "a whole number from 0, or `[height, width]`"),
    (resize.Alignment, "`true` or `false`"),
    (channels.Index, "a whole number from 0"),
    (fields.Place, "a whole number, below 0 from the end"),
    (fields.OptionalPlace, "a whole number, below 0 from the end"),
    (norm.Sizes, "a size, or a list of sizes"),
    (lenet.Channels, "for each output a list of input channels"),
    (pool.Dimensions, "a dimension, or a list of them"),
    (reshape.Dimensions, "`[0, 2, 3, 1]` or `[0, 3, 1, 2]`"),
    (fields.Truth, "`true` or `false`"),
    (fields.Number, "a number"),
    (fields.NotNegative, "a number from 0"),
    (fields.PositiveNumber, "a number above 0"),
    (fields.NotZero, "a number other than 0"),
    (fields.Probability, "a number from 0 to 1"),
)
DEFAULTS: dict[tuple[str, str], str] = {
    ("max_pool", "stride"): "the kernel's size",
    ("avg_pool", "stride"): "the kernel's size",
    ("scaled_avg_pool", "stride"): "the kernel's size",
    ("layer_norm", "normalized_shape"): "the features, or the channels where they are last",
    ("mean", "dim"): "height and width",
    ("upsample", "scale_factor"): "one of the two",
    ("upsample", "size"): "one of the two",
    ("slice", "stop"): "to the last",
}


def ops_page() -> str:
    """docs/ops.md: every op with its attributes and an example."""
    summary = [f"| [`{op.op_name}`](#{op.op_name}) | {_first_sentence(op)} |" for op in OPS]
    return "\n".join(
        [
            f"{HEADER}# Ops\n",
            "Every op of the language, its attributes in PyTorch's names, and a row with what",
            "comes out of it. An attribute may be an [expression](language.md#expressions); what",
            "a row leaves out comes from the spec's [defaults](language.md#defaults), then from",
            "here.\n",
            "| op | |",
            "|---|---|",
            *summary,
            *(section for op in OPS for section in _op(op)),
            "",
        ]
    )


def _first_sentence(op: type[Op]) -> str:
    text = _prose(op.__doc__ or "").split("\n\n")[0]
    return re.split(r"(?<=\.) ", text)[0].replace("|", "\\|")


def _prose(docstring: str) -> str:
    """A docstring with its paragraphs on one line each."""
    paragraphs = re.split(r"\n\s*\n", docstring.strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _op(op: type[Op]) -> Iterator[str]:
    yield f"\n## {op.op_name}\n"
    yield _prose(op.__doc__ or "")
    if op.model_fields:
        yield "\n| attribute | what it is | default |\n|---|---|---|"
        aliases = {canonical: other for other, canonical in op.aliases.items()}
        for name, field in op.model_fields.items():
            shown = f"`{name}`" + (f" (or `{aliases[name]}`)" if name in aliases else "")
            yield f"| {shown} | {_form(op, name)} | {_default(op, name, field)} |"
    file = yaml.safe_load((CASES / f"{op.op_name}.yaml").read_text(encoding="utf-8"))
    case = file["cases"][0]
    example = file.get("example") or {
        "input": case["input"],
        "rows": f"- {case['row']}  # → {'×'.join(map(str, case['output']))}",
    }
    yield f"\n<!-- input: {example['input']} -->\n```yaml\n{example['rows'].strip()}\n```"


def _form(op: type[Op], name: str) -> str:
    annotation = next(own[name] for cls in op.__mro__ if name in (own := get_annotations(cls)))
    for form, text in FORMS:
        if annotation == form:
            return text
        if annotation == form | None:
            return f"{text}, or `~`"
    words = op.words.get(name)
    return " or ".join(f"`{word}`" for word in sorted(words)) if words else "a whole number"


def _default(op: type[Op], name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    return DEFAULTS.get((op.op_name, name)) or f"`{_spell(field.default)}`"


def _spell(value: object) -> str:
    """A default as one would type it: ((0, 0), (0, 0)) is 0."""
    while isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    if isinstance(value, tuple):
        return f"[{', '.join(_spell(item) for item in value)}]"
    return fields.spell(value)


CONVOLUTIONAL_MODELS = 68
"""Classification models of torchvision but for its transformers; a test counts them."""

NOUNS = {
    "params": "parameters",
    "num_params": "parameters",
    "trainable_params": "trained parameters",
    "evaluation-params": "parameters",
    "buffers": "numbers in buffers",
    "macs": "MACs",
    "macs-of-the-rest": "MACs of the rest",
    "weighted_layers": "layers",
    "receptive_field": "pixels seen",
    "receptive_field_without_gates": "pixels seen, gates aside",
}
"""What a figure counts, by the metric of a claim and by the words of docs/zoo.yaml."""

TABLE = "RECEPTIVE_FIELD_TABLE.md"
"""Where the field of an entry of docs/zoo.yaml is published, if it names no other place."""


def zoo_page() -> str:
    """docs/zoo.md: the page as it stands, with its tables made anew."""
    more = yaml.safe_load((DOCS / "zoo.yaml").read_text(encoding="utf-8"))
    parts = {
        "count": _count(),
        "networks": _table("network|parameters|MACs|field|depth|proof", map(_network, _networks())),
        "wrong": _table("published|where|computed|why", map(_reading, more["wrong"])),
        "otherwise": _table("published|where|computed|why", map(_reading, more["otherwise"])),
        "fields": _table("published|where|here|field|stride", map(_seen, more["fields"])),
    }
    return _filled(DOCS / "zoo.md", parts)


def language_page() -> str:
    """docs/language.md: the page as it stands, with the names that no module may have."""
    taken = textwrap.fill(", ".join(f"`{name}`" for name in sorted(TAKEN)), 110)
    return _filled(DOCS / "language.md", {"names": f"{taken}.\n"})


def _filled(path: Path, parts: Mapping[str, str]) -> str:
    """A page that is written by hand, with the parts between its marks made anew."""
    page = path.read_text(encoding="utf-8")
    for name, text in parts.items():
        begin, end = f"<!-- {name}: written by docs/generate.py -->\n", "<!-- end -->"
        before, after = page.split(begin)
        page = f"{before}{begin}{text}\n{end}{after.partition(end)[2]}"
    return page


def _table(titles: str, rows: Iterator[list[str]]) -> str:
    """A table, each of whose cells is one line."""
    head = titles.split("|")
    lines = [head, ["---"] * len(head)]
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


@cache
def _checked(name: str) -> Check:
    """A network by the name of its variant, or of its file."""
    return next(found for own, _, found in _networks() if own == name)


@cache
def _networks() -> tuple[tuple[str, str, Check], ...]:
    """Every network there is: its name, its file's, and its check."""
    found = ((file.name, check(file)) for file in sorted(SPECS.glob("*.yaml")))
    return tuple(
        (member.variant or file.removesuffix(".yaml"), file, member)
        for file, whole in found
        for member in whole.family or (whole,)
    )


def _reference(checked: Check) -> str | None:
    assert checked.network is not None
    return checked.network.spec.reference


def _count() -> str:
    named = {name for _, _, found in _networks() if (name := _reference(found))}
    files = {file for _, file, _ in _networks()}
    return (
        f"{len(_networks())} networks in {len(files)} specs, among them {len(named)} of "
        f"{CONVOLUTIONAL_MODELS} convolutional classification models of torchvision."
    )


def _network(row: tuple[str, str, Check]) -> list[str]:
    name, file, found = row
    line, totals = line_of(Page(StringIO()), name, found), found.totals
    params = line.params
    if totals.training_only_params:
        kept = (totals.num_params or 0) - totals.training_only_params
        params += f" ({thousands(kept)} in evaluation)"
    link = f"[`{name}`](../specs/{file})"
    return [link, params, figures.exact(totals.macs), line.field, line.layers, _proof(found)]


def _proof(checked: Check) -> str:
    """What holds a network to something that others made."""
    if reference := _reference(checked):
        return f"logits of `{reference}`"
    assert checked.network is not None
    its_own, root = checked.network.spec.source, checked.network.root
    conventions = {claim.at: claim.convention for claim in root.claims}
    claims = [claim for claim in checked.claims if not claim.path]
    parts = [
        ", ".join(_claimed(claim, conventions[claim.at]) for claim in same) + f" ({source})"
        for source, same in groupby(claims, key=lambda claim: claim.source or its_own)
    ]
    if inner := len(checked.claims) - len(claims):
        source = "" if claims else f" ({its_own})"
        parts.append(f"{figures.counted(inner, 'figure')} of its layers{source}")
    return "; ".join(parts)


def _claimed(claim: ClaimResult, convention: str | None) -> str:
    """`≈ 60 M parameters`: a claim about a whole network as somebody published it."""
    value = claim.claimed
    assert isinstance(value, int | float)
    size, unit = next(
        (s for s in ((1e9, " G"), (1e6, " M")) if round(value / s[0], 3) * s[0] == value >= s[0]),
        (1, ""),
    )
    number = f"{value / size:.10g}{unit}" if unit else thousands(round(value))
    about = "" if value == claim.computed else "≈ "
    noun = NOUNS[claim.metric] if convention in (None, "torchvision") else f"by `{convention}`"
    return f"{about}{number} {noun}"


def _reading(entry: Mapping[str, Any]) -> list[str]:
    """A published figure beside what is computed, network by network."""
    computed: dict[str, list[tuple[str, str]]] = {}
    for text in entry["computed"]:
        subject, metric = text.split(" ")
        name, _, step = subject.partition(":")
        computed.setdefault(name, []).append(_figure(_checked(name), step, metric))
    parts = [f"{_enumerate(found)} (`{name}`)" for name, found in computed.items()]
    return [entry["figure"], entry["source"], "; ".join(parts), entry["why"]]


def _enumerate(found: list[tuple[str, str]]) -> str:
    """`1, 2 parameters, 3 MACs`, of numbers and nouns."""
    parts = []
    for noun, same in groupby(found, key=lambda each: each[1]):
        parts.append(f"{', '.join(number for number, _ in same)} {noun}".rstrip())
    return ", ".join(parts)


def _figure(checked: Check, step: str, metric: str) -> tuple[str, str]:
    """A figure of a step, or of all steps, and what it counts."""
    network, results = checked.network, checked.results
    assert network is not None
    assert results is not None
    nodes, output = _step(checked, step)
    sums, all_sums = results.totals(nodes), checked.totals
    macs, all_macs = sums.macs or 0, all_sums.macs or 0
    if metric in ("output", "neurons"):
        channels_, *size = network.shape_of(output) or ()
        as_papers = show((*size, channels_))
        neurons = (thousands(channels_ * prod(size)), "neurons")
        return (as_papers, "") if metric == "output" else neurons
    if metric == "share":
        return (f"{100 * macs / all_macs:.2f} %", "")
    number = {
        "params": sums.num_params,
        "evaluation-params": (sums.num_params or 0) - (sums.training_only_params or 0),
        "buffers": sums.buffers,
        "macs": macs,
        "macs-of-the-rest": all_macs - macs,
    }[metric]
    return figures.exact(number), NOUNS[metric]


def _step(checked: Check, path: str) -> tuple[tuple[Node, ...], Value]:
    """The nodes of a step and the value that leaves it; without a path, of everything."""
    assert checked.network is not None
    item = next(item for item in checked.network.root.walk() if item.path == path)
    return (item,) if isinstance(item, Node) else tuple(item.nodes()), item.output


def _seen(entry: Mapping[str, Any]) -> list[str]:
    """What a step sees, beside the name that the published table has for it."""
    name, _, step = entry["computed"].partition(":")
    found = check(SPECS / entry["file"], entry["set"]) if "set" in entry else _checked(name)
    assert found.results is not None
    field = found.results.fields[_step(found, step)[1].node]
    assert isinstance(field, ReceptiveField)
    here = f"`{name}`, `{step}`" + "".join(f", {k}: {v}" for k, v in entry.get("set", {}).items())
    stride = figures.pair(as_numbers(field.stride))
    published = f"{entry['model']}, {entry['point']}"
    return [published, entry.get("source", TABLE), here, figures.field(field), stride]


def recipes_page() -> str:
    """docs/recipes.md: the page as it stands, with its tables made anew."""
    rows = (_recipe(recipe_file.read_recipe(name)) for name in sorted(recipe_file.list_recipes()))
    parts = {
        "recipes": _table("recipe|what it is|from", rows),
        "keys": "\n".join(_sections()),
    }
    return _filled(DOCS / "recipes.md", parts)


def _recipe(recipe: Recipe) -> list[str]:
    optimizer, schedule = recipe.optimizer, recipe.schedule
    figures = f"{recipe.epochs} epochs of batches of {recipe.batch_size}"
    rate = f"{optimizer.name} at {optimizer.lr:g}, {schedule.name.replace('_', ' ')}"
    return [f"`{recipe.name}`", f"{figures}; {rate}", recipe.source]


KINDS = {
    "optimizer": (recipes.Sgd, recipes.Adam, recipes.AdamW, recipes.RmsProp),
    "schedule": (
        *(recipes.Constant, recipes.Step, recipes.Exponential, recipes.Cosine, recipes.OneCycle),
    ),
    "loss": (recipes.Loss,),
    "augment": (recipes.Augment,),
    "augment.crop": (recipes.RandomResizedCrop, recipes.ScaledCrop, recipes.CentreCrop),
    "normalize": (recipes.Normalize,),
    "test": (recipes.TestCrops,),
    "early_stopping": (recipes.EarlyStopping,),
}
"""The sections of a recipe, by where they stand; of those with several kinds, all of them."""


def _sections() -> Iterator[str]:
    yield f"{_prose(Recipe.__doc__ or '')}\n"
    yield _keys(Recipe)
    for place, kinds in KINDS.items():
        yield f"\n### {place}\n"
        if len(kinds) == 1:
            yield f"{_prose(kinds[0].__doc__ or '')}\n\n{_keys(kinds[0])}"
            continue
        base = kinds[0].__mro__[1]
        yield "One of these." if base is recipes.Section else _prose(base.__doc__ or "")
        for kind in kinds:
            yield f"\n#### {place}: `{kind.model_fields['name'].default}`\n"
            yield f"{_prose(kind.__doc__ or '')}\n\n{_keys(kind)}"


def _keys(section: type[recipes.Section]) -> str:
    """A table of the keys that a section may have."""
    schema = section.model_json_schema()
    rows = [
        [f"`{name}`", _allowed(schema["properties"][name], name), _given(field)]
        for name, field in section.model_fields.items()
        if not (name == "name" and len(get_args(field.annotation)) == 1)
    ]
    return _table("key|what it is|default", iter(rows)) if rows else "It has no values."


def _given(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    default = field.default
    if isinstance(default, recipes.Section):
        return f"`{default.model_dump().get('name', 'the defaults below')}`"
    return f"`{json.dumps(TypeAdapter(Any).dump_python(default, mode='json'))}`"


def _allowed(schema: Mapping[str, Any], name: str) -> str:
    """What may stand at a key, from its JSON schema, in words."""
    if "anyOf" in schema:
        return " or ".join(_allowed(option, name) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{word}`" for word in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema or "oneOf" in schema:
        return f"[a section](#{'augmentcrop' if name == 'crop' else name})"
    if schema["type"] == "array":
        items = schema.get("prefixItems") or [schema["items"]]
        number = f"[{', '.join('…' for _ in items)}]: " if "prefixItems" in schema else "a list: "
        return number + _allowed(items[0], name)
    return WORDS.get(schema["type"], "a number") + _limits(schema)


WORDS = {
    "integer": "a whole number",
    "boolean": "`true` or `false`",
    "null": "`~`",
    "string": "a text",
}


def _limits(schema: Mapping[str, Any]) -> str:
    names = (
        ("exclusiveMinimum", "above"),
        ("minimum", "from"),
        ("exclusiveMaximum", "below"),
        ("maximum", "to"),
    )
    said = [f"{word} {schema[name]:g}" for name, word in names if name in schema]
    return f" {' '.join(said)}" if said else ""


PAGES: dict[str, Callable[[], str]] = {
    "ops.md": ops_page,
    "language.md": language_page,
    "diagnostics.md": lambda: catalogue.markdown() + "\n",
    "recipes.md": recipes_page,
    "zoo.md": zoo_page,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` say which are not current; 1 if any is not."""
    stale = []
    for name, write in PAGES.items():
        page, text = DOCS / name, write()
        if page.is_file() and page.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            page.write_text(text, encoding="utf-8")
    if stale:
        done = "not current" if "--check" in arguments else "written"
        sys.stdout.write(f"{done}: {', '.join(stale)}\n")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
