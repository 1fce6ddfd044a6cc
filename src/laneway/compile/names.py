"""Names of chains and sets, and the comments that say whose a rule is."""

from __future__ import annotations

RAW = "LANEWAY-RAW"
FORGED = "LANEWAY-FORGED"
"""IPv6 packets whose source is not their tenant's: some of them are how neighbours find each other."""

MARK = "LANEWAY-MARK"
FROM = "LANEWAY-FROM"
"""New flows from tenants: the lane each begins in."""

KNOWN = "LANEWAY-KNOWN"
"""Packets of flows that have a lane."""

RELATED = f"{KNOWN}.RELATED"
"""ICMP errors about flows that have a lane, and flows that a helper of conntrack expects."""

FROM_RELATED = "LANEWAY-RELATED"
"""Those from tenants."""

CLASS = "LANEWAY-CLASS"
CLASS_OF = "LANEWAY-CLASS-OF."
"""With an owner number: the chain of one tenant's classes."""

TAKE = "LANEWAY-TAKE."
"""With an uplink number: the chain that gives the packets of a class that uplink; 0: of one that refuses them."""

IN = "LANEWAY-IN"
IN_INVALID = f"{IN}.INVALID"
"""TCP to the host that conntrack cannot place: of published ports it is the workload's."""

HOST_SERVICES = "LANEWAY-HOST"
"""What tenants send to the host, in mangle."""

NO_ANSWER = f"{HOST_SERVICES}.REFUSED"

OUT = "LANEWAY-OUT"
OUT_RESET = f"{OUT}.RESET"
"""What of the host's ends a connection."""


BEGINNING = "LANEWAY-NEW"
"""New flows on their way out of the host."""

TO_TENANT = f"{BEGINNING}.TO"
"""Those to a tenant."""

HOSTS_FLOW = f"{TO_TENANT}.HOST"
"""Those of the host's own to a tenant."""

NOT_PUBLISHED = f"{TO_TENANT}.OTHER"
"""Those to a tenant where no published port leads."""

EXPECTED = f"{TO_TENANT}.RELATED"
"""Those to a tenant that a helper of conntrack expects, and ICMP errors."""

DNAT = "LANEWAY-DNAT"
SNAT = "LANEWAY-SNAT"
OWN_SNAT = "LANEWAY-OWN-SNAT"
ISOLATE = "LANEWAY-ISOLATE"
"""What is forwarded to a tenant or from one, in mangle: no rule of others' in filter stands before it."""

BETWEEN = f"{ISOLATE}.BETWEEN"
"""What goes from one tenant's link to another's, or to the same."""

LEAVING = f"{ISOLATE}.OUT"
"""What leaves by its lane's uplink, and is neither translated nor the answer of a published port."""

BY_OTHER_LINK = f"{ISOLATE}.OTHER-LINK"
"""What goes to a tenant in a flow that has a lane, and came by no link that a lane leads to."""

OWN_SOURCES = f"{ISOLATE}.OUT.OWN"
"""The tenants whose source address is not the uplink's, so that they may not leave as, or may leave untranslated."""

FROM_UNMARKED = f"{ISOLATE}.FROM"
TO_UNMARKED = f"{ISOLATE}.TO"
UNMARKED_ISOLATE = f"{ISOLATE}.UNMARKED"
"""What is forwarded in no lane, from a tenant or to one: closed, but for what the operator lets in."""

FORWARD = "LANEWAY-FORWARD"
UNMARKED = "LANEWAY-UNMARKED"
"""What is forwarded in no lane: others' traffic passes, tenants' does not."""

INPUT = "LANEWAY-INPUT"
USER = "LANEWAY-USER"
"""The operator's own chains, in filter and in mangle: made once, never flushed."""

CROSS = "_crossing"
INSIDE = "_inside"


def src_set(family: int) -> str:
    """Return the set that knows a tenant by source prefix and bridge."""
    return f"lw-src{family}"


def net_set(family: int) -> str:
    """Return the set of every tenant prefix."""
    return f"lw-net{family}"


def apart_set(family: int) -> str:
    """Return the set of the prefixes, by bridge, of tenants whose workloads are kept from each other."""
    return f"lw-apart{family}"


def allow_set(family: int) -> str:
    """Return the set of the holes in the wall between tenants."""
    return f"lw-allow{family}"


def inside_set(family: int) -> str:
    """Return the set of the workloads' addresses and ports that published ports lead to."""
    return f"lw-pub{family}-{INSIDE}"


def host_set(family: int) -> str:
    """Return the set of what tenants may reach on the host."""
    return f"lw-host{family}"


def publish_set(family: int, arrival: str) -> str:
    """Return the set of published ports for packets that arrive by an uplink, or (`CROSS`) from a tenant."""
    return f"lw-pub{family}-{arrival}"


def comment(owner: str, what: str) -> str:
    """Return a rule's comment: `owner` is a tenant's or an uplink's name, or "-".

    Rules that every packet of an established flow walks past have none: a comment is a match (xt_comment.c), called
    for each of them.
    """
    return f"lw:{owner}:{what}"
