"""What is written is read back as the same policy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import toml
from hypothesis import given

from laneway.policy import write
from laneway.policy.load import load, load_text
from laneway.policy.model import PolicySet, Source
from laneway.policy.write import to_document, to_toml
from tests.strategies import policies

EXAMPLES = Path(__file__).parents[2] / "policies"


def without_sources(value: Any) -> Any:
    """Return a policy, or a part of one, that says nothing of where it was written."""
    if isinstance(value, Source):
        return None
    if isinstance(value, tuple):
        parts = map(without_sources, value)
        return type(value)._make(parts) if hasattr(value, "_make") else tuple(parts)
    return value


@given(policies())
def test_a_policy_written_and_loaded_is_the_same_policy(policy: PolicySet) -> None:
    assert without_sources(load_text(to_toml(policy))) == without_sources(policy)


@given(policies())
def test_the_text_is_that_of_the_toml_package_and_says_what_the_tables_say(policy: PolicySet) -> None:
    document, encoder = to_document(policy), toml.TomlEncoder(preserve=True)

    assert write._text(document, encoder) == toml.dumps(document, encoder=encoder)
    assert tomllib.loads(to_toml(policy)) == document


@pytest.mark.parametrize("name", ["quickstart.toml", "dual-stack.toml", "hosting"])
def test_the_examples_survive_being_written(name: str) -> None:
    policy = load([EXAMPLES / name])

    assert without_sources(load_text(to_toml(policy))) == without_sources(policy)


def test_a_policy_with_nothing_in_it_has_its_host_settings() -> None:
    assert tomllib.loads(to_toml(PolicySet())) == {
        "host": {
            "marks": "0xffff0000",
            "max_uplinks": 7,
            "tables": "20000-85535",
            "priorities": "10000-19999",
            "iptables": "auto",
        }
    }
