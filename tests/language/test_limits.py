"""What a spec may ask for: whatever it says, the answer comes soon, and says what is too much."""

import json
from io import StringIO
from pathlib import Path

import pytest

from archspec.api import Check, SpecError, check_text, emit, write
from archspec.graph import bounds
from archspec.graph.build import build
from archspec.graph.leaves import MAX_INPUTS
from archspec.language import loader, source
from archspec.report.check_json import write_json
from archspec.report.excerpt import excerpt
from archspec.report.explanation import write_explanations
from archspec.report.page import Page
from archspec.report.table import write_table
from tests.report.conftest import Sheet

HEAD = "archspec: 1\nname: Net\ninput: [3, 32, 32]\n"
RELU = "layers: [{op: relu}]\n"


def codes(result: Check) -> list[str]:
    return [fault.code for fault in result.diagnostics]


def messages(result: Check) -> list[str]:
    return [fault.message for fault in result.diagnostics]


DOUBLED = {
    "lists": "[a{0}, a{0}]",
    "mappings": "[{{x: a{0}, y: a{0}}}]",
    "mappings in mappings": "[{{x: [{{y: a{0}}}], y: a{0}}}]",
}
USES = {
    "compared": "layers: [{op: relu, when: a31 == b31}]\n",
    "a table": "layers: [{op: relu, each: a31}]\n",
    "an argument": "blocks: {B: {args: {t: ~}, layers: [{op: relu}]}}\nlayers: [{op: B, t: a31}]\n",
    "a column": "layers: [{op: relu, each: [{t: a31}]}]\n",
    "an attribute": "layers: [{op: conv2d, out_channels: 3, kernel_size: a31}]\n",
    "an input": "layers: [{op: relu, from: ['{a31}']}]\n",
}


def chain(name: str, form: str, depth: int) -> str:
    """Variables, each of which names the one before it."""
    return f"  {name}0: [1]\n" + "".join(
        f"  {name}{i}: {form.replace('a{0}', name + '{0}').format(i - 1)}\n"
        for i in range(1, depth)
    )


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("form", DOUBLED.values(), ids=DOUBLED)
def test_what_doubles_with_every_line_is_refused_where_it_is_too_much(form: str, use: str) -> None:
    result = check_text(f"{HEAD}vars:\n{chain('a', form, 32)}{chain('b', form, 32)}{use}")
    first = result.diagnostics[0]
    assert "at most 1000 items, those of its lists included" in first.message
    assert first.where[0] == "vars"


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_lists_in_lists_are_refused_where_they_are_too_deep(use: str) -> None:
    names = chain("a", "[a{0}]", 1000) + chain("b", "[a{0}]", 1000)
    result = check_text(f"{HEAD}vars:\n{names}{use}")
    first = result.diagnostics[0]
    assert (first.name, first.where[:2]) == ("invalid-expression", ("vars", "a33"))
    assert "at most 32 deep" in first.message


def test_names_in_a_list_stand_for_so_much_at_most() -> None:
    table = ", ".join(["{t: a}"] * 200)
    names = f"vars: {{a: [{', '.join(['1'] * 100)}]}}\n"
    rows = f"layers: [{{op: relu, each: [{table}], when: len(t) > 0}}]\n"
    result = check_text(HEAD + names + rows)
    assert messages(result) == ["the names in a list stand for at most 10000 items all together"]
    fits = rows.replace(table, ", ".join(["{t: a}"] * 100))
    assert check_text(HEAD + names + fits).ok


@pytest.mark.parametrize("expression", ["a == a", "3 in a", "sum(a) > 1", "max(a) > 1"])
def test_long_lists_are_indexed_and_not_searched(expression: str) -> None:
    def checked(count: int) -> list[str]:
        numbers = ", ".join(map(str, range(count)))
        row = f"{{op: relu, repeat: 3, when: '{expression} and a[i] == i and len(a) > i'}}"
        return messages(check_text(f"{HEAD}vars: {{a: [{numbers}]}}\nlayers: [{row}]\n"))

    assert checked(64) == []
    (message,) = checked(65)
    assert "lists of more than 64 items cannot be computed with" in message


