"""AS5xx: what can be analysed, but is not written as code."""

from archspec.diagnostics.base import Diagnostic


class ModuleTooLong(Diagnostic):
    """A network can be analysed, but its code would be longer than anybody, or any tool, can read.

    What a spec says once stands in the code once: a row is a line or two, whatever its `repeat`
    and `each` come to, and a block a class. It is rows without end that make code without end, or
    a network that can only be written step by step, which the message says then, and why.
    """

    code = "AS502"
    name = "module-too-long"
    template = "the code would be longer than {limit} lines{form}"
    advice = (
        "rows that differ in numbers only are one row, with `repeat` or `each`; "
        "what comes again is a block"
    )


class CodeNotEqual(Diagnostic):
    """No form of the code came out equal to the network, so nothing is written.

    Before anything is written, the code is executed on symbols and compared with the network, step
    by step. Where even the plain form differs the fault is archspec's own, and not the spec's.
    """

    code = "AS503"
    name = "code-not-equal"
    template = "no code came out equal to this network: {reason}"
    advice = "this is a fault of archspec: please report it, with the spec"
