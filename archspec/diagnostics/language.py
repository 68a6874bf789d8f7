"""AS2xx: problems of what is written: keys, names, values, expressions."""

import re
from typing import Any

from archspec.diagnostics.base import Diagnostic, SpecPath


class WrongType(Diagnostic):
    """A value has another form than the one its place asks for."""

    code = "AS201"
    name = "wrong-type"
    template = "{what} has to be {wanted}, not {found}"


class UnknownKey(Diagnostic):
    """A key that means nothing here. It is never ignored: a typo would become a default."""

    code = "AS202"
    name = "unknown-key"
    template = "{owner} has no key `{key}`"


class MissingKey(Diagnostic):
    """Something required is not given."""

    code = "AS203"
    name = "missing-key"
    told_by = ("key",)
    template = "{owner} needs `{key}`"


class UnknownOp(Diagnostic):
    """The row's `op` is not one of the operations archspec knows."""

    code = "AS204"
    name = "unknown-op"
    template = "there is no op `{op}`"


class NoOp(Diagnostic):
    """A row says neither which `op` it is nor which `layers` it groups."""

    code = "AS205"
    name = "row-without-op"
    template = "this row has neither an `op` nor `layers`{more}"
    advice = "say what the step does, `op: conv2d` for example, or give a group its `layers`"


class InvalidValue(Diagnostic):
    """An attribute of an op has a value it cannot take."""

    code = "AS206"
    name = "invalid-value"
    template = "{problem}"


class InvalidName(Diagnostic):
    """A step's name cannot be the name of a module in PyTorch, or a variable's none in Python.

    Names become attributes of the generated class and parts of the parameter names, so they
    are Python identifiers (or whole numbers, as in `nn.Sequential`).
    """

    code = "AS207"
    name = "invalid-name"
    template = "`{name}` cannot be the name of {what}: {reason}"

    def __init__(self, where: SpecPath, **facts: Any) -> None:
        super().__init__(where, **facts)
        usable = re.sub(r"\W+", "_", str(facts["name"]), flags=re.ASCII).strip("_")
        if (
            not self.help
            and usable != facts["name"]
            and str(facts["name"]).isascii()
            and usable.isidentifier()
        ):
            self.help = f"`{usable}` can be one"


class DuplicateName(Diagnostic):
    """Two steps of one body have the same name."""

    code = "AS208"
    name = "duplicate-name"
    template = "there is already a step `{name}` in this body"
    advice = "give one of the two another name"


class ColumnsMissing(Diagnostic):
    """A row is written as a list, but no `columns` say what its cells mean."""

    code = "AS209"
    name = "columns-missing"
    template = "this row is a list, but no `columns` say what its cells mean"
    advice = (
        "add `columns: [name, op, kernel_size, out_channels, padding, stride]` beside `layers`, "
        "or write the row as a mapping"
    )


class TooManyCells(Diagnostic):
    """A list row has more cells than there are columns."""

    code = "AS210"
    name = "too-many-cells"
    template = "this row has {cells} cells, but there are {columns} columns"
    advice = "remove a cell, or name one more column"


class InvalidExpression(Diagnostic):
    """An expression cannot be read or computed.

    The grammar is small on purpose: numbers, names, arithmetic, comparison, and/or/not,
    `a if c else b`, indexing, and a few functions. See `docs/language.md`.
    """

    code = "AS211"
    name = "invalid-expression"
    told_by = ("text",)
    template = "`{text}`: {problem}"


class UnknownVersion(Diagnostic):
    """`archspec:` gives the version of the language, which is 1."""

    code = "AS212"
    name = "unknown-version"
    template = "this spec is written for version {version} of the language; this program reads 1"
    advice = "write `archspec: 1`"


class UnknownVariable(Diagnostic):
    """`--set`, or a variant, names a variable that the spec does not have."""

    code = "AS213"
    name = "unknown-variable"
    template = "the spec has no variable `{name}`"


