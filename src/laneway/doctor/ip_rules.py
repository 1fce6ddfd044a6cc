"""The host's own ip rules, which tenants' packets meet before laneway's, and everybody else's after them."""

from __future__ import annotations

import re
from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING

from laneway.doctor.finding import error, warning
from laneway.policy.names import bridge_name
from laneway.state.prefix import IPV4, leading, of_network, prefix
from laneway.state.routing import MAIN_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from laneway.doctor.finding import Finding
    from laneway.plan.answers import Unheard
    from laneway.policy.model import HostSettings, PolicySet
    from laneway.state.diagnosis import Diagnosis
    from laneway.state.facts import ForeignFibRule
    from laneway.state.prefix import Prefix

_FROM = re.compile(r"from ([0-9a-f.:]+(?:/[0-9]+)?) ")
_MARK = re.compile(r"fwmark (0x[0-9a-f]+)/(0x[0-9a-f]+)")
_IIF = re.compile(r"iif (\S+)")
_TO = re.compile(r" to ([0-9a-f.:]+(?:/[0-9]+)?) ")
_TABLE = re.compile(r" lookup (\S+)")
_GOTO = re.compile(r" goto (\d+)")
_NARROW = re.compile(r" (?:tos|ipproto|sport|dport) ")
"""What is about some packets of a sender alone."""

_OF_OTHERS = re.compile(r" (oif|uidrange) | lookup local$|l3mdev")
"""What is about packets of the host's own, addresses of the host's own, or links in a VRF."""


def judge(seen: Diagnosis, policy: PolicySet | None) -> Iterator[Finding]:
    """Yield findings about rules for table main, and about those that come before the lanes."""
    yield from _default_rules(seen)
    for rule in seen.foreign.fib_rules if policy else ():
        if policy and rule.priority < policy.host.priorities[0]:
            yield from _before_lanes(seen, policy, rule)
        elif policy and rule.priority < MAIN_PRIORITY and rule.priority > policy.host.priorities[1]:
            yield from _behind_lanes(seen, policy, rule)


def answers(unheard: Iterable[Unheard]) -> Iterator[Finding]:
    """Yield what of the operator's own routing the answers of the host's services no longer follow."""
    for each in unheard:
        why = "whoever is reached by that alone, an operator behind a VPN say, gets no answer from this host any more"
        yield warning("answers-elsewhere", each.what, why, *each.commands)


def moved(seen: Diagnosis, host: HostSettings, rule: ForeignFibRule) -> Iterator[str]:
    """Yield the commands that move a rule of others behind laneway's, where what is no tenant's still meets it."""
    taken = {each.priority for each in seen.foreign.fib_rules}
    every = (each for each in range(host.priorities[1] + 1, MAIN_PRIORITY) if each not in taken)
    before = [each for each in seen.foreign.fib_rules if 0 < each.priority <= rule.priority]
    # Each that is moved gets one of its own, so that they keep their order.
    place = len({each.priority for each in before if each.priority <= host.priorities[1]}) - 1
    free = next(islice(every, max(place, 0), None), None)
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
        return
    taken = _taken(seen, policy, rule)
    if taken is _Taken.ALL:
        yield error(
            "rule-before-lanes",
            f"IPv{rule.family} rule {rule.text} comes before laneway's rules",
            f"it takes tenants' packets{_where(rule)}: they take no lane, and those that would not leave by their "
            "uplink are refused",
            *([_deleted(rule)] if _refuses(rule) else moved(seen, policy.host, rule)),
            hint="a rule without a priority is put before all others: give it one behind laneway's",
        )
    elif taken is _Taken.SOME:
        yield warning(
            "rule-before-lanes",
            f"IPv{rule.family} rule {rule.text} comes before laneway's rules",
            "tenants' packets that it is for take no lane: where it does not lead to their uplink, they are refused",
            *moved(seen, policy.host, rule),
            hint="or leave it where no tenant sends anything to where it leads",
        )


