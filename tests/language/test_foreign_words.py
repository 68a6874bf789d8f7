"""What is written as other tools have it is answered once, with how it is written here."""

import pytest

from archspec.api import check_text

HEAD = "archspec: 1\nname: Net\n"
INPUT = "input: [3, 32, 32]\n"
CONV = "{op: conv2d, out_channels: 8, kernel_size: 3"
TWO = f"{{name: a, {CONV[1:]}}}, {{name: b, op: relu}}"


def told(text: str) -> list[tuple[int, str, str]]:
    """The line, the message and the help of each fault."""
    result = check_text(text)
    found = [(result.locate(fault).line, fault.message, fault.help) for fault in result.diagnostics]
    return [(line, message, help_) for line, message, help_ in found]


def helped(text: str) -> str:
    """The help of the one fault that there is."""
    ((_, _, help_),) = told(HEAD + text)
    return help_


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("he_normal", "kaiming_normal"),
        ("HeUniform", "kaiming_uniform"),
        ("msra", "kaiming_normal"),
        ("kaiming", "kaiming_normal"),
        ("glorot_normal", "xavier_normal"),
        ("glorot_uniform", "xavier_uniform"),
        ("xavier", "xavier_uniform"),
        ("kaiming_normal_", "kaiming_normal"),
        ("truncated_normal", "trunc_normal"),
        ("gaussian", "normal"),
        ("lecun_normal", "{kaiming_normal: {nonlinearity: linear}}"),
    ],
)
def test_ways_in_which_parameters_begin(word: str, ours: str) -> None:
    layers = f"layers: [{CONV}}}]\n"
    written = f"{INPUT}init: {{conv2d: {{weight: {word}}}}}\n{layers}"
    assert helped(written) == f"did you mean `{ours}`?"
    assert not told(HEAD + written.replace(word, ours))


def test_a_scheme_under_a_key_of_its_own() -> None:
    row = f"{CONV}, init: {{weight: {{type: xavier_normal}}}}}}"
    assert helped(f"{INPUT}layers: [{row}]\n") == "write `weight: xavier_normal`"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("1x3x224x224", "without the batch: [3, 224, 224]"),
        ("[None, 224, 224, 3]", "without the batch: [3, 224, 224]"),
        ("[~, 3, 224, 224]", "without the batch: [3, 224, 224]"),
        ("[N, 784]", "without the batch: [784]"),
        ("[1, 784]", "without the batch: [784]"),
        ("[-1, 3, 64, 48]", "without the batch: [3, 64, 48]"),
        ("[None, None, None, 3]", "every size is a number, without the batch"),
        ("[3, ~, ~]", "every size is a number: "),
        ("[28, 28]", "`input: [1, 28, 28]`"),
        ("28x32", "`input: [1, 28, 32]`"),
        ("784", "`input: [784]`"),
        ("[3, 224]", "`input: [3, 224, 224]`"),
        ('"(None, 32, 32, 3)"', "without the batch: [3, 32, 32]"),
        ("[H, W, 3]", "every size is a number: "),
        ("{height: 8, width: 16, channels: 3}", "`input: [3, 8, 16]`"),
    ],
)
def test_inputs(written: str, says: str) -> None:
    assert says in helped(f"input: {written}\nlayers: [{{op: relu}}]\n")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{op: dropout, keep_prob: 0.8}", "it is `p: 0.2` here"),
        ("{op: dropout, keep_prob: x}", "it is `p: 1 - keep_prob` here"),
        ("{op: batch_norm, decay: 0.99}", "it is `momentum: 0.01` here"),
        (f"{CONV}, description: stem}}", "behind `#`"),
        (f"{CONV}, bias: 0}}", "write `bias: false`"),
        (f"{CONV}, bias: 1}}", "write `bias: true`"),
        (f"{CONV}, padding: SAME}}", "did you mean `same`?"),
        (f"{CONV}, repeat: ×3}}", "write 3"),
        (f"{CONV}, repeat: x3}}", "write 3"),
        ("{op: softmax, axis: 1}", "did you mean `dim`?"),
        ("{op: upsample, scale_factor: 2, interpolation: bilinear}", "did you mean `mode`?"),
        ("{op: depthwise_conv2d, kernel_size: 3, out_channels: 3}", "`channel_multiplier` says"),
        (f"{CONV}, activation: linear}}", "leave it out"),
        (
            "{op: conv_transpose2d, out_channels: 8, kernel_size: 3, padding: same}",
            "here `padding: 1`",
        ),
        (
            "{op: conv_transpose2d, out_channels: 8, kernel_size: 3, stride: 2, padding: same}",
            "here `padding: 1, output_padding: 1`",
        ),
        (
            "{op: conv_transpose2d, out_channels: 8, kernel_size: 4, stride: 2, padding: valid}",
            "leave it out",
        ),
        (f"{CONV}, padding: kernel_size // 2}}", "write `padding: 1` here"),
        (f"{CONV}, padding: (kernel_size - 1) // 2}}", "read in `defaults` alone"),
        (f"{TWO}, {{op: concat, from: [a, b], axis: 1}}", "leave it out"),
        (f"{TWO}, {{op: concat, from: [a, b], dim: 1}}", "leave it out"),
        (f"{TWO}, {{op: add, branches: [a, b]}}", "`from: [a, b]`"),
        (f"{TWO}, {{op: relu, from: prev}}", "did you mean `previous`?"),
        (f"{CONV}, each: [8, 16]}}", "`each: {c: [8, 16]}`"),
        (f"{{name: conv-1, {CONV[1:]}}}", "`conv_1` can be one"),
        (
            "{op: pad_channels, after: 2}, {op: pixel_shuffle, upscale_factor: 2}",
            "a multiple of 4",
        ),
    ],
)
def test_attributes(row: str, says: str) -> None:
    assert says in helped(f"{INPUT}layers: [{row}]\n")


