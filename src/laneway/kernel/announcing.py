"""Neighbours told where an address is now, so that what they remember of it does not lead nowhere.

The kernel does it by itself when a link's MAC is set, even to what it is: a gratuitous ARP for each IPv4 address, an
unsolicited advertisement for each of IPv6 (inetdev_event, ndisc_netdev_event; RFC 5944 4.6, RFC 4861 7.2.6). A socket
of our own for raw frames would cost each workload a wait for RCU when it is closed (packet_release).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.kernel.advice import speak_up
from laneway.kernel.delivery import deliver_everywhere
from laneway.kernel.link_messages import RTM_GETLINK, Change, ask_for_link, links, set_link
from laneway.state.links import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.kernel.netlink import NetlinkSocket, Request
    from laneway.plan.steps import Step


def announce(host: NetlinkSocket, steps: Sequence[Step]) -> None:
    """Tell neighbours which addresses workloads have after the steps; whoever does not hear it asks later."""
    inside = {(step.key.netns, step.key.link): step for step in steps if step.key.netns != HOST}
    deliver_everywhere(host, list(inside.values()), _same_again, refused=lambda _: None)


def _same_again(kernel: NetlinkSocket, step: Step) -> Request | None:
    name = step.key.link
    speak_up()
    body = kernel.get(RTM_GETLINK, ask_for_link(name).body)
    return None if body is None else set_link(name, Change(mac=next(links([body])).mac))
