"""Some hundred random specs: what `check` accepts is written, and what is written is right."""

import pytest

from tests.fuzz.campaign import Campaign

SEED = 20
PARTS = 10
SPECS = 40
"""In each part; an hour of others is `python -m tests.fuzz --minutes 60`."""


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore")  # torch has its opinions on what people write
def test_what_check_accepts_is_written_and_right(part: int) -> None:
    campaign, valid = Campaign(SEED, shrinks=False), 0
    for number in range(part * SPECS, (part + 1) * SPECS):
        report = campaign.run(number)
        valid += report.is_valid
        told = "\n".join(f"{f.kind}: {f.message} {f.where}" for f in report.failures)
        again = f"python -m tests.fuzz --seed {SEED} --only {number}"
        assert not report.failures, f"{told}\n{again}"
    assert valid >= 0.7 * SPECS