@pytest.mark.parametrize(
    ("op", "says"),
    [
        ("SeparableConv2D", "`depthwise_conv2d` and then `conv2d`"),
        ("SELU", "the nearest is `elu`"),
        ("skip", "did you mean `add`?"),
        ("SpatialDropout2D", "none drops whole maps"),
        ("InputLayer", "`input: [C, H, W]`"),
        ("Activation", "`op: relu`"),
        ("zzz", "`docs/ops.md`"),
    ],
)
def test_ops(op: str, says: str) -> None:
    assert says in helped(f"{INPUT}layers: [{{op: {op}}}]\n")


def test_no_op_is_answered_with_a_list_of_all() -> None:
    assert "known here" not in helped(f"{INPUT}layers: [{{op: zzz}}]\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 792", "write 1792"),
        ('"1,792"', "write 1792"),
        ("1 234 567", "write 1234567"),
        ("25.6M", "write 25.6e6"),
        ("4 k", "write 4e3"),
        ("2^5", "write `2**5`"),
        ('"2 ? 8 : 16"', "write `8 if 2 else 16`"),
        ("50%", "write 0.5"),
        ("int(8.5)", "`int(…)` is `floor(…)` here"),
        ("math.ceil(8.5)", "`math.ceil(…)` is `ceil(…)` here"),
        ("sqrt(64)", "`sqrt(…)` is `x ** 0.5` here"),
        ("_make_divisible(64)", "`_make_divisible(…)` is `make_divisible(…)` here"),
        ("floor(8) +", ""),
    ],
)
def test_numbers_and_expressions(text: str, says: str) -> None:
    help_ = helped(f"{INPUT}layers: [{CONV}}}]\nexpect: {{params: {text}}}\n")
    assert says in help_ if says else help_ == ""


@pytest.mark.parametrize(
    ("key", "written", "says"),
    [
        ("output", "(30, 30, 8)", "write `output: [8, 30, 30]`"),
        ("output", "(8, 30, 30)", "write `output: [8, 30, 30]`"),
        ("expect", "{output: (30, 30, 8)}", "write `output: [8, 30, 30]`"),
        ("stride", "(1, 1)", "write `stride: [1, 1]`"),
        ("padding", "max(0, 1)", 'write it in quotes, `padding: "max(0, 1)"`'),
        ("padding", "max(0, min(1, 2))", 'write it in quotes, `padding: "max(0, min(1, 2))"`'),
    ],
)
def test_values_that_a_comma_tears_apart(key: str, written: str, says: str) -> None:
    assert says in helped(f"{INPUT}layers: [{CONV}, {key}: {written}}}]\n")


def test_a_number_that_a_comma_tears_apart() -> None:
    row = "{op: conv2d, out_channels: 64, kernel_size: 3, params: 1,792}"
    assert helped(f"{INPUT}layers: [{row}]\n") == "write `params: 1792`"


def test_cells_that_a_comma_tears_apart() -> None:
    table = "columns: [op, out_channels, kernel_size, stride]\nlayers:\n"
    table += "- [conv2d, max(8, 16), 3, 1]\n- [conv2d, 8, (3, 3), 1]\n"
    faults = [(line, help_) for line, _, help_ in told(HEAD + INPUT + table)]
    assert faults == [(6, 'write it in quotes, `"max(8, 16)"`'), (7, "write `[3, 3]`")]


