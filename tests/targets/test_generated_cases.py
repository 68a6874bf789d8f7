"""Cases of `tests/cases/generated`: the code is the network, whatever form it was written in."""

from pathlib import Path
from typing import Any

import pytest

from archspec.api import check_text, emit, write
from tests.cases.reader import cases
from tests.conftest import RunCli
from tests.fuzz.trial import examine
from tests.targets.networks import made_by, members_of, module_of

CASES = dict(cases("generated"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_code_is_what_the_table_says(case: dict[str, Any]) -> None:
    """State, beginnings, outputs, gradients and statistics, with every argument changed as well."""
    checked = check_text(case["spec"])
    checked.raise_for_errors()
    assert examine(case["spec"], fields="none").failures == ()
    if "form" in case:
        assert emit(checked).notes == ()
    if "plain" in case:
        assert emit(checked).notes == (f"written in its plain form: {case['plain']}",)
    text = write(checked)
    assert [said for said in case.get("says", ()) if said not in text] == []
    module = module_of(checked)
    for member in members_of(checked):
        assert member.network is not None
        assert member.network.shape_of(member.network.output) == tuple(case["output"])
        if "state" in case:
            assert list(made_by(module, member).state_dict()) == case["state"]


def test_a_default_that_is_no_expression_stops_check_and_gen(
    tmp_path: Path, run_cli: RunCli
) -> None:
    (tmp_path / "unused.yaml").write_text(
        """\
archspec: 1
name: Not used
input: [3, 8, 8]
blocks:
  Q:
    args: {s: 5×5}
    layers: [{name: c, op: conv2d, out_channels: 3, kernel_size: 1, stride: s}]
layers:
  - {op: Q, s: 2}
""",
        encoding="utf-8",
    )
    for command in ("check", "gen"):
        done = run_cli(command, "unused.yaml", cwd=tmp_path)
        assert done.returncode == 1
        assert "unused.yaml:6:" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
