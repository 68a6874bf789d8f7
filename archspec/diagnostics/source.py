"""AS1xx: problems of the YAML text itself, before it means anything."""

from archspec.diagnostics.base import Diagnostic


class YamlSyntax(Diagnostic):
    """The text is not YAML.

    Reading stops there, so only the first syntax error of a file is shown.
    """

    code = "AS101"
    name = "yaml-syntax"
    template = "this is not valid YAML: {problem}"


class DuplicateKey(Diagnostic):
    """A mapping has the same key twice.

    YAML libraries keep the last one in silence; here it is an error, since one of the two
    is not what its author thinks it is.
    """

    code = "AS102"
    name = "duplicate-key"
    template = "`{key}` is already given on line {first}"
    advice = "keep one of the two"


class AnchorOrAlias(Diagnostic):
    """Anchors (`&name`), aliases (`*name`) and merge keys (`<<`) are refused.

    A few lines of them can stand for gigabytes. Repetition belongs into `defaults`
    (or `columns`).
    """

    code = "AS103"
    name = "anchor-or-alias"
    template = "{what} is refused: anchors, aliases and merge keys are not part of the language"
    advice = "write the values out, or put what rows share under `defaults`"


class Tag(Diagnostic):
    """A YAML tag (`!!python/object`, `!!str`, …) is refused: a spec is data only."""

    code = "AS104"
    name = "yaml-tag"
    template = "the tag `{tag}` is refused: tags are not part of the language"
    advice = "remove the tag; write quotes where a text is meant"


class TooDeep(Diagnostic):
    """The text nests lists and mappings deeper than any layer table needs."""

    code = "AS105"
    name = "nested-too-deep"
    template = "lists and mappings nest more than {limit} deep"
    advice = "flatten the table"


class TooLarge(Diagnostic):
    """The file is larger than a spec may be."""

    code = "AS106"
    name = "file-too-large"
    template = "the spec is {size} bytes long; at most {limit} are read"
    advice = "split the network into several specs"


class SeveralDocuments(Diagnostic):
    """A file holds more than one YAML document (`---`)."""

    code = "AS107"
    name = "several-documents"
    template = "a second YAML document begins here; one file is one spec"
    advice = "remove `---`, or put the second spec into a file of its own"


class KeyNotText(Diagnostic):
    """A mapping's key is a list or a mapping."""

    code = "AS108"
    name = "key-not-text"
    template = "a key has to be a plain word, not a {found}"
    advice = "check the brackets before the colon"


class TooManyValues(Diagnostic):
    """The text holds more keys, values and brackets than are read."""

    code = "AS109"
    name = "too-many-values"
    template = "more than {limit} keys, values and brackets stand before this"
    advice = "rows that are alike are one row with `repeat` or `each`"