class EmptyBody(Diagnostic):
    """A body has no steps."""

    code = "AS214"
    name = "empty-body"
    template = "{owner} has no steps"
    advice = "write at least one row"


class PaddingReadAsBeforeAfter(Diagnostic):
    """`padding: [a, b]` beside a kernel that is not square is easily misread.

    In a layer table `[a, b]` is *before* and *after*, on both axes (AlexNet's `[1, 2]`); in
    PyTorch a pair is *height* and *width*. Beside `kernel_size: [1, 7]`, `padding: [0, 3]` was
    probably meant per axis.
    """

    code = "AS215"
    name = "ambiguous-padding"
    severity = "warning"
    template = (
        "padding [{a}, {b}] is read as {a} before and {b} after, on both axes, beside a "
        "{kernel} kernel"
    )
    advice = (
        "per axis is written {{height: {a}, width: {b}}}; to keep this reading and silence the "
        "warning write [[{a}, {b}], [{a}, {b}]]"
    )


class TooManySteps(Diagnostic):
    """The spec unfolds to more steps than are analysed.

    Those included that `when` leaves out, and with all variants of a family together; a row of long
    expressions counts as several.
    """

    code = "AS216"
    name = "too-many-steps"
    template = "the spec unfolds to more than {limit} steps"
    advice = (
        "no convolutional network of the literature comes near that; is there a `repeat` too many, "
        "or are there blocks that multiply?"
    )


class UnknownStep(Diagnostic):
    """`from` (or an output) names a step that does not stand before it in its body.

    A step sees the steps before it in its own body, and what arrives at the body as `input`; what
    is inside a group or a block is that body's own affair. So a network has no cycles.
    """

    code = "AS217"
    name = "unknown-step"
    template = "{problem}"


class RecursiveBlock(Diagnostic):
    """A block contains itself, directly or through other blocks, without an end.

    One may use itself: with an argument that becomes less, and a `when` that ends it.
    """

    code = "AS218"
    name = "recursive-block"
    template = "the block contains itself without an end: {cycle}"
    advice = "give it an argument that becomes less, and end it with `when`, as `when: depth > 1`"


class VariableUnset(Diagnostic):
    """A variable is left to the variants (`~`), and nothing sets it."""

    code = "AS219"
    name = "variable-unset"
    told_by = ("name",)
    template = "`{name}` has no value: it is `~` in `vars`, and {who}"
    advice = "give it a value in `vars`, in the variant, or with `--set {name}=…`"


class OneInput(Diagnostic):
    """A step that takes one input is given several, or branches."""

    code = "AS220"
    name = "one-input"
    template = "{op} takes one input, and {count} arrive"
    advice = "bring them together first: `op: concat`, `add` or `mul`"


class UnusedStep(Diagnostic):
    """Nothing reads what a step puts out: its module is there, but nothing calls it."""

    code = "AS221"
    name = "unused-step"
    severity = "warning"
    follows = True
    template = "nothing reads what {step} puts out"
    advice = "name it in a `from`, or among the `outputs`, or take it out"


class OutputMissing(Diagnostic):
    """An output's step is not there: its `when` is false, or it is repeated no times."""

    code = "AS222"
    name = "output-missing"
    template = "the output `{name}` is the step `{of}`, which is left out"
    advice = "an output that may be missing says so, `optional: true`; or the step has an `else`"


class TooDeeplyNested(Diagnostic):
    """Blocks stand in blocks deeper than any network needs."""

    code = "AS223"
    name = "nested-too-deeply"
    template = "blocks and groups stand more than {limit} deep in each other"
    advice = "use `repeat` for a stack of blocks"


class FollowsFromInput(Diagnostic):
    """A row says what follows from what arrives at it, as other tools want to be told.

    How many channels or features arrive is computed, so that a table cannot contradict itself.
    """

    code = "AS224"
    name = "follows-from-input"
    severity = "warning"
    template = "`{key}` follows from what arrives: {count}"
    advice = "leave it out"


