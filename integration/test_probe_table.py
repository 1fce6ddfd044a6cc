"""Every probe of the lab comes out as the policy says, on hosts of every kind."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from laneway.cli.wire import carry_out, look_at
from laneway.lab.run import Lab
from laneway.policy.load import load

if TYPE_CHECKING:
    from laneway.lab.report import LabReport
    from laneway.policy.model import PolicySet

POLICIES = Path(__file__).parents[1] / "policies"

Variant = Literal["nft", "legacy"]
HOSTS = [*product(("nft", "legacy"), ("0", "1"), ("0", "1", "2"))]


def trial(policy: PolicySet, sysctls: dict[str, str], *, shut: bool) -> LabReport:
    """Apply `policy` to a lab host with these sysctls, its FORWARD policy DROP when `shut`, and probe it."""

    def apply() -> None:
        carry_out(look_at(policy))

    with Lab(policy, sysctls=sysctls) as lab:
        if shut:
            for tool in ("iptables", "ip6tables"):
                lab.run(f"{tool}-{policy.host.iptables}", "-P", "FORWARD", "DROP")
        lab.call(apply)
        return lab.trial()


def with_variant(policy: PolicySet, variant: Variant) -> PolicySet:
    """Return `policy` for a host of this variant of iptables."""
    return policy._replace(host=policy.host._replace(iptables=variant))


@pytest.mark.parametrize(("variant", "bridge_nf", "rp_filter"), HOSTS)
def test_the_hosting_example_holds(variant: Variant, bridge_nf: str, rp_filter: str) -> None:
    sysctls = {
        "net/bridge/bridge-nf-call-iptables": bridge_nf,
        "net/bridge/bridge-nf-call-ip6tables": bridge_nf,
        "net/ipv4/conf/default/rp_filter": rp_filter,
        "net/ipv4/conf/all/rp_filter": rp_filter,
    }

    report = trial(with_variant(load([POLICIES / "hosting"]), variant), sysctls, shut=True)

    assert not report.failed, report.failed
    assert len(report.results) > 500


@pytest.mark.parametrize("variant", ["nft", "legacy"])
@pytest.mark.parametrize("name", ["quickstart.toml", "dual-stack.toml"])
def test_the_small_examples_hold(name: str, variant: Variant) -> None:
    report = trial(with_variant(load([POLICIES / name]), variant), {}, shut=False)

    assert not report.failed, report.failed
    assert len(report.results) > 90
