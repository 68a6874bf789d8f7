"""The loop in which a constructor says how parameters begin, known by its form."""

from collections.abc import Sequence

from archspec.targets.python import tree


def only_begins(loop: tree.For) -> bool:
    """Whether a loop asks what each module is, and does nothing but to call `nn.init` then.

    What it does follows from the class of the module and its attributes: it is the same for all
    layers that were made alike, and nothing for objects of a class that it does not ask for.
    """
    variable = loop.target
    return (
        isinstance(variable, tree.Name)
        and _asks_first(loop.body, variable)
        and all(_is_plain(node, variable) for node in tree.walk(*loop.body))
        and _looks_inside(loop.body, variable)
    )


def _asks_first(body: Sequence[tree.Statement], variable: tree.Name) -> bool:
    """Whether every statement is an `if isinstance(variable, …)`, down to the last `else`."""
    for statement in body:
        if not isinstance(statement, tree.If) or not _asks_first(statement.orelse, variable):
            return False
        test: tree.Expr = statement.test
        if isinstance(test, tree.Boolean) and test.op == "and":
            test = test.values[0]
        if not _is_question(test, variable):
            return False
    return True


def _is_question(node: tree.Node, variable: tree.Name) -> bool:
    return (
        isinstance(node, tree.Call)
        and node.function == tree.Name("isinstance")
        and node.arguments[:1] == (variable,)
    )


def _is_plain(node: tree.Node, variable: tree.Name) -> bool:
    """Whether nothing is done but to ask for a class, and to call `nn.init` of what is inside."""
    match node:
        case tree.Assign() | tree.Augment() | tree.Return() | tree.For() | tree.Generator():
            return False
        case tree.Call(function=tree.Attribute(value=tree.Name(id="math"))):
            return True  # a number, such as `math.sqrt(5)`
        case tree.Call(function=tree.Attribute(value=owner), arguments=(parameter, *_)):
            return owner == _INIT and _is_of(parameter, variable)
        case tree.Call():
            return _is_question(node, variable)
    return True


def _is_of(part: tree.Node, variable: tree.Name) -> bool:
    """Whether something is an attribute of the variable, or of one of its attributes."""
    while isinstance(part, tree.Attribute):
        part = part.value
    return part == variable


def _looks_inside(body: Sequence[tree.Statement], variable: tree.Name) -> bool:
    """Whether the variable stands only where its class is asked for, or an attribute."""
    nodes = list(tree.walk(*body))
    inside = [n for n in nodes if isinstance(n, tree.Attribute) and n.value == variable]
    asked = [node for node in nodes if _is_question(node, variable)]
    return sum(node == variable for node in nodes) == len(inside) + len(asked)


_INIT = tree.dotted("nn.init")
