"""Python's own reading of a text, as a tree."""

import ast
from collections.abc import Container, Sequence

from archspec.targets.python import tree

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.BitOr: "|",
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}
_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "-", ast.UAdd: "+", ast.Not: "not"}


class CannotRead(Exception):
    """A text holds something that the tree has no node for."""


def read(text: str, without: Container[str] = ()) -> tuple[tree.Definition | tree.Statement, ...]:
    """The definitions and statements of a module; docstring, imports and some names left out."""
    body = ast.parse(text).body
    kept = (n for n in body if not isinstance(n, ast.Import | ast.ImportFrom | ast.Expr))
    return tuple(_top(node) for node in kept if getattr(node, "name", "") not in without)


def read_expression(text: str) -> tree.Expr:
    """An expression."""
    return _expr(ast.parse(text, mode="eval").body)


def _top(node: ast.stmt) -> tree.Definition | tree.Statement:
    match node:
        case ast.ClassDef():
            return _class(node)
        case ast.FunctionDef():
            return _function(node)
        case _:
            return _statement(node)


def _class(node: ast.ClassDef) -> tree.Class:
    base = _expr(node.bases[0]) if node.bases else tree.Name("object")
    fields = [
        tree.Field(item.target.id, _expr(item.annotation))
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]
    methods = [_function(item) for item in node.body if isinstance(item, ast.FunctionDef)]
    docstring = ast.get_docstring(node, clean=False) or ""
    return tree.Class(node.name, base, docstring, tuple(fields), tuple(methods))


def _function(node: ast.FunctionDef) -> tree.Function:
    docstring = ast.get_docstring(node, clean=False)
    body = node.body[1:] if docstring is not None else node.body
    returns = tree.Literal(None) if node.returns is None else _expr(node.returns)
    parameters = tuple(_parameters(node.args))
    static = [ast.unparse(item) for item in node.decorator_list] == ["staticmethod"]
    return tree.Function(
        node.name, parameters, returns, _body(body), docstring or "", static=static
    )


def _parameters(arguments: ast.arguments) -> list[tree.Parameter]:
    missing: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    by_position = zip(arguments.args, [*missing, *arguments.defaults], strict=True)
    by_name = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    found = [_parameter(arg, default) for arg, default in by_position]
    return [*found, *(_parameter(arg, default, by_name=True) for arg, default in by_name)]


def _parameter(arg: ast.arg, default: ast.expr | None, *, by_name: bool = False) -> tree.Parameter:
    annotation = None if arg.annotation is None else _expr(arg.annotation)
    value = None if default is None else _expr(default)
    return tree.Parameter(arg.arg, annotation, value, by_name)


def _body(body: Sequence[ast.stmt]) -> tuple[tree.Statement, ...]:
    return tuple(map(_statement, body))


def _statement(node: ast.stmt) -> tree.Statement:
    match node:
        case ast.Assign(targets=[target], value=value):
            return tree.Assign(_expr(target), _expr(value))
        case ast.AnnAssign(target=target, annotation=annotation, value=ast.expr() as value):
            return tree.Assign(_expr(target), _expr(value), _expr(annotation))
        case ast.AugAssign(target=target, op=op, value=value):
            return tree.Augment(_expr(target), _BINARY[type(op)], _expr(value))
        case ast.Expr(value=value):
            return tree.Evaluate(_expr(value))
        case ast.If(test=test, body=body, orelse=orelse):
            return tree.If(_expr(test), _body(body), _body(orelse))
        case ast.For(target=target, iter=iterable, body=body):
            return tree.For(_expr(target), _expr(iterable), _body(body))
        case ast.Return(value=ast.expr() as value):
            return tree.Return(_expr(value))
    raise CannotRead(ast.dump(node))


def _expr(node: ast.expr) -> tree.Expr:
    match node:
        case ast.Name(id=name):
            return tree.Name(name)
        case ast.Constant(value=value) if not isinstance(value, bytes | complex):
            return tree.Literal(value)
        case ast.Attribute(value=value, attr=name):
            return tree.Attribute(_expr(value), name)
        case ast.Call(func=function, args=args, keywords=keywords):
            named = [tree.Keyword(k.arg or "", _expr(k.value)) for k in keywords]
            return tree.Call(_expr(function), (*map(_argument, args), *named))
        case ast.Subscript(value=value, slice=index):
            return tree.Subscript(_expr(value), _index(index))
        case ast.Tuple(elts=items):
            return tree.Tuple(tuple(map(_item, items)))
        case ast.List(elts=items):
            return tree.List(tuple(map(_item, items)))
        case ast.Dict(keys=keys, values=values):
            pairs = zip((k for k in keys if k is not None), values, strict=True)
            return tree.Dict(tuple((_expr(key), _expr(value)) for key, value in pairs))
        case _:
            return _operation(node)


def _operation(node: ast.expr) -> tree.Expr:
    match node:
        case ast.UnaryOp(op=op, operand=operand):
            return tree.Unary(_UNARY[type(op)], _expr(operand))
        case ast.BinOp(left=left, op=op, right=right):
            return tree.Binary(_expr(left), _BINARY[type(op)], _expr(right))
        case ast.Compare(left=left, ops=ops, comparators=rest):
            operands = tuple(map(_expr, (left, *rest)))
            return tree.Compare(operands, tuple(_COMPARE[type(op)] for op in ops))
        case ast.BoolOp(op=op, values=values):
            word = "and" if isinstance(op, ast.And) else "or"
            return tree.Boolean(word, tuple(map(_expr, values)))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return tree.Conditional(_expr(test), _expr(body), _expr(orelse))
        case ast.GeneratorExp(elt=element, generators=[clause]):
            return tree.Generator(_expr(element), _expr(clause.target), _expr(clause.iter))
        case ast.ListComp(elt=element, generators=[clause]):
            return tree.Generator(_expr(element), _expr(clause.target), _expr(clause.iter))
        case ast.JoinedStr(values=values):
            return tree.Format(tuple(map(_part, values)))
    raise CannotRead(ast.dump(node))


def _part(node: ast.expr) -> tree.Expr:
    return _expr(node.value) if isinstance(node, ast.FormattedValue) else _expr(node)


def _argument(node: ast.expr) -> tree.Argument:
    return tree.Starred(_expr(node.value)) if isinstance(node, ast.Starred) else _expr(node)


def _item(node: ast.expr) -> tree.Expr:
    """An item of a tuple or list; one with a star is an argument like those of calls."""
    return _argument(node)  # type: ignore[return-value]  # the tree's items are wider than typed


def _index(node: ast.expr) -> "tree.Expr | tree.Slice | tuple[tree.Expr | tree.Slice, ...]":
    if isinstance(node, ast.Tuple):
        return tuple(map(_one_index, node.elts))
    return _one_index(node)


def _one_index(node: ast.expr) -> "tree.Expr | tree.Slice":
    if isinstance(node, ast.Slice):
        lower = None if node.lower is None else _expr(node.lower)
        upper = None if node.upper is None else _expr(node.upper)
        return tree.Slice(lower, upper)
    return _expr(node)