def _behind_lanes(seen: Diagnosis, policy: PolicySet, rule: ForeignFibRule) -> Iterator[Finding]:
    """Yield that a rule refuses the way back to tenants: rp_filter looks it up without a mark, and without a lane."""
    if rule.family == IPV4 and _refuses(rule) and _taken(seen, policy, rule) is _Taken.ALL:
        yield error(
            "rule-refuses-way-back",
            f"IPv4 rule {rule.text} refuses what is for tenants before main is asked",
            "the kernel looks for a route back to the sender (rp_filter), and drops what tenants send",
            _deleted(rule),
            hint="or say for whom it is",
        )


def _deleted(rule: ForeignFibRule) -> str:
    return f"{_command(rule.family)} del pref {rule.priority} {rule.text.partition(': ')[2]}"


def _refuses(rule: ForeignFibRule) -> bool:
    return rule.text.endswith((" unreachable", " blackhole", " prohibit"))


def _where(rule: ForeignFibRule) -> str:
    table = _TABLE.search(rule.text)
    return f" to table {table[1]}, which has a default route" if table else ""


class _Taken(IntEnum):
    """What of tenants' packets a rule takes before they meet laneway's."""

    NONE = 0
    SOME = 1
    ALL = 2  # of a tenant's, at least those of one workload, or of one uplink


def _taken(seen: Diagnosis, policy: PolicySet, rule: ForeignFibRule) -> _Taken:
    """Return what a rule of others takes of packets of a tenant, whose marks have our bits alone."""
    text = f"{rule.text} "
    if _OF_OTHERS.search(text.rstrip()) or text.endswith(" nop "):
        return _Taken.NONE
    subnets = list(_subnets(policy, rule.family))
    if not subnets:
        return _Taken.NONE
    if ": not " not in text and not _selects(seen, policy, text, subnets):
        return _Taken.NONE
    goto = _GOTO.search(text)
    if goto is not None and int(goto[1]) < policy.host.priorities[0]:
        return _Taken.NONE  # the rule that it leads to is judged by itself
    narrow = _NARROW.search(text) or not _to_tenants_or_all(text, subnets)
    return _Taken.SOME if narrow or not _ends_there(seen, rule) else _Taken.ALL


def _selects(seen: Diagnosis, policy: PolicySet, text: str, subnets: Sequence[Prefix]) -> bool:
    source, mark, link = _FROM.search(text), _MARK.search(text), _IIF.search(text)
    if mark is not None and int(mark[1], 16) & ~policy.host.marks:
        return False
    ours = {each.name for each in seen.links if each.ours} | {each.interface for each in policy.uplinks}
    ours |= {bridge_name(each.name) for each in policy.tenants}
    if link is not None and link[1] not in ours:
        return False
    return source is None or any(_overlap(prefix(source[1]), each) for each in subnets)


def _to_tenants_or_all(text: str, subnets: Sequence[Prefix]) -> bool:
    """Return whether a rule is for packets to everywhere, or for those that come to a tenant."""
    to = _TO.search(text)
    return to is None or any(_overlap(prefix(to[1]), each) for each in subnets)


def _ends_there(seen: Diagnosis, rule: ForeignFibRule) -> bool:
    """Return whether a packet that meets the rule gets no further, wherever it is going."""
    table = _TABLE.search(rule.text)
    if table is None:
        return True  # refused, or sent past the lanes
    if "suppress_prefixlength" in rule.text:
        return False
    return table[1] == "main" or (table[1].isdigit() and (rule.family, int(table[1])) in seen.foreign.defaults)


def _subnets(policy: PolicySet, family: int) -> Iterator[Prefix]:
    return (of_network(each) for tenant in policy.tenants for each in tenant.subnets if each.version == family)


def _overlap(one: Prefix, other: Prefix) -> bool:
    length = min(one.length, other.length)
    return one.family == other.family and leading(one.address, length) == leading(other.address, length)


def _is_mains(rule: ForeignFibRule) -> bool:
    """Return whether a rule looks up table main for everybody, or for all but some."""
    what = rule.text.partition(": ")[2]
    return what == "from all lookup main" or (what.startswith("not ") and what.endswith(" lookup main"))
