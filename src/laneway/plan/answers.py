"""What decides by which way the host's own services answer, and does so no more where laneway is in force.

Who comes in by an uplink is answered by that uplink, as the policy and table main know it: by laneway's ip rules,
before those of others that come later.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.model import AUTO, ONLINK
from laneway.state.prefix import FAMILIES, IPV4, address_text, prefix
from laneway.state.routing import MAIN_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.policy.model import PolicySet, Uplink
    from laneway.state.facts import Foreign, ForeignFibRule

_FROM = re.compile(r": from ([0-9a-f.:]+(?:/[0-9]+)?) ")
_OIF = re.compile(r" oif (\S+)")
_TABLE = re.compile(r" lookup ([0-9]+)")
_IP = {4: "ip", 6: "ip -6"}


class Unheard(NamedTuple):
    """Something of the operator's that answers no longer follow."""

    what: str
    commands: tuple[str, ...]  # with words in capitals to be filled in

    @property
    def text(self) -> str:
        """Return what it is and what mends it, in one line."""
        return f"{self.what}; {' && '.join(self.commands)} mends it" if self.commands else self.what


def unheard(policy: PolicySet, foreign: Foreign, gateways: Mapping[tuple[str, int], bytes]) -> Iterator[Unheard]:
    """Yield ip rules of others for answers by an uplink, and another default of the host's by its interface.

    `gateways` are those of the host's own defaults, by interface and family.
    """
    for uplink in policy.uplinks:
        for family in FAMILIES:
            yield from _default(uplink, family, gateways.get((uplink.interface, family)))
        for rule in foreign.fib_rules:
            later = policy.host.priorities[1] < rule.priority < MAIN_PRIORITY
            if later and _is_about(rule, uplink, foreign) and not _says_the_same(rule, uplink, foreign, gateways):
                yield _rule(rule, uplink, foreign, policy.host.priorities[0])


def _gateway(uplink: Uplink, family: int) -> bytes | None:
    gateway = uplink.gateway4 if family == IPV4 else uplink.gateway6
    return None if gateway is None or gateway in (AUTO, ONLINK) else gateway.packed


def _default(uplink: Uplink, family: int, present: bytes | None) -> Iterator[Unheard]:
    wanted = _gateway(uplink, family)
    if wanted is not None and present and present != wanted:
        name = uplink.name
        yield Unheard(
            f"uplink {name}: the host's default route via {uplink.interface} uses {address_text(present)}; "
            f"replies to connections that arrive on {name} will use the policy's gateway {address_text(wanted)}",
            (
                f"{_IP[family]} route add NETWORK via {address_text(present)} dev {uplink.interface}",
                "laneway apply PATH",
            ),
        )


def _is_about(rule: ForeignFibRule, uplink: Uplink, foreign: Foreign) -> bool:
    source, link = _FROM.search(rule.text), _OIF.search(rule.text)
    if link is not None:
        return link[1] == uplink.interface
    own = {each.address for name, each in foreign.addresses if name == uplink.interface}
    return source is not None and any(_holds(source[1], address) for address in own)


def _holds(network: str, address: bytes) -> bool:
    to = prefix(network)
    below = len(to.address) * 8 - to.length
    same_family = len(address) == len(to.address)
    return same_family and int.from_bytes(to.address) >> below == int.from_bytes(address) >> below


def _says_the_same(
    rule: ForeignFibRule, uplink: Uplink, foreign: Foreign, gateways: Mapping[tuple[str, int], bytes]
) -> bool:
    """Return whether the rule leads nowhere else than the host's lane: to the gateway, and as main by that link."""
    table = _TABLE.search(rule.text)
    if table is None:
        return " lookup main" in rule.text
    known = {_bare(way.text) for way in foreign.ways if way.link == uplink.interface}
    for family in FAMILIES:  # a table has routes of both
        auto = (uplink.gateway4 if family == IPV4 else uplink.gateway6) == AUTO
        gateway = gateways.get((uplink.interface, family)) if auto else _gateway(uplink, family)
        if gateway:
            known.add(f"default via {address_text(gateway)} dev {uplink.interface}")
    return all(_bare(each.text) in known for each in foreign.routes if each.table == int(table[1]))


def _bare(route: str) -> str:
    return route.partition(" table ")[0]


def _rule(rule: ForeignFibRule, uplink: Uplink, foreign: Foreign, before: int) -> Unheard:
    taken = {each.priority for each in foreign.fib_rules}
    free = next((each for each in range(before - 1, 0, -1) if each not in taken), None)
    command, what = f"{_IP[rule.family]} rule", rule.text.partition(": ")[2]
    moved = (f"{command} add pref {free} {what}", f"{command} del pref {rule.priority} {what}") if free else ()
    return Unheard(
        f"ip rule {rule.text} comes after laneway's, and who comes in by {uplink.name} is answered without it", moved
    )
