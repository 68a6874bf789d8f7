"""Statements and definitions as lines, broken as `ruff format` breaks them.

What fits on its line stays there. Of what does not, the arguments of a call go to one line of their
own where they fit on that; else every item gets a line and a trailing comma. An operation outside
of brackets gets parentheses, and breaks in front of its operators.
"""

from collections.abc import Iterator, Sequence

from archspec.targets.python.text import at_least, clause, flat, precedence, target
from archspec.targets.python.tree import (
    Argument,
    Assign,
    Augment,
    Binary,
    Boolean,
    Call,
    Compare,
    Conditional,
    Dict,
    Evaluate,
    Expr,
    For,
    Function,
    Generator,
    If,
    Keyword,
    Lambda,
    List,
    Parameter,
    Return,
    Starred,
    Statement,
    Subscript,
    Tuple,
    Unary,
)

WIDTH = 88
"""What `ruff format` and Black allow a line unless told otherwise."""
INDENT = 4

_OPERATION = (Binary, Boolean, Compare, Conditional, Unary)


def statements(body: Sequence[Statement], indent: int) -> Iterator[str]:
    """Statements at an indentation, in columns."""
    for statement in body:
        yield from _statement(statement, indent)


def _statement(statement: Statement, indent: int) -> Iterator[str]:
    match statement:
        case Assign(target=bound, value=value, annotation=annotation):
            typed = "" if annotation is None else f": {flat(annotation)}"
            yield from lines(f"{target(bound)}{typed} = ", value, indent)
        case Augment(target=bound, op=op, value=value):
            yield from lines(f"{flat(bound)} {op}= ", value, indent)
        case Evaluate(value=value):
            yield from lines("", value, indent)
        case Return(value=Tuple(items=(_, _, *_)) as several) if _fits(several, indent):
            yield f"{' ' * indent}return {', '.join(map(flat, several.items))}"
        case Return(value=value):
            yield from lines("return ", value, indent)
        case For(target=bound, iterable=iterable, body=body):
            yield from lines(f"for {target(bound)} in ", iterable, indent, ":")
            yield from statements(body, indent + INDENT)
        case If():
            yield from _conditions(statement, indent)


def _fits(several: Tuple, indent: int) -> bool:
    """Whether values fit on the line that gives them back, without parentheses around them."""
    return indent + len("return ") + len(", ".join(map(flat, several.items))) <= WIDTH


def _conditions(statement: If, indent: int) -> Iterator[str]:
    """`if`, as many `elif` as there are, and `else`."""
    word = "if "
    while True:
        yield from lines(word, statement.test, indent, ":")
        yield from statements(statement.body, indent + INDENT)
        match statement.orelse:
            case (If() as nested,):
                statement, word = nested, "elif "
            case ():
                return
            case otherwise:
                yield f"{' ' * indent}else:"
                yield from statements(otherwise, indent + INDENT)
                return


def signature(function: Function, indent: int) -> Iterator[str]:
    """The `def` line or lines; parameters that only go by name stand behind a `*`."""
    if function.static:
        yield f"{' ' * indent}@staticmethod"
    by_position = [p for p in function.parameters if not p.keyword_only]
    by_name = [p for p in function.parameters if p.keyword_only]
    items = [*map(parameter, by_position), *(["*", *map(parameter, by_name)] if by_name else [])]
    start = f"{' ' * indent}def {function.name}("
    end = f") -> {flat(function.returns)}:"
    inside = ", ".join(items)
    if len(start + inside + end) <= WIDTH:
        yield start + inside + end
        return
    yield start
    if indent + INDENT + len(inside) <= WIDTH:
        yield " " * (indent + INDENT) + inside
    else:
        for part in by_position:
            yield from _parameter_lines(part, indent + INDENT)
        if by_name:
            yield f"{' ' * (indent + INDENT)}*,"
        for part in by_name:
            yield from _parameter_lines(part, indent + INDENT)
    yield " " * indent + end


def _parameter_lines(part: Parameter, indent: int) -> Iterator[str]:
    """A parameter on a line, or on several where its annotation or default is too long."""
    text = parameter(part)
    if part.annotation is None or indent + len(text) + 1 <= WIDTH:
        yield f"{' ' * indent}{text},"
        return
    if isinstance(part.default, Call | Tuple):
        yield from lines(f"{part.name}: {flat(part.annotation)} = ", part.default, indent, ",")
        return
    default = "" if part.default is None else f" = {flat(part.default)}"
    yield from lines(f"{part.name}: ", part.annotation, indent, f"{default},")


