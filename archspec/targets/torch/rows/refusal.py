"""What the rules for code from rows raise where they have no form: the plain form is for that."""

from archspec.diagnostics import SpecPath


class CannotWrite(Exception):
    """A row that no rule has a form for; `where` is its place in the spec."""

    def __init__(self, where: SpecPath, problem: str) -> None:
        super().__init__(problem)
        self.where = where
        self.problem = problem
