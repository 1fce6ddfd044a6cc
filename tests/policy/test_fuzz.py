"""Whatever is in a file, loading it ends in a policy or in a PolicyError, and soon."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.policy.documents import parse_bytes
from laneway.policy.load import PolicyError, load_text
from laneway.policy.problems import Faults
from laneway.policy.write import document_text
from tests.strategies import documents

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

PIECES = (
    *("[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", '"', "'", '"""', "#", "\\u0000", "\\", "-", "0x", "1e999"),
    *(
        "host",
        "uplinks",
        "tenants",
        "expect",
        "acme",
        "north",
        "match",
        "ports",
        "subnets",
        "true",
        "nan",
        "10.0.0.0/8",
    ),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["auto", "10.0.0.1", "::/0", "icmp"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


def loads_or_is_refused(text: str) -> None:
    with contextlib.suppress(PolicyError):
        load_text(text)


@given(st.binary(max_size=300))
def test_bytes(content: bytes) -> None:
    faults = Faults()

    assert (parse_bytes(content, "a.toml", faults) is None) == bool(faults)


@given(st.text(max_size=300))
def test_text(text: str) -> None:
    loads_or_is_refused(text)


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_pieces_of_toml(text: str) -> None:
    loads_or_is_refused(text)


@given(documents(), VALUES, st.randoms(use_true_random=False))
def test_a_policy_with_something_else_in_one_place(document: dict[str, Any], value: Any, chance: random.Random) -> None:
    container, key = chance.choice(list(_places(document)))
    container[key] = value

    try:
        text = document_text(document)
    except (ValueError, TypeError, IndexError, AttributeError, KeyError):
        return  # what the writer cannot write is no document either
    loads_or_is_refused(text)


@given(documents(), st.data())
def test_a_policy_with_a_few_other_characters(document: dict[str, Any], data: st.DataObject) -> None:
    text = document_text(document)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 5))
        text = text[:position] + data.draw(st.sampled_from(["", *PIECES, "é", "\x1b"])) + text[position + length :]
    loads_or_is_refused(text)


def _places(container: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(container) if isinstance(container, dict) else range(len(container))
    for key in keys:
        yield container, key
        if isinstance(container[key], dict | list):
            yield from _places(container[key])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a = " + "[" * 100_000, id="nested arrays"),
        pytest.param("a = " + "{a = " * 100_000, id="nested tables"),
        pytest.param("a" + ".a" * 200_000 + " = 1", id="a dotted key"),
        pytest.param("[" + "a." * 200_000 + "a]", id="a dotted header"),
        pytest.param("a" * 1_000_000, id="a word"),
        pytest.param('a = "' + "\\" * 1_000_000, id="backslashes"),
        pytest.param("".join(f"a{number} = 1\n" for number in range(3000)), id="unknown keys"),
        pytest.param("[[expect]]\n" * 3000, id="empty tables"),
        pytest.param(
            '[uplinks.n]\ninterface = "eth0"\n'
            + "".join(f'[tenants.t{n}]\nsubnets = ["10.0.0.0/8"]\nuplinks = ["n"]\n' for n in range(3000)),
            id="one prefix of many tenants",
        ),
    ],
)
def test_it_does_not_take_long(text: str) -> None:
    begin = time.process_time()

    with pytest.raises(PolicyError):
        load_text(text)

    assert time.process_time() - begin < 20  # seconds; one or two, hours when it is quadratic
