"""Links that come up carry packets when the step is done, not when the kernel gets round to them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from integration.kernel.samples import linux
from laneway.plan.steps import Op, Step
from laneway.state.links import GROUP, HOST, Link, LinkKey, LinkKind, Netns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.throwaway import Throwaway

TENANTS = 300

# The kernel sees to a hundred links at once, and to more a second after it last did so (net/core/link_watch.c). Here it
# has just done so; that it has not all too recently takes the second before.
_BUSY = """
ip link add name spark type veth peer name kraps
sleep 1.2
ip link set spark up; ip link set kraps up
"""


def test_links_have_their_carriers_when_they_were_brought_up(throwaway: Throwaway) -> None:
    states = throwaway.call(brought_up)

    assert states == {f"{kind}-{number}": "UP" for number in range(TENANTS) for kind in ("lwb", "lwv")}


def brought_up() -> dict[str, str]:
    """Make links, bring them up, and return what ip(8) has of their carriers right then."""
    host = linux()
    raised = dict(links())
    lowered = {key: link._replace(up=link.kind is LinkKind.PEER) for key, link in raised.items()}
    moving = [key for key in raised if raised[key] != lowered[key]]
    host.run([Step(Op.CREATE, "netns", key.netns, new=Netns()) for key in raised if key.netns != HOST])
    host.run([Step(Op.CREATE, "links", key, new=link) for key, link in lowered.items()])
    subprocess.run(["sh", "-ec", _BUSY], check=True, timeout=60)
    host.run([Step(Op.REPLACE, "links", key, lowered[key], raised[key]) for key in moving])
    told = subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True, timeout=60).stdout
    return {link["ifname"]: link["operstate"] for link in json.loads(told) if link["ifname"].startswith("lw")}


def links() -> Iterator[tuple[LinkKey, Link]]:
    """Yield a bridge, its port, and the port's other end, for each tenant."""
    for number in range(TENANTS):
        bridge, inner = LinkKey(HOST, f"lwb-{number}"), LinkKey(f"ns{number}", "eth0")
        yield bridge, Link(LinkKind.BRIDGE, GROUP, mac=bytes((2, 0, 0, 0, *divmod(number, 256))))
        yield LinkKey(HOST, f"lwv-{number}"), Link(LinkKind.VETH, GROUP, master=bridge.name, peer=inner)
        yield inner, Link(LinkKind.PEER, GROUP)
