"""A class before it is one: what its constructor is given, and the statements of its methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archspec.targets.python.tree import (
    Attribute,
    Binary,
    Call,
    Class,
    Evaluate,
    Expr,
    Field,
    Function,
    Literal,
    Name,
    Parameter,
    Statement,
    dotted,
    names_in,
)
from archspec.targets.torch.rows.records import Record
from archspec.targets.torch.rows.unit import (
    Argument,
)

TENSOR = dotted("torch.Tensor")
SUPER = Attribute(Call(Name("super")), "__init__")
INTEGER = Name("int")


@dataclass
class Draft:
    """A class before it is one: its constructor's arguments, and the statements of its methods.

    `outs` are the channels of what it gives on in terms of its arguments, None where they cannot be
    said. `inputs` are the names of what its forward takes, with their annotations, `also` those of
    the channels that it takes beside the first. `outputs` are the names of what it gives back, and
    whether that may be None; `records` the classes of the rows that it is given in tables,
    `methods` what its constructor calls. What it repeats
    is so `fewest` times.
    """

    name: str
    base: Expr
    outs: tuple[Expr | None, ...]
    docstring: str = ""
    arguments: tuple[Argument, ...] = ()
    takes_channels: bool = False
    init: list[Statement] = field(default_factory=list)
    forward: list[Statement] = field(default_factory=list)
    outputs: tuple[tuple[str, bool], ...] = ()
    returns: Expr = TENSOR
    title: str = ""
    block: str = ""
    records: tuple[Record, ...] = ()
    methods: tuple[Function, ...] = ()
    inputs: Mapping[str, Expr] = field(default_factory=lambda: {"x": TENSOR})
    also: Mapping[str, Expr] = field(default_factory=dict)
    fewest: int = 0

    @property
    def out(self) -> Expr | None:
        """The channels of the first value that it gives."""
        return self.outs[0]

    @property
    def read(self) -> frozenset[str]:
        """The names that the constructor reads: what is not among them is no argument."""
        return names_in(*self.init)

    def classes(self) -> list[Class]:
        """The class, after those of the rows it is given and of what it gives back."""
        methods = []
        arguments = self.all_arguments()
        if self.init or arguments:
            plain = self.base == dotted("nn.Module")
            begin = [Evaluate(Call(SUPER))] if plain else []
            parameters = (Parameter("self"), *parameters_of(arguments))
            body = (*begin, *self.init)
            methods.append(Function("__init__", parameters, Literal(None), body))
        methods += self.methods
        if self.forward:
            parameters = (Parameter("self"), *(Parameter(*named) for named in self.inputs.items()))
            methods.append(Function("forward", parameters, self.returns, tuple(self.forward)))
        own = Class(self.name, self.base, self.docstring, methods=tuple(methods))
        before = [record.definition for record in self.records]
        return [*before, *([self._outputs_class()] if self.outputs else []), own]

    def all_arguments(self) -> list[Argument]:
        """The arguments of its constructor, the channels that arrive among them."""
        first = [Argument("in_channels", INTEGER)] if self.takes_channels else []
        return [*first, *(Argument(*named) for named in self.also.items()), *self.arguments]

    def _outputs_class(self) -> Class:
        fields = tuple(
            Field(name, Binary(TENSOR, "|", Literal(None)) if optional else TENSOR)
            for name, optional in self.outputs
        )
        in_training = " in training" if self.returns != Name(f"{self.name}Outputs") else ""
        docstring = f"What {self.name} gives back{in_training}."
        return Class(f"{self.name}Outputs", Name("NamedTuple"), docstring, fields)


def parameters_of(arguments: Sequence[Argument]) -> tuple[Parameter, ...]:
    """Arguments as parameters, truth values behind the others."""
    found = [Parameter(a.name, a.annotation, a.default, a.is_flag) for a in arguments]
    return flags_last(sorted(found, key=lambda parameter: parameter.keyword_only))


def flags_last(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Parameters of which the last go by name only, without the `*` where Python needs none.

    Uses give them by name all the same.
    """
    has_default = [parameter.default is not None for parameter in parameters]
    if has_default != sorted(has_default):
        return tuple(parameters)
    return tuple(replace(parameter, keyword_only=False) for parameter in parameters)
