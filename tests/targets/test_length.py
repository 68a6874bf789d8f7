"""A module has a length that it may come to, which is known before the work is done."""

from typing import Any

import pytest

from archspec.api import Check, SpecError, check_text, emit
from archspec.targets.python import machine
from archspec.targets.torch import length, plain, write
from archspec.targets.torch.rows.refusal import CannotWrite

HEAD = "archspec: 1\nname: Net\ninput: [3, 8, 8]\nlayers:\n"
CONV = "{op: conv2d, out_channels: 3, kernel_size: 1}"
ROWS = HEAD + "".join(f"  - {CONV}\n" for _ in range(300))
REPEATED = HEAD + f"  - {CONV[:-1]}, repeat: 300}}\n"


def told(checked: Check) -> tuple[str, str, int]:
    """Code and message of what is refused, and the line that it points to."""
    assert checked.ok
    with pytest.raises(SpecError) as raised:
        emit(checked)
    (fault,) = raised.value.diagnostics
    return fault.code, fault.message, checked.locate(fault).line


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[object]:
    """Calls of a function, which goes on doing what it does."""
    calls: list[object] = []
    function = getattr(owner, name)

    def call(*arguments: Any, **keywords: Any) -> Any:
        calls.append(None)
        return function(*arguments, **keywords)

    monkeypatch.setattr(owner, name, call)
    return calls


def in_its_plain_form(*_: object) -> None:
    """Stands for rules that have no form for a row."""
    raise CannotWrite((), "it is a test")


def test_the_bound_is_what_is_documented() -> None:
    assert length.MAX_LINES == 20_000


def test_rows_without_end_are_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(length, "MAX_LINES", 299)
    written = counted(monkeypatch, write, "_from_rows")
    assert told(check_text(ROWS)) == ("AS502", "the code would be longer than 299 lines", 4)
    assert written == []


def test_what_is_said_once_is_not_counted_as_often_as_it_is_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(length, "MAX_LINES", 240)
    (source,) = emit(check_text(REPEATED)).files.values()
    assert b"for _ in range(300)" in source
    assert "… 100 more" in source.decode()  # of the docstring's table


def test_the_lines_of_the_file_are_what_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = emit(check_text(ROWS)).files.values()
    lines = source.count(b"\n")
    monkeypatch.setattr(length, "MAX_LINES", lines)
    assert emit(check_text(ROWS)).files
    monkeypatch.setattr(length, "MAX_LINES", lines - 1)
    assert told(check_text(ROWS))[0] == "AS502"


def test_many_statements_are_told_before_they_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(length, "MAX_LINES", 5)
    compared = counted(monkeypatch, write, "_validate")
    rows = "".join(
        f"  - {{name: c{i}, op: conv2d, out_channels: 3, kernel_size: 1}}\n" for i in range(4)
    )
    assert told(check_text(HEAD + rows))[0] == "AS502"
    assert compared == []


@pytest.mark.parametrize(
    "row",
    [f"{CONV[:-1]}, repeat: 300}}", f"{{name: g, layers: [{CONV[:-1]}, repeat: 300}}]}}"],
    ids=["of the network", "in a group"],
)
def test_the_plain_form_stops_where_it_is_too_long(
    row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(length, "MAX_LINES", 50)
    monkeypatch.setattr(write, "_from_rows", in_its_plain_form)
    validated = counted(monkeypatch, write, "_validate")
    added = counted(monkeypatch, plain, "spell_step")
    code, message, line = told(check_text(f"{HEAD}  - {row}\n"))
    assert (code, line) == ("AS502", 4)
    assert message == (
        "the code would be longer than 50 lines, for only its plain form is right: it is a test"
    )
    assert validated == []
    assert len(added) <= 300


def test_equal_parts_of_the_plain_form_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred and fifty objects of one class, which has paths that meet."""
    block = (
        "archspec: 1\nname: Net\ninput: [3, 8, 8]\nblocks:\n  Unit:\n    layers:\n"
        "      - {name: a, op: conv2d, out_channels: 3, kernel_size: 1}\n"
        "      - {name: b, op: conv2d, out_channels: 3, kernel_size: 1}\n"
        "      - {name: c, op: conv2d, out_channels: 3, kernel_size: 1}\n"
        "      - {op: add, from: [a, c]}\n"
        "layers:\n  - {op: Unit, repeat: 150}\n"
    )
    monkeypatch.setattr(length, "MAX_LINES", 590)
    monkeypatch.setattr(write, "_from_rows", in_its_plain_form)
    emission = emit(check_text(block))
    (source,) = emission.files.values()
    assert source.count(b"class Unit") == 1
    assert emission.notes == ("written in its plain form: it is a test",)


def test_groups_in_each_other_are_written_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a group is a chain is asked at every level: the answer is kept."""
    row = CONV
    for _ in range(12):
        row = f"{{layers: [{{name: inner, layers: [{row}]}}, {{op: add, from: [inner, inner]}}]}}"
    monkeypatch.setattr(write, "_from_rows", in_its_plain_form)
    spelled = counted(monkeypatch, plain, "spell_step")
    emit(check_text(f"{HEAD}  - {row}\n"))
    assert len(spelled) < 100


def test_nothing_is_written_where_no_form_is_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_STEPS", 0)  # so that nothing can be compared
    code, message, _ = told(check_text(ROWS))
    assert code == "AS503"
    assert message.startswith("no code came out equal to this network: ")
    assert message.endswith(": this takes too long")
