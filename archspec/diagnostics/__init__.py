"""The catalogue: one class a problem; a docstring here is a page of `docs/diagnostics.md`."""

from archspec.diagnostics import claims, language, shapes, source
from archspec.diagnostics.base import Diagnostic, Fault, Position, Severity, SpecPath

__all__ = ["CATALOGUE", "Diagnostic", "Fault", "Position", "Severity", "SpecPath"]

CATALOGUE: tuple[type[Diagnostic], ...] = (
    source.YamlSyntax,
    source.DuplicateKey,
    source.AnchorOrAlias,
    source.Tag,
    source.TooDeep,
    source.TooLarge,
    source.SeveralDocuments,
    source.KeyNotText,
    language.WrongType,
    language.UnknownKey,
    language.MissingKey,
    language.UnknownOp,
    language.NoOp,
    language.InvalidValue,
    language.InvalidName,
    language.DuplicateName,
    language.ColumnsMissing,
    language.TooManyCells,
    language.InvalidExpression,
    language.UnknownVersion,
    language.UnknownVariable,
    language.EmptyBody,
    language.PaddingReadAsBeforeAfter,
    language.TooManySteps,
    shapes.WindowTooLarge,
    shapes.NotAMap,
    shapes.NotFlat,
    shapes.GroupsMismatch,
    shapes.PoolingPadding,
    shapes.InputNotRead,
    shapes.AxisMissing,
    shapes.TooBig,
    claims.ClaimFails,
    claims.UnknownMetric,
    claims.ClaimUnverifiable,
    claims.UnknownConvention,
    claims.ClaimsNotVerified,
)
