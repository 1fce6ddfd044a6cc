"""The walk's word is the kernel's: random policies, random packets, in the lab and on paper.

A long run: LANEWAY_DIFFERENTIAL=10000 pytest integration/explain/test_differential.py. A failure names its seed; to
see that policy and its packets again, LANEWAY_DIFFERENTIAL_SEED=n.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from integration.explain.compare import disagreements
from integration.explain.worlds import Crowd, random_policy
from laneway.cli.wire import carry_out, linux_host, look_at
from laneway.explain.assume import assumed_host
from laneway.explain.terrain import Terrain
from laneway.kernel import underlay
from laneway.lab.run import Lab
from laneway.policy.load import PolicyError, load_text
from laneway.policy.write import document_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from laneway.lab.trial import Probe
    from laneway.policy.model import PolicySet
    from laneway.state.host import HostState
    from laneway.state.underlay import Underlay

PACKETS = int(os.environ.get("LANEWAY_DIFFERENTIAL", "300"))
SEED = os.environ.get("LANEWAY_DIFFERENTIAL_SEED", "")
EACH = 150
"""Packets of one policy: making its lab costs as much as sending some hundred."""

PATIENCE = 4.0
"""Seconds for the packets that seem to tell otherwise, sent again alone: a busy machine is no disagreement."""

SEEDS = st.just(int(SEED)) if SEED else st.integers(0, 1 << 48)


def policy_of(draw: Random, variant: str) -> PolicySet:
    """Return a random policy that is valid."""
    while True:
        document = random_policy(draw)
        document["host"] = {**document.get("host", {}), "iptables": variant}
        try:
            return load_text(document_text(document))
        except PolicyError:
            continue


@dataclass(frozen=True)
class Applied:
    """A host after apply, as `--live` reads it."""

    state: HostState
    underlay: Underlay


def applied(policy: PolicySet) -> Applied:
    carry_out(look_at(policy))
    return Applied(linux_host(policy.host.iptables).read(), underlay.read())


def told_otherwise(lab: Lab, probes: tuple[Probe, ...], *terrains: Terrain) -> Iterator[str]:
    def differing(some: tuple[Probe, ...], patience: float | None) -> Iterator[tuple[Probe, str]]:
        for probe, outcome in zip(some, lab.send(some, patience=patience), strict=True):
            for number, terrain in enumerate(terrains):
                for difference in disagreements(lab.world, terrain, probe, outcome):
                    yield probe, f"{'observed' if number else 'desired'}: {difference}"

    suspects = tuple(dict.fromkeys(probe for probe, _ in differing(probes, None)))
    for probe, difference in differing(suspects, PATIENCE) if suspects else ():
        what = f"{probe.protocol}/{probe.port} dscp {probe.dscp}"
        yield f"{probe.sender} {probe.source} → {probe.to} {what}: {difference}"


def sent(seed: int, variant: str) -> tuple[int, list[str]]:
    """Send the packets of a seed; return how many there were, and where the walk is wrong."""
    draw = Random(seed)  # noqa: S311  no secret
    policy = policy_of(draw, variant)
    with Lab(policy) as lab:
        host = lab.call(lambda: applied(policy))
        probes = Crowd(lab.world, draw).probes(min(EACH, PACKETS))
        found = told_otherwise(lab, probes, assumed_host(policy).terrain, Terrain(host.state, host.underlay))
        return len(probes), list(found)


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_the_walk_says_what_the_kernel_does(variant: str, record_property: Callable[[str, object], None]) -> None:
    total = 0
    rounds = 1 if SEED else max(1, PACKETS // 2 // EACH)

    @settings(
        max_examples=rounds,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=PACKETS == 300,  # the same in every short run
    )
    @given(seed=SEEDS)
    def compare(seed: int) -> None:
        nonlocal total
        count, wrong = sent(seed, variant)
        total += count
        assert not wrong, f"LANEWAY_DIFFERENTIAL_SEED={seed}:\n" + "\n".join(wrong)

    compare()
    record_property("packets", total)
    print(f"{variant}: {total} packets, no disagreement")  # noqa: T201  what a long run is for
