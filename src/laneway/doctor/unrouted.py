"""Networks of others behind this host that get no way out, because the host was no router before laneway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import warning
from laneway.state.links import CONTAINER_LINKS
from laneway.state.prefix import IPV4, is_link_local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.doctor.finding import Finding
    from laneway.policy.model import PolicySet
    from laneway.state.diagnosis import Diagnosis, Unrouted

SHOWN = 8
"""Links that are named in one finding."""


def judge(seen: Diagnosis, policy: PolicySet | None) -> Iterator[Finding]:
    """Yield what laneway refused to forward, with the links it can have come in by."""
    uplinks = {each.interface for each in policy.uplinks} if policy else set()
    for each in seen.unrouted:
        yield _finding(each, [name for name in _networks(seen, each) if name not in uplinks])


def _finding(refused: Unrouted, links: list[str]) -> Finding:
    tool = "iptables" if refused.family == IPV4 else "ip6tables"
    named = f", from behind {' or '.join(links[:SHOWN])}" if links else ""
    return warning(
        "not-routed",
        f"{refused.packets} IPv{refused.family} packets that no tenant sent were refused{named}",
        "this host did not forward before laneway, and is no router for networks of others after it; containers and "
        "guests in a network of another name than their software's usual one get no way out",
        *(f"{tool} -A LANEWAY-USER -i {name} -j ACCEPT" for name in links[:SHOWN]),
        hint="only for links whose packets are to be forwarded; it lasts until the machine starts anew",
    )


def _networks(seen: Diagnosis, refused: Unrouted) -> Iterator[str]:
    """Yield the links of others that carry packets and have an address: others lead to nobody who could send."""
    carrying = {each.name for each in seen.links if each.up and each.carrier and not each.ours} - {"lo"}
    usual = tuple(each.removesuffix("+") for each in CONTAINER_LINKS)
    addressed = {
        name for name, at in seen.foreign.addresses if at.family == refused.family and not is_link_local(at)
    } & carrying
    yield from sorted(name for name in addressed - refused.allowed if not name.startswith(usual))