def parameter(parameter: Parameter) -> str:
    """`name: annotation = default`."""
    text = parameter.name
    if parameter.annotation is not None:
        text += f": {flat(parameter.annotation)}"
    if parameter.default is not None:
        equals = " = " if parameter.annotation is not None else "="
        text += equals + flat(parameter.default)
    return text


def lines(prefix: str, expr: Argument, indent: int, suffix: str = "") -> Iterator[str]:
    """`prefix expr suffix` at an indentation, as lines of at most `WIDTH` where that can be."""
    start = " " * indent + prefix
    if not _is_spread(expr):
        text = flat(expr)
        if len(start + text + suffix) <= WIDTH:
            yield start + text + suffix
            return
    match expr:
        case Keyword(name=name, value=value):
            yield from lines(f"{prefix}{name}=", value, indent, suffix)
        case Starred(value=Generator() as value):
            yield from _generator(f"{start}*", value, indent, suffix, "[]")
        case Starred(value=value):
            yield from lines(f"{prefix}*", value, indent, suffix)
        case Lambda(body=body):
            yield from lines(f"{prefix}{expr.start}", body, indent, suffix)
        case Generator():
            yield from _generator(start, expr, indent, suffix)
        case Call() | Tuple() | List() | Dict() | Subscript():
            yield from _bracketed(prefix, expr, indent, suffix)
        case _ if isinstance(expr, _OPERATION):
            yield from _operation(prefix, expr, indent, suffix)
        case _:
            yield start + flat(expr) + suffix  # there is nothing to break at


def _is_spread(expr: object) -> bool:
    """Whether something in an expression has to stand on lines of its own."""
    match expr:
        case Tuple(items=items, spread=spread):
            # the comma that a tuple of one item needs anyway says nothing of lines
            return (spread and len(items) > 1) or any(map(_is_spread, items))
        case List(items=items, spread=spread):
            return spread or any(map(_is_spread, items))
        case Dict(items=pairs, spread=spread):
            return spread or any(_is_spread(value) for _, value in pairs)
        case Call(function=function, arguments=arguments, spread=spread):
            return spread or _is_spread(function) or any(map(_is_spread, arguments))
        case Keyword(value=value) | Starred(value=value):
            return _is_spread(value)
        case Generator(element=element, iterable=iterable):
            return _is_spread(element) or _is_spread(iterable)
        case _:
            return False


def _generator(
    start: str, expr: Generator, indent: int, suffix: str, brackets: str = "()"
) -> Iterator[str]:
    yield start + brackets[0]
    yield from _elements(expr, indent + INDENT)
    yield " " * indent + brackets[1] + suffix


def _elements(expr: Generator, indent: int) -> Iterator[str]:
    """A generator without its parentheses."""
    text = flat(expr)[1:-1]
    if indent + len(text) <= WIDTH and not _is_spread(expr):
        yield " " * indent + text
        return
    yield from lines("", expr.element, indent)
    head = f"for {target(expr.target)} in "
    if len(clause(expr)) + indent <= WIDTH:
        yield " " * indent + clause(expr)
    elif isinstance(expr.iterable, Conditional):
        yield from _operation(head, expr.iterable, indent, "")  # in parentheses even where it fits
    else:
        yield from lines(head, expr.iterable, indent)


def _bracketed(
    prefix: str, expr: "Call | Tuple | List | Dict | Subscript", indent: int, suffix: str
) -> Iterator[str]:
    """What has brackets to break in."""
    head, brackets, items = _parts(expr)
    opening, closing = brackets[0], brackets[1]
    start = " " * indent + prefix
    first = start + head + opening
    if prefix.endswith(" = ") and len(first) > WIDTH:
        yield f"{start}("
        yield from lines("", expr, indent + INDENT)
        yield f"{' ' * indent}){suffix}"
        return
    if not items:
        yield start + flat(expr) + suffix
        return
    yield first
    yield from _items(expr, items, indent + INDENT)
    yield " " * indent + closing + suffix


