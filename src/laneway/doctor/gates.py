"""Whether chains of others refuse what tenants send and get: each is asked about packets of theirs, rule by rule.

What a rule asks that nobody can know beforehand (a port, an address somewhere, a set) may be or not: a packet may then
meet either verdict. Only where every packet is refused that is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.doctor.finding import error, info, warning
from laneway.doctor.gate_walk import Outcome, walked
from laneway.doctor.probes import probes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.doctor.finding import Finding
    from laneway.doctor.gate_walk import Refusal
    from laneway.doctor.probes import Probe
    from laneway.policy.model import PolicySet
    from laneway.state.diagnosis import Diagnosis
    from laneway.state.gates import GateChain, GateTable

FIREWALLD = "firewalld"
"""Its tables: what mends them is said by `laneway.doctor.software`."""

_MAKE = {Outcome.ALL: error, Outcome.MOST: warning, Outcome.SOME: info}
_VERBS = {Outcome.ALL: "refuses", Outcome.MOST: "refuses most of", Outcome.SOME: "refuses some of"}
_AT_DEVICES = ("ingress", "egress")
_IPTABLES = {"iif": "-i", "oif": "-o"}


class Refused(NamedTuple):
    """A chain of others, and what of tenants' it refuses."""

    table: GateTable
    chain: GateChain
    refusal: Refusal
    probes: Sequence[Probe]
    everybody: bool  # of all tenants
    ways: Sequence[str]  # uplinks by which it does: none, where it is by all


def judge(seen: Diagnosis, policy: PolicySet) -> Iterator[Finding]:
    """Yield a finding about each chain of others that refuses tenants' packets."""
    for table in seen.foreign.gates:
        if FIREWALLD in table.name and FIREWALLD in seen.running:
            continue
        chains = {each.name: each for each in table.chains}
        for chain in table.chains:
            refused = _refused(policy, table, chain, chains) if chain.hook else None
            if refused is not None:
                yield _finding(seen, policy, refused)


def _refused(policy: PolicySet, table: GateTable, chain: GateChain, chains: Mapping[str, GateChain]) -> Refused | None:
    met: dict[Refusal, list[Probe]] = {}
    asked = list(probes(policy, table, chain))
    for probe in asked:
        met.setdefault(walked(probe, chain, chains), []).append(probe)
    worst = max((each for each in met if each.outcome), default=None)
    if worst is None:
        return None
    alike = [each for refusal in met if refusal.outcome is worst.outcome for each in met[refusal]]
    families = {each.family for each in alike}
    uplinks = {each.uplink for each in alike}
    others = {each.tenant for each in asked if each.family in families and each.uplink in uplinks}
    ways = () if uplinks == {each.uplink for each in asked} else sorted(uplinks)
    if chain.hook in _AT_DEVICES and not chain.devices:  # which may be no tenant's, and no uplink
        worst = worst._replace(outcome=min(worst.outcome, Outcome.MOST))
    if chain.devices and not any(each.interface in chain.devices for each in policy.uplinks):
        others = {each.name for each in policy.tenants}  # of whose links it is at only some
    return Refused(table, chain, worst, alike, others == {each.tenant for each in alike}, ways)


def _finding(seen: Diagnosis, policy: PolicySet, found: Refused) -> Finding:
    table, chain, refusal, refused, everybody, ways = found
    names = ", ".join(dict.fromkeys(each.tenant for each in refused))
    whose = "all tenants" if everybody and len(policy.tenants) > 1 else f"tenant {names}"
    families = " and ".join(f"IPv{each}" for each in sorted({each.family for each in refused}))
    what = " and ".join(dict.fromkeys(each.what for each in refused))
    what += f" by {' and '.join(ways)}" if ways else ""
    by = refusal.by if refusal.by.startswith("its") else f"`{refusal.by}`"
    why = f"{by} decides; against a drop in another chain an accept of laneway's does not help"
    if seen.variant and "tables-" in table.program and not table.program.endswith(seen.variant):
        why += f", and this host's iptables, which is {seen.variant}, does not show that chain"
    return _MAKE[refusal.outcome](
        "refused-by-others",
        f"chain {chain.name} of {table.program} {table.name} {_VERBS[refusal.outcome]} {what}: {families} of {whose}",
        why,
        hint=_remedy(found),
    )


def _remedy(found: Refused) -> str:
    """Return the rules that would let tenants' packets pass there, before all others."""
    table, chain, _, refused, *_ = found
    sides = dict.fromkeys(each.ours for each in refused)
    if "tables-" in table.program:
        rules = [f"{table.program} -t {table.name} -I {chain.name} {_IPTABLES[each]} lwb-+ -j ACCEPT" for each in sides]
    elif chain.hook in _AT_DEVICES or table.name.startswith("bridge "):
        return "let what is tenants' pass there"
    else:
        rules = [f"nft insert rule {table.name} {chain.name} {each}name 'lwb-*' accept" for each in sides]
    return f"{' && '.join(rules)}; and write it where those rules are kept, for the next start"
