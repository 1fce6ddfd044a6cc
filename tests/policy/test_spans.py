"""Every way to write a value has its place in the file."""

from __future__ import annotations

import pytest

from laneway.policy.spans import Spans

TEXT = '''\
top = 1
[plain]
number = 1 # comment
"quoted key" = "text"
'lit' = true
dotted . key = [1]
list = [
    "first", # one
    # nothing
    "second", ["inner", { deep = 3 }],
]
inline = { a = 1, b.c = [2], "d\\u0065" = 3 }
multi = """
line
"""
[a.b."c.d"]
x = 1
[[array]]
x = 1
[array.sub]
y = 1
[[array.sub.more]]
z = 1
[[array.sub.more]]
z = 2
[[array]]
x = 2
[array.sub]
y = 2
'''


def shown(path: tuple[str | int, ...], *, key: bool = False) -> tuple[int, str]:
    spans = Spans(TEXT)
    span = spans.key(path) if key else spans.value(path)
    return span.line, spans.line(span.line)[span.column - 1 : span.column - 1 + span.length]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        pytest.param(("top",), (1, "1"), id="top"),
        pytest.param(("plain", "number"), (3, "1"), id="before a comment"),
        pytest.param(("plain", "quoted key"), (4, '"text"'), id="quoted key"),
        pytest.param(("plain", "lit"), (5, "true"), id="literal key"),
        pytest.param(("plain", "dotted", "key", 0), (6, "1"), id="dotted key"),
        pytest.param(("plain", "list"), (7, "["), id="several lines"),
        pytest.param(("plain", "list", 1), (10, '"second"'), id="element"),
        pytest.param(("plain", "list", 2, 0), (10, '"inner"'), id="element of an element"),
        pytest.param(("plain", "list", 2, 1, "deep"), (10, "3"), id="table in an array"),
        pytest.param(("plain", "inline", "b", "c", 0), (12, "2"), id="inline table"),
        pytest.param(("plain", "inline", "de"), (12, "3"), id="escaped key"),
        pytest.param(("plain", "multi"), (13, '"""'), id="string of several lines"),
        pytest.param(("a", "b", "c.d", "x"), (17, "1"), id="header of several parts"),
        pytest.param(("array", 0, "x"), (19, "1"), id="array of tables"),
        pytest.param(("array", 0, "sub", "y"), (21, "1"), id="below an array of tables"),
        pytest.param(("array", 0, "sub", "more", 1, "z"), (25, "2"), id="array below an array"),
        pytest.param(("array", 1, "x"), (27, "2"), id="second of an array"),
        pytest.param(("array", 1, "sub", "y"), (29, "2"), id="below the second"),
        pytest.param(("plain", "number", "gone"), (3, "1"), id="what is not there, by what it would be part of"),
        pytest.param(("nowhere",), (1, "t"), id="what is nowhere"),
    ],
)
def test_values(path: tuple[str | int, ...], place: tuple[int, str]) -> None:
    assert shown(path) == place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        pytest.param(("top",), (1, "top"), id="top"),
        pytest.param(("plain",), (2, "plain"), id="table"),
        pytest.param(("plain", "quoted key"), (4, '"quoted key"'), id="quoted"),
        pytest.param(("plain", "dotted"), (6, "dotted"), id="first part of a dotted key"),
        pytest.param(("plain", "dotted", "key"), (6, "key"), id="last part of a dotted key"),
        pytest.param(("plain", "inline", "b", "c"), (12, "c"), id="inline table"),
        pytest.param(("a", "b"), (16, "b"), id="part of a header"),
        pytest.param(("a", "b", "c.d"), (16, 'a.b."c.d"'), id="whole header"),
        pytest.param(("array", 1), (26, "array"), id="element of an array of tables"),
        pytest.param(("array", 1, "sub"), (28, "array.sub"), id="table below it"),
    ],
)
def test_keys(path: tuple[str | int, ...], place: tuple[int, str]) -> None:
    assert shown(path, key=True) == place


def test_columns_count_characters() -> None:
    span = Spans('k = ["世界", "\U0001f600", "x"]').value(("k", 2))

    assert (span.line, span.column, span.length) == (1, 17, 3)


def test_text_that_is_no_toml_has_places_too() -> None:
    assert Spans("]]] = [[[ {\n\x00").value(("a", 0)).line == 1