@pytest.mark.parametrize("values", ["1, ", "[], ", "{a: 1}, "])
def test_more_values_than_are_read(values: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_VALUES", 1000)
    result = check_text(f"{HEAD}{RELU}description: [{values * 1000}]\n")
    assert codes(result)[0] == "AS109"
    assert result.network is None
    assert check_text(f"{HEAD}{RELU}").ok


FAMILY = "vars: {n: ~}\nvariants: {a: {n: 4}, b: {n: 5}, c: {n: 6}, d: {n: 7}}\n"


def test_the_steps_of_a_family_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{HEAD}{FAMILY}layers: [{{op: relu, repeat: n}}]\n"
    assert check_text(text).ok
    monkeypatch.setattr("archspec.api.MAX_STEPS", 12)
    result = check_text(text)
    assert codes(result) == ["AS216"]
    assert result.diagnostics[0].where == ("variants", "d")
    assert [member.variant for member in result.family] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "rows",
    ["{op: relu, repeat: 3000, when: n < 0}", "{op: B, each: [{k: 1}], repeat: 100, n: i}"],
    ids=["rows left out", "blocks"],
)
def test_the_work_of_a_family_is_counted_together(
    rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = (
        "blocks: {B: {args: {n: 1}, layers: [{op: relu}, {op: relu, repeat: 30, when: n < 0}]}}\n"
    )
    monkeypatch.setattr("archspec.api.MAX_WORK", 20_000)
    result = check_text(f"{HEAD}{FAMILY}{blocks}layers: [{{op: relu}}, {rows}]\n")
    assert "AS216" in codes(result)
    assert len(result.family) < 4


def test_a_network_that_is_built_again_is_not_counted_with_those_before() -> None:
    checked = check_text(f"{HEAD}layers: [{{op: relu, repeat: 20_000}}]\n")
    network = checked.network
    assert network is not None
    for _ in range(3):
        again, faults = build(network.spec, {}, network.memory)
        assert (len(again.nodes), faults) == (20_000, [])


def test_the_largest_networks_are_checked_as_a_whole() -> None:
    result = check_text(f"{HEAD}layers: [{{op: relu, repeat: {bounds.MAX_STEPS - 1}}}]\n")
    assert result.ok
    assert len(result.network.nodes if result.network else ()) == bounds.MAX_STEPS - 1


def test_a_long_table_shows_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archspec.report.table.MOST_ROWS", 5)
    checked = check_text(f"{HEAD}layers: [{{op: relu, repeat: 20}}]\n")
    assert checked.network is not None
    assert checked.results is not None
    page = Sheet(None)
    write_table(page, checked.network, checked.results, depth=9)
    assert page.text.count("relu") == 5
    assert "and 15 more layers; --format json has them all" in page.text


def test_so_many_layers_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archspec.report.explanation.MOST_EXPLAINED", 5)
    checked = check_text(f"{HEAD}layers: [{{op: relu, repeat: 20}}]\n")
    assert checked.network is not None
    assert checked.results is not None
    page = Sheet(None)
    write_explanations(page, checked.network, checked.results, ["3", "", "19"])
    assert page.text.count("relu") == 5
    assert page.text.endswith("the first 5 are explained; name the layer that is wanted\n")


def test_of_a_line_of_megabytes_what_is_near_the_place_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = Sheet(80)
    seen: list[int] = []
    glyphs = Page.glyphs

    def counted(self: Page, text: str) -> list[str]:
        seen.append(len(text))
        return glyphs(self, text)

    monkeypatch.setattr(Page, "glyphs", counted)
    line = "{op: relu}, " * 100_000 + "{op: relo}, " + "{op: relu}, " * 100_000
    shown = excerpt(page, line, 12 * 100_000 + 6, single=False, room=60)
    assert shown.text[shown.start : shown.end] == "relo"
    assert shown.text.startswith("…")
    assert shown.text.endswith("…")
    assert max(seen) < 10_000


def test_names_are_compared_with_some_of_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from difflib import SequenceMatcher

    compared: list[None] = []
    ratio = SequenceMatcher.real_quick_ratio

    def counted(self: "SequenceMatcher[str]") -> float:
        compared.append(None)
        return ratio(self)

    monkeypatch.setattr(SequenceMatcher, "real_quick_ratio", counted)
    columns = ", ".join(f"c{i}" for i in range(20_000))
    result = check_text(f"{HEAD}columns: [{columns}]\nlayers:\n  - [relu]\n")
    assert 500 <= len(result.diagnostics) < 600
    assert len(compared) < 500 * 201


def test_a_listing_reads_no_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_text("variants:\n  a: {}\n" + "#" * source.MAX_BYTES, encoding="utf-8")
    assert len(loader.read_text(file)) == source.MAX_BYTES + 1


@pytest.mark.parametrize("op", ["add", "mul", "concat"])
def test_a_row_reads_so_many_steps_at_most(op: str) -> None:
    def checked(count: int) -> Check:
        rows = "".join(f"  - {{name: n{i}, op: relu}}\n" for i in range(count))
        names = ", ".join(f"n{i}" for i in range(count))
        return check_text(f"{HEAD}layers:\n{rows}  - {{op: {op}, from: [{names}]}}\n")

    assert write(checked(MAX_INPUTS))
    result = checked(MAX_INPUTS + 1)
    assert messages(result) == [f"a row reads at most {MAX_INPUTS} steps, not {MAX_INPUTS + 1}"]
    assert result.diagnostics[0].where == ("layers", MAX_INPUTS + 1, "from")


def test_rows_that_read_much_are_long_code(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"  - {{name: n{i}, op: relu}}\n" for i in range(80))
    sums = f"  - {{op: add, from: [{', '.join(f'n{i}' for i in range(80))}]}}\n" * 20
    checked = check_text(f"{HEAD}layers:\n{rows}{sums}")
    assert write(checked)
    monkeypatch.setattr("archspec.targets.torch.length.MAX_LINES", 250)
    with pytest.raises(SpecError, match="longer than 250 lines"):
        write(checked)


def test_values_that_wait_are_not_searched_again_and_again() -> None:
    rows = "".join(f"  - {{name: n{i}, op: relu}}\n" for i in range(400))
    outputs = "".join(f"  o{i}: n{i}\n" for i in range(400))
    told = emit(check_text(f"{HEAD}layers:\n{rows}outputs:\n{outputs}"), stem="net").notes
    assert any("more than 300 values wait to be read" in note for note in told)
    few = emit(check_text(f"{HEAD}layers:\n{rows}outputs: {{a: n1, b: n399}}\n"), stem="net")
    assert few.notes == ()


def test_arguments_that_are_lists_are_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_WORK", 20_000)
    numbers = ", ".join(map(str, range(400)))
    blocks = "blocks: {B: {args: {t: ~, n: 0}, layers: [{op: relu, when: n > 0}]}}\n"
    row = "layers: [{op: B, t: t, n: i, repeat: 300}]\n"
    assert check_text(f"{HEAD}vars: {{t: [1, 2]}}\n{blocks}{row}").ok
    assert "AS216" in codes(check_text(f"{HEAD}vars: {{t: [{numbers}]}}\n{blocks}{row}"))


@pytest.mark.parametrize("value", ["[a]", "[1, [a, 2]]", "[{x: a}]"])
def test_faulty_arguments_are_shown_as_json(value: str) -> None:
    block = "blocks: {B: {args: {t: ~}, layers: [{op: relu}]}}\n"
    row = f"layers: [{{op: B, t: {value}}}]\n"
    stream = StringIO()
    write_json(stream, [check_text(f"{HEAD}vars: {{a: nothing}}\n{block}{row}")], several=False)
    told = json.loads(stream.getvalue())
    assert told["ok"] is False
    assert "null" in json.dumps([scope["arguments"] for scope in told["scopes"]])


MANY = 5_000
KEYS = ", ".join(f"k{i}: 1" for i in range(MANY))
ROW = "layers: [{op: conv2d, out_channels: 4, kernel_size: 3}]\n"
TAKING = "blocks: {B: {args: {c: 3}, layers: [{op: conv2d, out_channels: c, kernel_size: 1}]}}\n"
BESIDE = f"norm: {{op: batch_norm, {KEYS}}}"
FAULTY = {
    "attributes": f"layers: [{{op: conv2d, out_channels: 4, kernel_size: 3, {KEYS}}}]\n",
    "attributes of a norm": f"{ROW[:-3]}, {BESIDE}}}]\n",
    "attributes of a value": f"vars: {{act: {{op: relu, {KEYS}}}}}\nlayers: [{{op: act}}]\n",
    "arguments": f"{TAKING}layers: [{{op: B, {KEYS}}}]\n",
    "defaults": f"defaults: {{conv2d: {{{KEYS}}}}}\n{ROW}",
    "ops in defaults": f"defaults: {{{KEYS.replace(': 1', ': {}')}}}\n{ROW}",
    "ops in init": f"init: {{{KEYS.replace(': 1', ': {weight: zeros}')}}}\n{ROW}",
    "variables": "vars:\n" + "".join(f"  k{i}: j{i}\n" for i in range(MANY)) + ROW,
    "values of a variant": f"vars: {{w: 3}}\nvariants: {{a: {{{KEYS}}}}}\n{ROW}",
    "blocks that nothing uses": "blocks:\n"
    + "".join(f"  B{i}: {{layers: [{{op: conx{i}}}]}}\n" for i in range(MANY))
    + ROW,
    "parts that are not computed": "vars: {a: 1}\nlayers:\n"
    + "".join(f"  - {{op: relu, when: a or k{i}}}\n" for i in range(MANY)),
}


@pytest.mark.parametrize("text", FAULTY.values(), ids=FAULTY)
def test_faults_that_nobody_reads_are_not_worked_out(text: str) -> None:
    """Each takes time, for the help with it; thousands took minutes."""
    result = check_text(HEAD + text)
    assert 300 < len(result.diagnostics) < 600


def test_what_no_network_runs_is_judged_as_far_as_there_is_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks = "".join(f"  B{i}: {{layers: [{{op: relu, when: k{i}}}]}}\n" for i in range(300))
    text = f"{HEAD}blocks:\n{blocks}{ROW}"
    assert codes(check_text(text)).count("AS211") == 300
    monkeypatch.setattr("archspec.graph.untaken.MAX_NAMES", 30_000)
    assert 0 < codes(check_text(text)).count("AS211") < 100


@pytest.mark.parametrize("name", ["", "name: n{}, "], ids=["modules in a row", "statements"])
def test_a_module_that_is_too_long_is_given_up_while_it_is_written(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archspec.targets.torch import write as writing

    conv = "op: conv2d, out_channels: 3, kernel_size: 1, norm: batch_norm, activation: relu"
    rows = (f"  - {{{name.format(i)}{conv}}}\n" for i in range(100))
    checked = check_text(f"{HEAD}layers:\n{''.join(rows)}")
    assert write(checked)
    monkeypatch.setattr("archspec.targets.torch.length.MAX_LINES", 150)
    monkeypatch.setattr(writing, "_compared", None)
    with pytest.raises(SpecError, match="longer than 150 lines"):
        write(checked)
