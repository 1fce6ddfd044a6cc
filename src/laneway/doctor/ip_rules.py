"""The host's own ip rules, which tenants' packets meet before laneway's, and everybody else's after them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from laneway.doctor.finding import error, warning
from laneway.state.prefix import IPV4, of_network, prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.doctor.finding import Finding
    from laneway.plan.answers import Unheard
    from laneway.policy.model import HostSettings, PolicySet
    from laneway.state.diagnosis import Diagnosis
    from laneway.state.facts import ForeignFibRule
    from laneway.state.prefix import Prefix

MAIN_PRIORITY = 32766
"""Of the kernel's own rule for table main."""

_FROM = re.compile(r"from ([0-9a-f.:]+(?:/[0-9]+)?) ")
_MARK = re.compile(r"fwmark (0x[0-9a-f]+)/(0x[0-9a-f]+)")
_IIF = re.compile(r"iif (\S+)")
_OF_OTHERS = re.compile(r" (oif|uidrange) | lookup local$|l3mdev")
"""What is about packets of the host's own, addresses of the host's own, or links in a VRF."""


def judge(seen: Diagnosis, policy: PolicySet | None) -> Iterator[Finding]:
    """Yield findings about rules for table main, and about those that come before the lanes."""
    yield from _default_rules(seen)
    for rule in seen.foreign.fib_rules if policy else ():
        if policy and rule.priority < policy.host.priorities[0]:
            yield from _before_lanes(seen, policy, rule)


def answers(unheard: Iterable[Unheard]) -> Iterator[Finding]:
    """Yield what of the operator's own routing the answers of the host's services no longer follow."""
    for each in unheard:
        why = "whoever is reached by that alone, an operator behind a VPN say, gets no answer from this host any more"
        yield warning("answers-elsewhere", each.what, why, *each.commands)


def moved(seen: Diagnosis, host: HostSettings, rule: ForeignFibRule) -> Iterator[str]:
    """Yield the commands that move a rule of others behind laneway's, where what is no tenant's still meets it."""
    taken = {each.priority for each in seen.foreign.fib_rules}
    free = next((each for each in range(host.priorities[1] + 1, MAIN_PRIORITY) if each not in taken), None)
    if free is not None:
        what = rule.text.partition(": ")[2]
        yield f"{_command(rule.family)} add pref {free} {what}"
        yield f"{_command(rule.family)} del pref {rule.priority} {what}"


def _command(family: int) -> str:
    return "ip rule" if family == IPV4 else "ip -6 rule"


def _default_rules(seen: Diagnosis) -> Iterator[Finding]:
    if not seen.foreign.fib_rules:
        return  # not looked at
    for family in (4, 6):
        if not any(each.family == family and _is_mains(each) for each in seen.foreign.fib_rules):
            yield error(
                "main-not-looked-up",
                f"no IPv{family} rule looks up table main",
                f"somebody deleted the kernel's own rule {MAIN_PRIORITY}: this host reaches nobody by IPv{family}",
                f"{_command(family)} add pref {MAIN_PRIORITY} lookup main",
            )


def _before_lanes(seen: Diagnosis, policy: PolicySet, rule: ForeignFibRule) -> Iterator[Finding]:
    """Yield the finding about a rule that tenants' packets meet before laneway's own."""
    if rule.text.endswith(": from all lookup main"):
        others = (each for each in seen.foreign.fib_rules if each != rule and each.family == rule.family)
        kept = any(_is_mains(each) for each in others)
        command = _command(rule.family)
        yield error(
            "main-before-lanes",
            f"IPv{rule.family} rule {rule.priority} looks up table main before laneway's rules",
            "tenants' packets go as main says: those whose lane is by another uplink are refused there",
            *([] if kept else [f"{command} add pref {MAIN_PRIORITY} lookup main"]),
            f"{command} del pref {rule.priority} lookup main",
        )
    elif _takes_tenants(seen, policy, rule):
        yield warning(
            "rule-before-lanes",
            f"IPv{rule.family} rule {rule.text} comes before laneway's rules",
            "tenants' packets that it is for take no lane: where it does not lead to their uplink, they are refused",
            *moved(seen, policy.host, rule),
            hint="or leave it where no tenant sends anything to where it leads",
        )


def _takes_tenants(seen: Diagnosis, policy: PolicySet, rule: ForeignFibRule) -> bool:
    """Return whether a rule of others may be for packets of a tenant, whose marks have our bits alone."""
    text = f"{rule.text} "
    if _OF_OTHERS.search(text.rstrip()):
        return False
    if " not from " not in text:
        source, mark, link = _FROM.search(text), _MARK.search(text), _IIF.search(text)
        if mark is not None and int(mark[1], 16) & ~policy.host.marks:
            return False
        if link is not None and link[1] not in {each.name for each in seen.links if each.ours}:
            return False
        if source is not None:
            return any(_overlap(prefix(source[1]), each) for each in _subnets(policy, rule.family))
    return any(_subnets(policy, rule.family))


def _subnets(policy: PolicySet, family: int) -> Iterator[Prefix]:
    return (of_network(each) for tenant in policy.tenants for each in tenant.subnets if each.version == family)


def _overlap(one: Prefix, other: Prefix) -> bool:
    length = min(one.length, other.length)
    shift = len(one.address) * 8 - length
    same_family = len(one.address) == len(other.address)
    return same_family and int.from_bytes(one.address) >> shift == int.from_bytes(other.address) >> shift


def _is_mains(rule: ForeignFibRule) -> bool:
    """Return whether a rule looks up table main for everybody, or for all but some."""
    what = rule.text.partition(": ")[2]
    return what == "from all lookup main" or (what.startswith("not ") and what.endswith(" lookup main"))
