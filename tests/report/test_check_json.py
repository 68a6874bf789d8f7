"""The JSON of a check: exactly the schema `archspec.check/1`."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.report.check_json import write_json

SPEC = """archspec: 1
name: Net
input: [3, 32, 48]
vars: {num_classes: 10}
defaults: {conv2d: {activation: relu}}
layers:
  - name: features
    layers:
      - op: conv2d
        out_channels: 8
        kernel_size: [3, 5]
        stride: 2
        padding: 1
      - {op: batch_norm}
  - {name: flatten, op: flatten}
  - {name: fc, op: linear, out_features: num_classes, expect: {params: {value: 1, source: a guess}}}
expect: {weighted_layers: 2, macs: {value: 1.6e5, tolerance: 5%}}
"""

Layer = dict[str, Any]


def whole(text: str, name: str = "net.yaml") -> Any:
    stream = io.StringIO()
    write_json(stream, [archspec.check_text(text, name)], several=False)
    assert stream.getvalue().isascii()
    return json.loads(stream.getvalue(), parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def document() -> Any:
    return whole(SPEC)


def test_the_keys_are_those_of_the_schema_in_its_order(document: Any) -> None:
    assert list(document) == [
        *("schema", "name", "file", "variant", "ok", "input", "outputs", "output_paths"),
        *("training_only", "totals", "layers", "scopes", "claims", "diagnostics"),
    ]
    assert list(document["totals"]) == [
        *("num_params", "trainable_params", "buffers", "training_only_params"),
        *("macs", "weighted_layers"),
    ]
    for layer in document["layers"]:
        assert list(layer) == [
            *("path", "op", "inputs", "input_shapes", "output_shape", "num_params", "macs"),
            *("receptive_field", "receptive_field_without_gates", "training_only", "line"),
        ]
    for claim in document["claims"]:
        assert list(claim) == [
            *("path", "metric", "claimed", "computed", "holds", "scope", "source", "line"),
        ]
    for fault in document["diagnostics"]:
        assert list(fault) == [
            *("code", "name", "severity", "message", "help", "file", "line", "column", "path"),
        ]


def test_the_head_is_the_networks(document: Any) -> None:
    assert document["schema"] == "archspec.check/1"
    assert (document["name"], document["file"]) == ("Net", "net.yaml")
    assert document["variant"] is None
    assert document["ok"] is False
    assert document["input"] == [3, 32, 48]
    assert document["outputs"] == {"fc": [10]}
    # 8·(3·5·3 + 1) + 2·8 + (8·16·23 + 1)·10
    assert document["totals"] == {
        "num_params": 368 + 16 + 29450,
        "trainable_params": 368 + 16 + 29450,
        "buffers": 17,
        "training_only_params": 0,
        "macs": 45 * 8 * 16 * 23 + 29440,
        "weighted_layers": 2,
    }


def test_layers_have_the_paths_of_pytorch_and_the_lines_of_the_text(document: Any) -> None:
    shown = [(layer["path"], layer["op"], layer["line"]) for layer in document["layers"]]
    assert shown == [
        ("features.0", "conv2d", 9),
        ("features.1", "relu", 9),  # the row that carries it, wherever that is written
        ("features.2", "batch_norm", 14),
        ("flatten", "flatten", 15),
        ("fc", "linear", 16),
    ]
    assert [layer["inputs"] for layer in document["layers"]] == [
        *(["input"], ["features.0"], ["features.1"], ["features.2"], ["flatten"]),
    ]


def test_a_layer_has_its_figures(document: Any) -> None:
    first, *_, last = document["layers"]
    assert first["input_shapes"] == [[3, 32, 48]]
    assert first["output_shape"] == [8, 16, 23]
    assert (first["num_params"], first["macs"]) == (368, 45 * 8 * 16 * 23)
    assert first["receptive_field"] == {"size": [3, 5], "stride": [2, 2], "offset": [-1, -1]}
    assert last["receptive_field"] == "global"


def test_what_units_see_that_differ_is_told_phase_by_phase() -> None:
    """Of a unit that sees nothing there is no span, and a bound says that it is one."""
    text = (
        "archspec: 1\nname: Up\ninput: [1, 8, 8]\nlayers:\n"
        "  - {op: max_pool, kernel_size: [1, 2], stride: [1, 2]}\n"
        "  - {op: conv_transpose2d, out_channels: 1, kernel_size: [1, 2], stride: [2, 4]}\n"
        "  - {op: upsample, scale_factor: [1, 65]}\n"
    )
    fields = [layer["receptive_field"] for layer in whole(text)["layers"]]
    assert fields[0] == {"size": [1, 2], "stride": [1, 2], "offset": [0, 0]}
    assert fields[1] == {
        "size": [1, 2],
        "stride": [0.5, 0.5],
        "offset": [0, 0],
        "phases": [[[0, 0], None], [[0, 1], [0, 1], None, None]],
    }
    assert fields[2]["size"] == [1, 4]
    assert fields[2]["bound"] is True
    assert len(fields[2]["phases"][0]) == 2


def test_claims_have_figures_in_the_form_of_json(document: Any) -> None:
    by_metric = {claim["metric"]: claim for claim in document["claims"]}
    assert by_metric["params"] == {
        "path": "fc",
        "metric": "params",
        "claimed": 1,
        "computed": 29450,
        "holds": False,
        "scope": None,
        "source": "a guess",
        "line": 16,
    }
    assert by_metric["weighted_layers"]["holds"] is True
    assert by_metric["weighted_layers"]["path"] == ""
    assert by_metric["weighted_layers"]["source"] is None


def test_diagnostics_are_located_and_name_the_layer(document: Any) -> None:
    note, failed = document["diagnostics"]
    assert (failed["code"], failed["name"], failed["severity"]) == ("AS401", "claim-fails", "error")
    column = SPEC.splitlines()[15].index("1, source") + 1
    assert (failed["file"], failed["line"], failed["column"]) == ("net.yaml", 16, column)
    assert (failed["path"], note["path"]) == ("fc", "features.0")
    assert note["severity"] == "note"
    assert isinstance(failed["help"], str)


@pytest.mark.parametrize(
    ("written", "mistaken", "path"),
    [
        ("padding: 1", "padding: one", "features.0"),
        ("padding: 1", "pading: 1", "features.0"),
        ("padding: 1", "activation: rleu", "features.0"),
        ("op: batch_norm", "op: batch_nrom", "features.2"),
        ("out_features: num_classes", "out_features: 0", "fc"),
        ("kernel_size: [3, 5]", "kernel_size: 99", "features.0"),
        ("- name: features", "- nmae: 1\n    name: features", "features"),
        ("- name: flatten", "- name: forward", "forward"),
        ("{op: batch_norm}", "batch_norm", "features.2"),
        ("num_classes: 10", "num_classes: one", "vars.num_classes"),
        ("activation: relu", "activatoin: relu", "defaults.conv2d.activatoin"),
        ("activation: relu", "activation: rleu", "defaults.conv2d.activation"),
        ("macs: {value", "mcas: {value", "expect.mcas.value"),
    ],
)
def test_a_diagnostic_has_the_path_of_the_row_it_stands_in_or_else_the_one_in_the_spec(
    written: str, mistaken: str, path: str
) -> None:
    spec = SPEC.replace("- {name: flatten", "- name: flatten\n    op: flatten #")
    assert written in spec
    document = whole(spec.replace(written, mistaken))
    found = [fault["path"] for fault in document["diagnostics"] if fault["severity"] == "error"]
    assert path in found
    rows = {layer["path"] for layer in document["layers"]} | {"features", "classifier"}
    assert (path in rows) == (not path.startswith(("vars.", "defaults.", "expect.")))


def test_what_is_unknown_is_null() -> None:
    document = whole(SPEC.replace("padding: 1", "padding: one"))
    assert {document["totals"][k] for k in ("num_params", "trainable_params", "macs")} == {None}
    for layer in document["layers"]:
        assert layer["output_shape"] is None
        assert layer["num_params"] is None
        assert layer["macs"] is None
        assert layer["receptive_field"] is None
    assert document["layers"][0]["input_shapes"] == [[3, 32, 48]]
    assert document["layers"][1]["input_shapes"] == [None]


@pytest.mark.parametrize("text", ["", "[", "just text", "{}", "- 1"])
def test_a_text_that_is_no_spec_has_the_same_keys(text: str) -> None:
    document = whole(text)
    assert list(document) == list(whole(SPEC))
    assert document["ok"] is False
    assert (document["input"], document["outputs"], document["layers"]) == (None, {}, [])
    assert (document["output_paths"], document["training_only"], document["scopes"]) == ({}, [], [])
    assert document["diagnostics"]


def test_hostile_texts_stay_data() -> None:
    document = whole(SPEC.replace("name: Net", 'name: "\\e[31m\\u202E\\"</script>"'))
    assert document["name"] == '\x1b[31m\u202e"</script>'


def test_several_checks_are_a_list() -> None:
    stream = io.StringIO()
    checks = [archspec.check_text(SPEC, name) for name in ("a.yaml", "b.yaml")]
    write_json(stream, checks, several=True)
    assert [document["file"] for document in json.loads(stream.getvalue())] == ["a.yaml", "b.yaml"]
    for few in (checks[:1], []):
        stream = io.StringIO()
        write_json(stream, few, several=True)
        assert len(json.loads(stream.getvalue())) == len(few)


GRAPH = (Path(__file__).parent / "graph.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def graph() -> Any:
    """The first variant of a family whose paths part and meet."""
    return whole(GRAPH, "graph.yaml")[0]


def test_layers_name_all_they_read(graph: Any) -> None:
    inputs = {layer["path"]: layer["inputs"] for layer in graph["layers"]}
    assert inputs["stem.0"] == ["input"]
    assert inputs["mix.cat"] == ["mix.b1", "mix.b2.2", "mix.b3.0"]
    assert inputs["units.1.sum"] == ["units.1.se.scale", "units.0.6"]
    assert inputs["pool"] == ["units.1.5"]
    shapes = {layer["path"]: layer["input_shapes"] for layer in graph["layers"]}
    assert shapes["mix.cat"] == [[8, 32, 32], [16, 32, 32], [16, 32, 32]]


def test_scopes_say_of_what_block_and_with_which_arguments(graph: Any) -> None:
    scopes = {scope["path"]: scope for scope in graph["scopes"]}
    assert list(scopes)[:3] == ["stem", "mix", "mix.b2"]
    assert list(scopes["units.0"]) == [
        *("path", "kind", "block", "arguments", "input", "output", "input_shape"),
        *("output_shape", "num_params", "macs", "line"),
    ]
    assert scopes["units.0"] == {
        "path": "units.0",
        "kind": "block",
        "block": "Unit",
        "arguments": {"width": 32, "stride": 2, "in_channels": 40},
        "input": "mix.cat",
        "output": "units.0.6",
        "input_shape": [40, 32, 32],
        "output_shape": [32, 16, 16],
        "num_params": 22500,
        "macs": 5636352,
        "line": next(
            number
            for number, line in enumerate(GRAPH.splitlines(), start=1)
            if "name: units" in line
        ),
    }
    kinds = {path: (scope["kind"], scope["block"]) for path, scope in scopes.items()}
    assert kinds["units"] == ("repeat", None)
    assert kinds["mix.b2"] == ("group", None)


def test_arguments_are_plain_data() -> None:
    text = (
        "archspec: 1\nname: Net\ninput: [3, 8, 8]\nblocks:\n"
        "  B: {args: {act: relu, sizes: [1, 2], on: true, p: 0.5}, layers: [{op: act}]}\n"
        "layers: [{op: B, act: relu6}]\n"
    )
    given = whole(text)["scopes"][0]["arguments"]
    assert given == {"act": "relu6", "sizes": [1, 2], "on": True, "p": 0.5, "in_channels": 3}


def test_what_is_only_in_training_is_marked(graph: Any) -> None:
    assert graph["outputs"] == {"logits": [10], "aux": [10]}
    assert graph["output_paths"] == {"logits": "fc", "aux": "aux.2"}
    assert graph["training_only"] == ["aux"]
    only = [layer["path"] for layer in graph["layers"] if layer["training_only"]]
    assert only == ["aux.0", "aux.1", "aux.2"]
    assert graph["totals"]["training_only_params"] == 410


def test_the_field_without_gates_stands_beside_the_whole_one(graph: Any) -> None:
    layers = {layer["path"]: layer for layer in graph["layers"]}
    gated = layers["units.0.se.scale"]
    assert gated["receptive_field"] == "global"
    assert gated["receptive_field_without_gates"]["size"] == [19, 19]
    plain = layers["mix.cat"]
    assert plain["receptive_field"] == plain["receptive_field_without_gates"]


def test_a_family_is_a_list_of_its_variants() -> None:
    listed = whole(GRAPH, "graph.yaml")
    assert [check["variant"] for check in listed] == ["graph2", "graph3", "graph9"]
    assert [check["name"] for check in listed] == ["Graph-2", "Graph-3", "Graph (graph9)"]
    assert [len(check["claims"]) for check in listed] == [0, 1, 0]


def test_faults_in_blocks_have_the_path_of_their_first_row() -> None:
    faulty = whole(GRAPH.replace("squeeze: 4}", "squeeze: 0}"), "graph.yaml")[0]
    assert {fault["path"] for fault in faulty["diagnostics"] if fault["code"] != "AS306"} == {
        "units.0.se.fc1"
    }
