"""What the source documents get wrong is caught at its line, and the mended line holds."""

import pytest

from archspec.api import check_text
from tests.cases.reader import MARK, cases, unmark

CASES = dict(cases("errata"))


@pytest.mark.parametrize("name", CASES)
def test_the_erratum_is_caught_at_its_line(name: str) -> None:
    case = CASES[name]
    text, places = unmark(case["spec"])
    result = check_text(text)
    found = {result.locate(d): d for d in result.diagnostics if d.code == case["code"]}
    assert sorted(found) == sorted(places)
    for place, fragments in zip(places, case["says"], strict=True):
        fault = next(d for at, d in found.items() if at == place)
        for fragment in fragments:
            assert fragment in f"{fault.message}\n{fault.help}"
    assert result.ok == (case["code"] == "AS306")


@pytest.mark.parametrize("name", CASES)
def test_the_mended_line_holds(name: str) -> None:
    case = CASES[name]
    text, places = unmark(case["spec"])
    for wrong, right in case["mended"].items():
        assert text.count(wrong) == 1
        text = text.replace(wrong, right)
    result = check_text(text)
    assert result.ok, [d.message for d in result.diagnostics]
    assert result.claims
    assert all(claim.holds for claim in result.claims)
    assert not [d for d in result.diagnostics if d.code == "AS306"] or case["code"] == "AS401"
    assert places
    assert MARK not in text
