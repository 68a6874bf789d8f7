"""Neighbours under one condition are one `if`, and what they add to a list one statement."""

import pytest

from archspec.targets.torch.rows.together import together
from tests.targets.test_coalesce import after

APPENDED = "if on:\n    layers.append(a)"


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        (f"{APPENDED}\nif on:\n    layers.append(b)", "if on:\n    layers += [a, b]"),
        (f"{APPENDED}\nif on:\n    layers += [b, c]", "if on:\n    layers += [a, b, c]"),
        (f"{APPENDED}\nif on:\n    more.append(b)", f"{APPENDED}\n    more.append(b)"),
        (f"{APPENDED}\nif on:\n    x = 8 if on else 4", f"{APPENDED}\n    x = 8"),
        (
            "for i in y:\n    if on:\n        x = f(i)\n    if on:\n        z = g(i)",
            "for i in y:\n    if on:\n        x = f(i)\n        z = g(i)",
        ),
    ],
)
def test_two_are_one(text: str, joined: str) -> None:
    assert after(text, together) == joined


@pytest.mark.parametrize(
    "text",
    [
        f"{APPENDED}\nif not on:\n    layers.append(b)",
        f"{APPENDED}\nlayers += [c]\nif on:\n    layers.append(b)",
        f"{APPENDED}\nelse:\n    layers.append(c)\nif on:\n    layers.append(b)",
        "if width == 4:\n    width = 8\nif width == 4:\n    layers.append(b)",
    ],
)
def test_others_stay_two(text: str) -> None:
    assert after(text, together) == text
