"""Published networks that are written without a row twice, by blocks that vary: HRNet and DLA.

Their modules are the plain ones, so they are no part of the zoo.
"""

from pathlib import Path
from typing import Any

import pytest

from archspec.api import check, write

HERE = Path(__file__).parent
CLAIMS = {"hrnet": 18, "dla": 6}
PARAMETERS = {
    ("hrnet", "hrnet_w18_small"): 13_187_464,
    ("dla", "dla60"): 22_036_632,
    ("dla", "dla102"): 33_268_888,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_it_has_the_published_parameters_and_operations(name: str) -> None:
    family = check(HERE / f"{name}.yaml")
    assert family.ok, [fault.message for fault in family.diagnostics]
    claims = [claim for member in family.family for claim in member.claims]
    assert len(claims) >= CLAIMS[name]
    assert all(claim.holds for claim in claims)


@pytest.mark.parametrize(("name", "variant"), PARAMETERS)
def test_what_is_written_of_it_computes(name: str, variant: str) -> None:
    torch = pytest.importorskip("torch", reason="the code is run")
    scope: dict[str, Any] = {"__name__": name}
    exec(write(check(f"{HERE / name}.yaml:{variant}")), scope)  # noqa: S102 - written a moment ago
    (maker,) = scope["__all__"]
    made = scope[maker]()
    wanted = PARAMETERS[name, variant]
    assert sum(parameter.numel() for parameter in made.parameters()) == wanted
    assert made.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
