"""AS4xx: claims, that is what somebody published against what is computed."""

from archspec.diagnostics.base import Diagnostic


class ClaimFails(Diagnostic):
    """A published figure is not what the table gives.

    Either the figure, or its convention, or the table is wrong: the arithmetic is shown so that
    one can tell which.
    """

    code = "AS401"
    name = "claim-fails"
    told_by = ("metric",)
    template = "{metric} is claimed to be {claimed}, but {arithmetic}"


class UnknownMetric(Diagnostic):
    """A claim speaks of something that is not computed."""

    code = "AS402"
    name = "unknown-metric"
    template = "there is no metric `{metric}` to claim for {owner}"


class ClaimUnverifiable(Diagnostic):
    """A claim cannot be checked since what it speaks of could not be computed.

    It does not hold then; the errors that stand in its way are shown beside it.
    """

    code = "AS403"
    name = "claim-unverifiable"
    told_by = ("metric",)
    severity = "note"
    template = "{metric} is claimed to be {claimed}, but it could not be computed"
    advice = "mend the errors above first"


class UnknownConvention(Diagnostic):
    """A claim names a way of counting that archspec does not know."""

    code = "AS404"
    name = "unknown-convention"
    template = "there is no convention `{convention}` for {metric}"


class ClaimsNotVerified(Diagnostic):
    """Variables were set to other values than the spec's own, which its claims speak of.

    A published figure is about the network as published: with `--set num_classes=5` it says
    nothing any more, so that the claims are left aside, neither holding nor failing.
    """

    code = "AS405"
    name = "claims-not-verified"
    severity = "note"
    template = "the claims are not verified: they speak of the network with {own}"


class ClaimOfNothing(Diagnostic):
    """Claims of a row that is left out, in every network of the spec.

    Nobody compares them with anything, though they stand there as if they held.
    """

    code = "AS406"
    name = "claim-of-nothing"
    severity = "warning"
    follows = True
    template = "nothing is compared with what is claimed here ({metrics}): the row is left out"
    advice = "take the claim out, or put it where the row is there"
