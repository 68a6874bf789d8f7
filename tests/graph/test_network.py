"""What a spec means: names that PyTorch takes, faults that do not hide each other, paths."""

from pathlib import Path

import pytest

from archspec import SpecNotFound, build, check, check_text
from archspec.graph.names import problem_with
from archspec.graph.network import Value
from archspec.language.rows import MAX_FAULTS
from archspec.ops import OPS

HEAD = "archspec: 1\nname: Net\ninput: [3, 32, 32]\n"


def codes(text: str) -> list[str]:
    return [fault.code for fault in check_text(text).diagnostics]


def test_no_step_can_be_called_what_a_module_has_already() -> None:
    nn = pytest.importorskip("torch.nn", reason="torch knows which names are taken")
    taken = {name for name in {*dir(nn.Module()), *dir(nn.Sequential())} if name.isidentifier()}
    assert [name for name in sorted(taken) if problem_with(name) is None] == []


@pytest.mark.parametrize("name", ["conv1", "0", "12", "features", "relu", "downsample"])
def test_names_of_known_networks_are_allowed(name: str) -> None:
    assert problem_with(name) is None


def test_an_empty_op_is_an_unknown_one() -> None:
    result = check_text(HEAD + 'layers: [{name: a, op: relu}, {name: b, op: ""}]\n')
    assert [fault.code for fault in result.diagnostics] == ["AS204"]
    assert not result.ok


def test_one_fault_does_not_hide_the_next() -> None:
    rows = """layers:
  - {op: conv2d, out_channels: 6, kernel_size: 3, groups: 2}
  - {op: max_pool, kernel_size: 3, padding: 3}
  - {op: conv2d, out_channels: 6, kernel_size: 3, groups: 4}
  - {op: linear, out_features: 10}
  - {op: max_pool, kernel_size: 2}
"""
    assert codes(HEAD + rows) == ["AS304", "AS305", "AS304", "AS303", "AS302"]


def test_what_follows_a_fault_is_unknown() -> None:
    rows = "layers: [{op: linear, out_features: 10}, {op: linear, out_features: 5}]\n"
    result = check_text(HEAD + rows)
    assert result.network is not None
    assert result.network.shapes == (None, None)
    assert result.totals.num_params is None


def test_a_step_that_a_row_carries_stands_where_the_row_does() -> None:
    text = HEAD + "defaults: {conv2d: {activation: relu}}\nlayers:\n"
    result = check_text(text + "  - {name: a, op: conv2d, out_channels: 4, kernel_size: 3}\n")
    assert result.network is not None
    assert [result.document.locate(node.at).line for node in result.network.nodes] == [6, 6]


def test_outputs_are_called_by_their_path() -> None:
    group = "layers: [{name: features, layers: [{op: relu}, {op: tanh}]}]\n"
    result = check_text(HEAD + group)
    assert result.network is not None
    assert dict(result.network.outputs) == {"features.1": Value(1)}


@pytest.mark.parametrize(
    ("sugar", "says"),
    [
        ("norm: relu", "relu is no norm"),
        ("activation: batch_norm", "batch_norm is no activation"),
        ("activation: {op: conv2d, out_channels: 3, kernel_size: 1}", "conv2d is no activation"),
        ("dropout: {op: flatten}", "flatten is no dropout"),
    ],
)
def test_what_a_row_carries_has_to_be_of_that_kind(sugar: str, says: str) -> None:
    row = f"layers: [{{op: conv2d, out_channels: 4, kernel_size: 3, {sugar}}}]\n"
    assert says in [fault.message for fault in check_text(HEAD + row).diagnostics]


def test_a_norm_is_suggested_among_norms_and_none_is_false() -> None:
    row = "layers: [{op: conv2d, out_channels: 4, kernel_size: 3, norm: weights, activation: no}]\n"
    first, second = (fault.help for fault in check_text(HEAD + row).diagnostics)
    norms = {op.op_name for op in OPS if op.role == "norm"}
    assert first.startswith("known here: ")
    assert set(first.removeprefix("known here: ").split(", ")) == norms
    assert second == "for no activation write `activation: false`"
    (known,) = check_text(HEAD + row.replace("weights", "bn").replace("no}", "relu}")).diagnostics
    assert known.help == "did you mean `batch_norm`?"


def test_a_spec_with_thousands_of_faults_is_not_read_to_its_end() -> None:
    keys = "".join(f"key{i}: 1\n" for i in range(20_000))
    assert len(check_text(HEAD + keys + "layers: [{op: relu}]\n").diagnostics) == MAX_FAULTS
    rows = "".join(f"  - {{op: rellu{i}}}\n" for i in range(20_000))
    assert len(check_text(HEAD + "layers:\n" + rows).diagnostics) == MAX_FAULTS


def test_a_folder_does_not_hide_the_spec_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("lenet5", "elsewhere"):
        (tmp_path / name).mkdir()
    assert check("lenet5").ok
    with pytest.raises(SpecNotFound, match="elsewhere is a folder"):
        check("elsewhere")


def test_a_claimed_column_may_name_its_source() -> None:
    row = "layers: [{op: relu, params: {value: 0, source: a lecture}}]\n"
    (claim,) = check_text(HEAD + row).claims
    assert (claim.holds, claim.source) == (True, "a lecture")


def test_a_relative_tolerance_goes_with_a_computed_claim() -> None:
    claim = "expect: {params: {value: 9000 + 200, tolerance: 1%}}\n"
    rows = "layers: [{op: flatten}, {op: linear, out_features: 3, bias: false}]\n"
    (result,) = check_text(HEAD + claim + rows).claims  # 3·32·32·3 = 9 216
    assert result.holds


def test_a_shape_typed_channels_first_is_told_how_texts_are_read() -> None:
    (fault,) = check_text(HEAD + "layers: [{op: relu, output: 3×32×32}]\n").diagnostics
    assert "claimed to be 32×3×32 (written 3×32×32)" in fault.message
    assert fault.help.endswith("channels first is [3, 32, 32]")


@pytest.mark.parametrize("empty", ["~", "None", "none", "-", "–"])
def test_a_cell_is_empty_as_on_slides(empty: str) -> None:
    table = (
        "columns: [layer_name, op, kernel_size, kernel_num]\n"
        f"layers: [[a, max_pool, 2, {empty}], [b, conv2d, 3, 8]]\n"
    )
    checked = check_text(HEAD + table)
    assert checked.diagnostics == ()
    assert checked.network is not None
    assert [node.path for node in checked.network.nodes] == ["a", "b"]


def test_build_takes_a_variable_called_spec(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="build makes a torch module")
    file = tmp_path / "net.yaml"
    body = "vars: {spec: 3}\nlayers: [{op: flatten}, {name: fc, op: linear, out_features: spec}]\n"
    file.write_text(HEAD + body)
    assert build(file, spec=7).state_dict()["fc.bias"].shape == (7,)
