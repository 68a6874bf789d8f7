"""Which names a step may have: those that PyTorch and Python allow for a module, or a value."""

from functools import lru_cache
from keyword import iskeyword

# What nn.Module and nn.Sequential have already: a step that is a module cannot be called so.
TAKEN = frozenset(
    """
    T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu cuda
    double dump_patches eval extend extra_repr float forward get_buffer get_extra_state
    get_parameter get_submodule half insert ipu load_state_dict modules mtia named_buffers
    named_children named_modules named_parameters parameters pop register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state
    set_submodule share_memory state_dict to to_empty train training type xpu zero_grad
    """.split()  # noqa: SIM905 - eighty quoted words would be harder to read
)
_MEANT = frozenset({"none", "previous"})


@lru_cache(maxsize=1024)  # a block has the same names wherever it stands
def problem_with(name: str, *, in_group: bool = False, makes_module: bool = True) -> str | None:
    """Why `name` cannot name a step, or None when it can.

    Steps of a group are keys of an nn.Sequential, not attributes of a class: those may have a `-`
    inside. What makes no module, such as a sum, may be called what modules have already.
    """
    if name.isascii() and name.isdigit():
        return None if name == str(int(name[:64])) else "a number does not start with 0"
    dashed = in_group and not name.endswith("-")
    identifier = name.replace("-", "_") if dashed else name
    problems = (
        (
            not (name.isascii() and identifier.isidentifier()) or name.startswith("-"),
            "a name has letters, digits and `_`, and does not begin with a digit",
        ),
        (iskeyword(name), "it is a word of the Python language"),
        (name.startswith("_"), "names that begin with `_` are internal to PyTorch's modules"),
        (name in _MEANT, "it means something of its own in `from`"),
        (name == "input", "it stands for what arrives at the body"),
        (makes_module and name == "self", "a module that was traced calls itself so"),
        (makes_module and name in TAKEN, "PyTorch's modules already have something of that name"),
        (len(name) > 64, "it is longer than 64 characters"),
    )
    return next((problem for found, problem in problems if found), None)
