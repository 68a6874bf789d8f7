"""What `check` prints of a spec that is right: tables, explanations and JSON are there, too."""

import json
from collections.abc import Callable, Iterator
from io import StringIO

from archspec.api import Check
from archspec.report.check_json import write_json
from archspec.report.diagnostics import write_diagnostics
from archspec.report.explanation import write_explanations
from archspec.report.family import write_family
from archspec.report.folding import ALL
from archspec.report.page import Page
from archspec.report.summary import write_sums, write_verdict
from archspec.report.table import write_table
from tests.fuzz.failure import Failure, told


def report(check: Check) -> Iterator[Failure]:
    """The reports that are not written; the first of each kind."""
    for name, write in REPORTS.items():
        try:
            write(check)
        except Exception as error:  # noqa: BLE001 - a crash is what is looked for
            yield Failure("crash in a report", f"{name}: {told(error)}")


def _page() -> Page:
    return Page(StringIO(), width=100)


def _json(check: Check) -> None:
    stream = StringIO()
    write_json(stream, [check], several=False)
    json.loads(stream.getvalue())


def _summary(check: Check) -> None:
    page = _page()
    if check.family:
        write_family(page, check)
    write_diagnostics(page, check, all_notes=True)
    write_verdict(page, check)


def _tables(check: Check) -> None:
    for member in check.family or (check,):
        assert member.network is not None
        assert member.results is not None
        for depth in (None, 1, ALL):
            write_table(_page(), member.network, member.results, depth)
        write_sums(_page(), member)


def _explanations(check: Check) -> None:
    for member in check.family[:1] or (check,):
        assert member.network is not None
        assert member.results is not None
        write_explanations(_page(), member.network, member.results, [""])


REPORTS: dict[str, Callable[[Check], None]] = {
    "--format json": _json,
    "summary": _summary,
    "table": _tables,
    "--explain": _explanations,
}
