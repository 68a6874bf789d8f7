"""A published network whose maps vary in number, written without a row twice: HRNet."""

from pathlib import Path
from typing import Any

import pytest

from archspec.api import check, write

SPEC = Path(__file__).parent / "hrnet.yaml"


def test_it_has_the_published_parameters_and_operations() -> None:
    family = check(SPEC)
    assert family.ok, [fault.message for fault in family.diagnostics]
    claims = [claim for member in family.family for claim in member.claims]
    assert len(claims) >= 18
    assert all(claim.holds for claim in claims)


def test_what_is_written_of_it_computes() -> None:
    torch = pytest.importorskip("torch", reason="the code is run")
    scope: dict[str, Any] = {"__name__": "hrnet"}
    exec(write(check(f"{SPEC}:hrnet_w18_small")), scope)  # noqa: S102 - written a moment ago
    (name,) = scope["__all__"]
    made = scope[name]()
    assert sum(parameter.numel() for parameter in made.parameters()) == 13_187_464
    assert made.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
