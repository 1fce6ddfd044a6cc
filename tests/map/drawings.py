"""Drawings of policies, as the command makes them but for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from laneway.compile.assume import assumed_facts
from laneway.compile.host import compile_host
from laneway.explain.places import Places
from laneway.lanes.allocate import allocate
from laneway.lanes.leases import Leases
from laneway.map.subject import subject
from laneway.policy.load import load

if TYPE_CHECKING:
    from laneway.map.subject import Subject
    from laneway.policy.model import PolicySet

POLICIES = Path(__file__).parents[2] / "policies"


def drawn(policy: PolicySet, title: str = "test.toml") -> Subject:
    lanes = allocate(policy, Leases())
    state = compile_host(policy, lanes, assumed_facts(policy))
    return subject(title, policy, lanes=lanes, state=state, place_of=Places().text)


def example(name: str) -> Subject:
    return drawn(load([POLICIES / name]), name)
