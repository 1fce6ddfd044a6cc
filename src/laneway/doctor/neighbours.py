"""Whether gateways answer for themselves: one that nobody has is an outage that no route shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import warning
from laneway.policy.model import AUTO
from laneway.state.prefix import FAMILIES, IPV4, address_text, family_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from laneway.doctor.finding import Finding
    from laneway.policy.model import PolicySet
    from laneway.state.diagnosis import Diagnosis

NEIGHBOURS = {4: "ARP", 6: "neighbour discovery"}


def gateways(seen: Diagnosis, policy: PolicySet) -> Iterator[tuple[str, bytes]]:
    """Yield the gateways of the uplinks that can be asked, each with its link."""
    working = {each.name for each in seen.links if each.up and each.carrier}
    for uplink in policy.uplinks:
        for family in FAMILIES if uplink.interface in working else ():
            gateway = uplink.gateway4 if family == IPV4 else uplink.gateway6
            if gateway == AUTO:
                packed = seen.gateways.get((uplink.interface, family), b"")
            else:
                packed = b"" if gateway is None or isinstance(gateway, str) else gateway.packed
            if packed:
                yield uplink.interface, packed


def judge(silent: Collection[tuple[str, bytes]], policy: PolicySet | None) -> Iterator[Finding]:
    """Yield a finding for each gateway that does not answer."""
    names = {each.interface: each.name for each in policy.uplinks} if policy else {}
    for link, packed in sorted(silent):
        if link in names:
            gateway, family = address_text(packed), family_of(packed)
            yield warning(
                "gateway-silent",
                f"uplink {names[link]}: the gateway {gateway} does not answer on {link} ({NEIGHBOURS[family]})",
                f"what leaves by it in IPv{family} is lost: nobody there has that address, or its router is down",
                hint=f"is it a typing error? `ip neigh show {gateway} dev {link}` shows what the kernel knows of it",
            )