def test_a_bracket_that_nothing_closes_is_no_tuple() -> None:
    messages = [
        message for _, message, _ in told(f"{HEAD}{INPUT}layers: [{CONV}, stride: (1, 2}}]")
    ]
    assert not any("tuple" in message for message in messages)


@pytest.mark.parametrize(
    ("written", "macs"),
    [
        ("flops: 100", "50"),
        ("FLOPs: 3.6e9", "1.8e9"),
        ("flops: 3.6G", "1.8e9"),
        ("GFLOPs: 3", "1.5e9"),
    ],
)
def test_operations_are_half_as_many(written: str, macs: str) -> None:
    claim = f"expect: {{{written}}}\n"
    assert f"`macs: {macs}`" in helped(f"{INPUT}layers: [{CONV}}}]\n{claim}")


@pytest.mark.parametrize(("word", "ours"), [("mult_adds", "macs"), ("total_params", "params")])
def test_metrics(word: str, ours: str) -> None:
    claim = f"expect: {{{word}: 100}}\n"
    assert helped(f"{INPUT}layers: [{CONV}}}]\n{claim}") == f"did you mean `{ours}`?"


@pytest.mark.parametrize("word", ["widht", "out_channels"])
def test_an_argument_under_another_name_is_not_missing(word: str) -> None:
    block = "blocks: {B: {args: {width: ~}, layers: [{op: conv2d, out_channels: width, "
    block += "kernel_size: 3}]}}\n"
    assert helped(f"{INPUT}{block}layers: [{{op: B, {word}: 8}}]\n") == "did you mean `width`?"


def test_a_width_of_another_kind_is_not_missing() -> None:
    rows = "layers: [{op: flatten}, {op: linear, out_channels: 10}]\n"
    assert helped(INPUT + rows) == "did you mean `out_features`?"


def test_columns_are_read_as_what_was_meant() -> None:
    rows = "columns: [op, filters, kernel]\nlayers:\n- [conv2d, 8, 3]\n"
    helps = [help_ for _, _, help_ in told(HEAD + INPUT + rows)]
    assert helps == ["did you mean `out_channels`?", "did you mean `kernel_size`?"]


@pytest.mark.parametrize(
    ("declared", "row"),
    [
        ("vars: {num-classes: 3}", "{op: conv2d, kernel_size: 1, out_channels: num-classes}"),
        ("vars: {class: 3}", "{op: conv2d, kernel_size: 1, out_channels: 2 * class}"),
        (
            "vars: {num-classes: 3}",
            "{op: conv2d, kernel_size: 1, out_channels: 1 if in_channels else num-classes}",
        ),
        ("vars: {num-classes: 3}", "{op: relu, output: num-classes}"),
        ("blocks: {my-block: {layers: [{op: relu}]}}", "{op: my-block}"),
    ],
)
def test_a_name_that_is_none_is_told_where_it_is_declared(declared: str, row: str) -> None:
    ((line, message, _),) = told(f"{HEAD}{INPUT}{declared}\nlayers: [{row}]\n")
    assert line == 4
    assert "cannot be the name" in message


def test_a_column_whose_name_is_none_is_told_once() -> None:
    row = "{op: conv2d, kernel_size: 3, out_channels: my-c, each: {my-c: [8, 16]}}"
    assert helped(f"{INPUT}layers: [{row}]\n") == "`my_c` can be one"


def test_beside_a_name_that_is_none_others_are_told_to_be_missing() -> None:
    row = "{op: conv2d, kernel_size: 1, out_channels: classes}"
    faults = told(f"{HEAD}{INPUT}vars: {{class: 3}}\nlayers: [{row}]\n")
    assert [line for line, _, _ in faults] == [4, 5]


@pytest.mark.parametrize("declared", ["vars: {act: none}", "vars: {act: 3}"])
def test_the_value_of_a_variable_is_at_fault_where_it_is_no_activation(declared: str) -> None:
    rows = f"layers: [{CONV}, activation: act}}, {CONV}, activation: act}}]\n"
    ((_, message, help_),) = told(f"{HEAD}{INPUT}{declared}\n{rows}")
    value = declared.removeprefix("vars: {act: ").removesuffix("}")
    assert message == f"`act` is {value}, which is no activation (and in 1 more place)"
    assert ("`false`" in help_) is (value == "none")


def test_a_size_beyond_the_limit_names_it() -> None:
    row = "{op: conv2d, out_channels: 100000000000, kernel_size: 3}"
    ((_, message, _),) = told(f"{HEAD}{INPUT}layers: [{row}]\n")
    assert message == "out_channels has to be at most 1000000000, not 100000000000"


def test_a_row_in_the_place_of_rows() -> None:
    assert helped(f"{INPUT}layers: {{op: relu}}\n") == "each row is an item: `- {op: relu}`"
