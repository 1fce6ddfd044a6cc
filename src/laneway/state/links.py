"""Links, addresses and network namespaces."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from laneway.state.prefix import Prefix

GROUP = 27767
"""The link group (0x6c77, "lw") of every link laneway makes: ownership, and what `-m devgroup` matches."""

HOST = ""
"""The network namespace of the host itself, where other keys carry the name of a workload's."""

PROMOTE_SECONDARIES = "net/ipv4/conf/{}/promote_secondaries"
"""The sysctl of a link that keeps the other addresses of a subnet when the first one is deleted (ip-sysctl.rst)."""

CONTAINER_LINKS = (
    *("docker+", "br-+", "podman+", "cni+", "virbr+", "lxcbr+", "lxdbr+", "incusbr+"),
    *("cali+", "cilium_+", "flannel+", "weave+", "kube-+"),
    *("ve-+", "vb-+", "vz-+", "vnet+"),
)
"""The host's links to containers and guests, as Docker, podman, CNI plugins, libvirt, LXC, LXD and Incus, the networks
of Kubernetes and systemd-nspawn name them by default, `+` for any end: no operator calls a network card so."""


ADVICE = ("ipv4/accept_redirects", "ipv6/accept_ra", "ipv6/accept_redirects")
"""What tells a link to go by another router, by the sysctls of a link that let it: a workload's takes none of it."""

NOTICES = ("ipv4/arp_notify", "ipv6/ndisc_notify")
"""What has a link say to its neighbours which MAC it has, when that is set: a workload's does."""


class LinkKind(StrEnum):
    """The kinds of link laneway makes, or in a new namespace finds."""

    BRIDGE = "bridge"
    VETH = "veth"
    PEER = "peer"  # the far end of a veth pair, born with it inside a workload's namespace


class Netns(NamedTuple):
    """A workload's network namespace; ours when its loopback link has our group, set before it got its name."""

    alias: str = ""  # ifalias of its loopback link: "laneway tenant=acme workload=web"
    up: bool = True  # its loopback link
    kept: bool = True  # the loopback link is in our group still


HALF_MADE = Netns(alias="", up=False)
"""What a namespace of ours is that has its file but was not mounted on it."""


class LinkKey(NamedTuple):
    """A link's identity."""

    netns: str
    name: str


class Link(NamedTuple):
    """What a link should be, or is."""

    kind: LinkKind
    group: int = 0  # the mark of ownership, set in the message that creates the link
    master: str = ""  # the bridge a veth is a port of
    peer: LinkKey | None = None  # for VETH alone
    hairpin: bool = False  # for VETH alone: frames may go back out of the port they came by (bridge(8))
    isolated: bool = False  # for VETH alone: no frames between this port and other such ones (bridge(8))
    mac: bytes = b""  # for BRIDGE and PEER: given, so that it is the same whenever the link is made anew
    alias: str = ""  # for people: ifalias, up to 255 bytes
    up: bool = True
    heeds: str = ""  # for PEER alone: which kinds of ADVICE it takes

    def can_be_made_of(self, other: Link) -> bool:
        """Return whether a link that is `other` can be changed into this one; if not, it must be made anew."""
        return self.kind == LinkKind.PEER or (self.kind, self.group, self.peer) == (other.kind, other.group, other.peer)


class AddressKey(NamedTuple):
    """An interface address; there is nothing more to it: it is there or it is not."""

    netns: str
    link: str
    address: Prefix
