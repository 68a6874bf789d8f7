"""Which names a step may have: those that PyTorch and Python allow for a module."""

from keyword import iskeyword

# What nn.Module has already, and what a generated module imports.
_TAKEN = frozenset(
    """
    forward training train eval parameters buffers modules children named_parameters named_buffers
    named_modules named_children state_dict load_state_dict register_buffer register_parameter
    register_module add_module get_submodule get_parameter get_buffer apply to cpu cuda float
    double half bfloat16 type zero_grad requires_grad_ share_memory extra_repr compile append
    extend insert pop self torch nn F math input x
    """.split()  # noqa: SIM905 - sixty quoted words would be harder to read
)


def problem_with(name: str) -> str | None:
    """Why `name` cannot name a step, or None when it can."""
    if name.isascii() and name.isdigit():
        return None if name == str(int(name[:64])) else "a number does not start with 0"
    problems = (
        (
            not (name.isascii() and name.isidentifier()),
            "a name has letters, digits and `_`, and does not begin with a digit",
        ),
        (iskeyword(name), "it is a word of the Python language"),
        (name.startswith("_"), "names that begin with `_` are internal to PyTorch's modules"),
        (name in _TAKEN, "PyTorch's modules already have something of that name"),
        (len(name) > 64, "it is longer than 64 characters"),
    )
    return next((problem for found, problem in problems if found), None)
