"""Expressions as text on one line."""

from archspec.targets.python.tree import (
    Attribute,
    Binary,
    Boolean,
    Call,
    Compare,
    Conditional,
    Dict,
    Expr,
    Format,
    Generator,
    Keyword,
    Lambda,
    List,
    Literal,
    Name,
    Slice,
    Starred,
    Subscript,
    Tuple,
    Unary,
)

_LAMBDA, _CONDITIONAL, _NOT, _COMPARE, _UNARY, _PRIMARY = 0, 1, 4, 5, 10, 12
_BOOLEAN = {"or": 2, "and": 3}
_BINARY = {"|": 6, "+": 8, "-": 8, "*": 9, "/": 9, "//": 9, "%": 9, "**": 11}


def precedence(expr: Expr) -> int:
    """How strongly an expression holds together: of two, the greater needs no parentheses."""
    match expr:
        case Lambda():
            return _LAMBDA
        case Conditional():
            return _CONDITIONAL
        case Boolean(op=op):
            return _BOOLEAN[op]
        case Compare():
            return _COMPARE
        case Binary(op=op):
            return _BINARY[op]
        case Unary(op=op):
            return _NOT if op == "not" else _UNARY
        case _:
            return _PRIMARY


def flat(node: "Expr | Keyword | Starred | Slice") -> str:
    """A node on one line."""
    match node:
        case Name(id=name):
            return name
        case Literal(value=value):
            return spell(value)
        case Attribute(value=value, name=name):
            return f"{at_least(value, _PRIMARY)}.{name}"
        case Keyword(name=name, value=value):
            return f"{name}={flat(value)}"
        case Starred(value=Generator() as value):
            return f"*[{flat(value)[1:-1]}]"
        case Starred(value=value):
            return f"*{at_least(value, _BINARY['|'])}"
        case Call(function=function, arguments=arguments):
            return f"{at_least(function, _PRIMARY)}({_arguments(arguments)})"
        case Subscript(value=value, index=index):
            indices = index if isinstance(index, tuple) else (index,)
            return f"{at_least(value, _PRIMARY)}[{', '.join(map(flat, indices))}]"
        case Slice(lower=lower, upper=upper):
            return _slice(lower, upper)
        case Tuple(items=items):
            return f"({', '.join(map(flat, items))}{',' if len(items) == 1 else ''})"
        case List(items=items):
            return f"[{', '.join(map(flat, items))}]"
        case Dict(items=pairs):
            return "{" + ", ".join(f"{flat(key)}: {flat(value)}" for key, value in pairs) + "}"
        case _:
            return _operation(node)


def _operation(node: Expr) -> str:
    own = precedence(node)
    match node:
        case Unary(op=op, operand=operand):
            return f"{'not ' if op == 'not' else op}{at_least(operand, own)}"
        case Binary(left=left, op="**", right=right):
            space = "" if _is_short(left) and _is_short(right) else " "
            exponent = flat(right) if isinstance(right, Unary) else at_least(right, own)
            base = flat(left) if precedence(left) > own else f"({flat(left)})"
            return f"{base}{space}**{space}{exponent}"
        case Binary(left=left, op=op, right=right):
            return f"{at_least(left, own)} {op} {at_least(right, own + 1)}"
        case Compare(operands=operands, ops=ops):
            first, *rest = (at_least(operand, own + 1) for operand in operands)
            return first + "".join(f" {op} {text}" for op, text in zip(ops, rest, strict=True))
        case Boolean(op=op, values=values):
            return f" {op} ".join(at_least(value, own + 1) for value in values)
        case Conditional(test=test, body=body, orelse=orelse):
            return f"{at_least(body, 2)} if {at_least(test, 2)} else {at_least(orelse, 2)}"
        case Lambda(body=body):
            return f"{node.start}{flat(body)}"
        case Generator(element=element):
            return f"({flat(element)} {clause(node)})"
        case Format(parts=parts):
            return 'f"' + "".join(map(_part, parts)) + '"'
    raise TypeError(node)  # pragma: no cover - every kind of expression is above


def _is_short(operand: Expr) -> bool:
    """Whether `**` stands close to an operand: a name, a number, or an attribute of a name."""
    match operand:
        case Name() | Literal(value=int() | float()):
            return True
        case Unary(op="-", operand=Literal(value=int() | float())):
            return True
        case Attribute(value=value):
            return isinstance(value, Name | Attribute) and _is_short(value)
    return False


def at_least(expr: Expr, level: int) -> str:
    """An expression, in parentheses where it holds together less than `level`."""
    text = flat(expr)
    number = isinstance(expr, Literal) and type(expr.value) is int and level == _PRIMARY
    return f"({text})" if precedence(expr) < level or number else text


def clause(generator: Generator) -> str:
    """What stands behind the element of a generator."""
    iterable = at_least(generator.iterable, _BOOLEAN["or"])
    return f"for {target(generator.target)} in {iterable}"


def target(expr: Expr) -> str:
    """What a loop or an assignment binds: a tuple stands there without parentheses."""
    if not isinstance(expr, Tuple):
        return flat(expr)
    return ", ".join(map(flat, expr.items)) + ("," if len(expr.items) == 1 else "")


def _arguments(arguments: "tuple[Expr | Keyword | Starred, ...]") -> str:
    if len(arguments) == 1 and isinstance(arguments[0], Generator):
        return flat(arguments[0])[1:-1]
    return ", ".join(map(flat, arguments))


def _slice(lower: Expr | None, upper: Expr | None) -> str:
    """`:2`, `-3:` and `a:b`, but `: b - 2`: a colon is an operator that binds loosely."""
    simple = all(end is None or _is_simple(end) for end in (lower, upper))
    ends = [None if end is None else flat(end) for end in (lower, upper)]
    if simple:
        return f"{ends[0] or ''}:{ends[1] or ''}"
    return " ".join(part for part in (ends[0], ":", ends[1]) if part)


def _is_simple(end: Expr) -> bool:
    match end:
        case Unary(op="-", operand=Name() | Literal()) | Name() | Literal():
            return True
    return False


def _part(part: Expr) -> str:
    if isinstance(part, Literal) and isinstance(part.value, str):
        return _quoted(part.value)[1:-1].replace("{", "{{").replace("}", "}}")
    return f"{{{flat(part)}}}"


def spell(value: object) -> str:
    """A number, truth value or text as one writes it in Python: `5e-4`, not `0.0005` or `1e-05`."""
    if isinstance(value, str):
        return _quoted(value)
    if not isinstance(value, float):
        return "..." if value is ... else repr(value)
    text = repr(value)
    if 0 < abs(value) < 1e-3 and "e" not in text:
        digits = text.partition(".")[2]
        first = digits.lstrip("0")
        fraction = f".{first[1:]}" if first[1:] else ""
        sign = "-" if value < 0 else ""
        text = f"{sign}{first[0]}{fraction}e-{len(digits) - len(first) + 1}"
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa}e{int(power)}" if exponent else text


def _quoted(text: str) -> str:
    """A text in double quotes, harmless whatever is in it."""
    plain = {'"': '\\"', "'": "'"}
    return '"' + "".join(plain.get(c) or ascii(c)[1:-1] for c in text) + '"'