class AmbiguousInput(Diagnostic):
    """A row reads the one before it, and that one, which reads another step, may not be there.

    Without it the row would read the step before both, as if the one that is left out were not
    written. Somebody may as well have meant what the one that is left out would have read. So
    `from` has to say which.
    """

    code = "AS228"
    name = "ambiguous-input"
    template = "what {reader} reads is not clear where {left_out} is left out: {readings}"
    advice = "say what it reads with `from`; the step before is `from: previous`"


class NothingArrives(Diagnostic):
    """A step reads the name of one that is left out, and that stands for nothing.

    `else: none` says so. A merge is then one of fewer, and a block may have inputs that are
    optional; every other step needs what it reads. The name of a merge that is left out stands for
    nothing either, unless `else` says what.
    """

    code = "AS229"
    name = "nothing-arrives"
    template = "{problem}"


class WrongInputs(Diagnostic):
    """A block is given other inputs than it has."""

    code = "AS230"
    name = "wrong-inputs"
    template = "{problem}"


class ReadTwice(Diagnostic):
    """A merge reads one value twice, since the name of a step that is left out stands for it.

    Without an `else` the name stands for what the step would have read. That is right for the
    shortcut of a ResNet, which something else is added to. But where the sum has that very value
    already, it doubles it, and a gate that is left out squares what it should have scaled.
    """

    code = "AS231"
    name = "read-twice"
    severity = "warning"
    template = "{merge} reads {twice} twice: {left_out} is left out, and stands for it"
    advice = (
        "say what is meant: with `else: none` its term is not there, "
        "with `else: STEP` its name stands for that step, this one or another"
    )


class ChainReadAsBranches(Diagnostic):
    """A repeated row with one constant `from` is a chain, and another row reads all its places.

    Only its first place reads what `from` says: each of the others reads the place before it. That
    is what a densely read chain means, but somebody may have meant steps beside each other.
    """

    code = "AS232"
    name = "chain-read-as-branches"
    severity = "warning"
    template = (
        "`from: {read}` is read by the first place of `{step}` alone: each of the others reads the "
        "place before it, and `{step}.*` all of them"
    )
    advice = (
        "for steps that all read `{read}` write `branches: [{{op: …, beside: …}}]`; "
        "for a chain `from: {read} if i == 0 else previous`"
    )


class MergeOfOne(Diagnostic):
    """A merge that names a single step: it puts out what it reads."""

    code = "AS233"
    name = "merge-of-one"
    severity = "warning"
    follows = True
    template = "this {op} brings together one step alone, `{read}`: it changes nothing"
    advice = "name what else meets here, `from: [{read}, STEP]`, or take the row out"


class ContradictsInput(Diagnostic):
    """A row says how many channels or features arrive at it, and others do."""

    code = "AS225"
    name = "contradicts-input"
    template = "`{key}` is {given}, but {count} arrive{behind}"
    advice = "leave it out, it follows from what arrives; or change what comes before"


class ChannelsLastInput(Diagnostic):
    """The input looks like a picture with its channels last, and means something else.

    A list is in PyTorch's order, [channels, height, width]; a text is as papers write it,
    height×width×channels. So `[224, 224, 3]` are 224 channels of 224×3.
    """

    code = "AS226"
    name = "channels-last-input"
    severity = "warning"
    template = "`input` has {channels} channels of {height}×{width}: {how}"
    advice = "where a picture is meant, write `input: {picture}`"


class Unused(Diagnostic):
    """A variable, an argument, a block, a column or defaults that nothing uses.

    A column is, too, in which no row has anything, and a default for which every row has a value of
    its own. Whoever wrote it thinks that it does something. It is judged by the text, over all
    members of a family; the arguments of blocks that a computed `op` may stand for count as used.
    """

    code = "AS227"
    name = "unused"
    severity = "warning"
    follows = True
    template = "nothing uses the {what} `{name}`{of}"
    advice = "use it, or take it out"