def _items(
    expr: "Call | Tuple | List | Dict | Subscript", items: Sequence[Argument], indent: int
) -> Iterator[str]:
    if isinstance(expr, Call) and len(items) == 1 and isinstance(items[0], Generator):
        yield from _elements(items[0], indent)
        return
    spread = getattr(expr, "spread", False) or any(map(_is_spread, items))
    inside = "" if spread else ", ".join(map(_item, items))
    whole = isinstance(expr, Call | Subscript)
    if inside and whole and indent + len(inside) <= WIDTH:
        yield " " * indent + inside
        return
    one_index = isinstance(expr, Subscript) and not isinstance(expr.index, tuple)
    comma = "" if one_index or (whole and _wraps_one(items, indent)) else ","
    for item in items:
        if isinstance(item, _Pair):
            yield from lines(f"{flat(item.key)}: ", item.value, indent, comma)
        else:
            yield from lines("", item, indent, comma)


class _Pair:
    """A key and its value, among the items of a dictionary."""

    def __init__(self, key: Expr, value: Expr) -> None:
        self.key = key
        self.value = value


def _item(item: "Argument | _Pair") -> str:
    return f"{flat(item.key)}: {flat(item.value)}" if isinstance(item, _Pair) else flat(item)


def _parts(expr: Expr) -> "tuple[str, str, Sequence[Argument]]":
    """What stands before the brackets, the brackets, and what is in them."""
    match expr:
        case Call(function=function, arguments=arguments):
            return at_least(function, 11), "()", arguments
        case Tuple(items=items):
            return "", "()", items
        case List(items=items):
            return "", "[]", items
        case Dict(items=pairs):
            return "", "{}", [_Pair(*pair) for pair in pairs]  # type: ignore[misc]  # see `_items`
        case Subscript(value=value, index=index):
            indices = index if isinstance(index, tuple) else (index,)
            return at_least(value, 11), "[]", indices  # type: ignore[return-value]  # slices, too
    raise TypeError(expr)  # pragma: no cover - every kind with brackets is above


def _wraps_one(items: Sequence[Argument], indent: int) -> bool:
    """Whether the only item is a bracket that breaks as well: no comma comes after such a one."""
    if len(items) != 1:
        return False
    item = items[0].value if isinstance(items[0], Starred) else items[0]
    bracketed = isinstance(item, Call | Tuple | List | Dict | Generator)
    return bracketed and (_is_spread(item) or indent + len(flat(items[0])) > WIDTH)


def _operation(prefix: str, expr: Expr, indent: int, suffix: str) -> Iterator[str]:
    """An operation on lines of its own, in parentheses unless it stands in brackets already."""
    start = " " * indent + prefix
    loose = not prefix and suffix in (",", "")
    if loose:
        *before, last = _broken(expr, indent)
        yield from before
        yield last + suffix
        return
    yield f"{start}("
    text = flat(expr)
    if indent + INDENT + len(text) <= WIDTH:
        yield " " * (indent + INDENT) + text
    else:
        yield from _broken(expr, indent + INDENT)
    yield f"{' ' * indent}){suffix}"


def _broken(expr: Expr, indent: int) -> Iterator[str]:
    """The operands of an operation, each on a line that begins with the operator before it."""
    for word, operand, level in _operands(expr):
        text = at_least(operand, level)
        if precedence(operand) < level and indent + len(word + text) > WIDTH:
            yield f"{' ' * indent}{word}("
            yield from lines("", operand, indent + INDENT)
            yield f"{' ' * indent})"
        elif precedence(operand) < level:
            yield f"{' ' * indent}{word}{text}"
        else:
            yield from lines(word, operand, indent)


def _operands(expr: Expr) -> Iterator[tuple[str, Expr, int]]:
    """Operators (none before the first) and operands, with what these have to hold together."""
    own = precedence(expr)
    match expr:
        case Binary(op="**"):
            yield "", expr, own
        case Binary(left=left, op=op, right=right):
            if precedence(left) == own and isinstance(left, Binary):
                yield from _operands(left)
            else:
                yield "", left, own
            yield f"{op} ", right, own + 1
        case Boolean(op=op, values=values):
            yield from ((f"{op} " if i else "", value, own + 1) for i, value in enumerate(values))
        case Compare(operands=operands, ops=ops):
            for word, operand in zip(("", *ops), operands, strict=True):
                yield f"{word} " if word else "", operand, own + 1
        case Conditional(test=test, body=body, orelse=orelse):
            yield "", body, 2
            yield "if ", test, 2
            yield "else ", orelse, 2
        case Unary(op=op, operand=operand):
            yield "not " if op == "not" else op, operand, own
