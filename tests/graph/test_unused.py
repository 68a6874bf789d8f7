"""What is used somewhere in a family is not told as unused."""

from archspec.api import check_text

TEXT = """\
archspec: 1
name: Net
input: [3, 8, 8]
vars: {width: 8, total: 224}
variants:
  small: {expect: {num_params: %s}}
  large: {width: 16}
layers:
  - {op: conv2d, out_channels: width, kernel_size: 3}
"""


def test_what_only_the_claim_of_a_variant_reads_is_used() -> None:
    assert check_text(TEXT % "total").diagnostics == ()
    told = [(d.code, d.message) for d in check_text(TEXT % 224).diagnostics]
    assert told == [("AS227", "nothing uses the variable `total`")]
