"""AS5xx: what can be analysed, but has no plain form in generated code."""

from archspec.diagnostics.base import Diagnostic


class CannotBeWritten(Diagnostic):
    """A network can be analysed, but a step of it has no plain form in the target's language.

    Code is written from the rows, not from the layers that they unfold to: a block is one class,
    whatever it is used for. What differs from use to use has to be an argument of the block.
    """

    code = "AS501"
    name = "cannot-be-written"
    template = "this cannot be generated: {problem}"
