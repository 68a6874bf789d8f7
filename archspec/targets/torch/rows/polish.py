"""What becomes plainer once all classes of a module are known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archspec.targets.python.tree import Expr, Function, names_in
from archspec.targets.torch.rows.absent import simplify_absent
from archspec.targets.torch.rows.added import add_one_by_one
from archspec.targets.torch.rows.apart import Defaults, apart
from archspec.targets.torch.rows.drafts import Draft
from archspec.targets.torch.rows.equal import take_out_equal
from archspec.targets.torch.rows.looped import looped


def polish(drafts: Sequence[Draft], functions: Sequence[Function]) -> None:
    """Write classes as a person does who sees all of them; the network's own is the last one."""
    for draft in drafts:
        arguments = {argument.name: argument.annotation for argument in draft.all_arguments()}
        draft.init = apart(draft.init, _defaults(drafts, arguments), draft.fewest)
        simplify_absent(draft)
        add_one_by_one(draft)
        draft.forward = looped(draft.forward)
        draft.methods = tuple(_method(method, drafts, draft.fewest) for method in draft.methods)
    take_out_equal(drafts, names_in(*functions))


def _method(method: Function, drafts: Sequence[Draft], fewest: int) -> Function:
    own = {p.name: p.annotation for p in method.parameters if p.annotation is not None}
    return replace(method, body=tuple(apart(method.body, _defaults(drafts, own), fewest)))


def _defaults(drafts: Sequence[Draft], annotations: Mapping[str, Expr]) -> Defaults:
    """What the classes that an expression may stand for have as defaults, all of them the same."""

    def found(head: Expr) -> Mapping[str, Expr]:
        names = {*names_in(head)}
        names |= {n for name in names & annotations.keys() for n in names_in(annotations[name])}
        tables = [_table(draft) for draft in drafts if draft.name in names]
        first, *others = tables or [{}]
        return {key: d for key, d in first.items() if all(o.get(key) == d for o in others)}

    return found


def _table(draft: Draft) -> dict[str, Expr]:
    return {a.name: a.default for a in draft.all_arguments() if a.default is not None}
