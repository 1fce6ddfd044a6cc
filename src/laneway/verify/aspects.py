"""Which tenant, and which side of it, an object that differs is about."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from laneway.compile.names import (
    CLASS_OF,
    DNAT,
    FORWARD,
    INPUT,
    ISOLATE,
    OWN_SNAT,
    RAW,
    SNAT,
    USER,
    allow_set,
    host_set,
    net_set,
    publish_set,
)
from laneway.lanes.field import HOST_OWNER, NO_UPLINK
from laneway.policy.names import bridge_name, netns_name, veth_name
from laneway.state.chains import ChainRule
from laneway.state.links import HOST, LinkKey
from laneway.state.prefix import FAMILIES
from laneway.state.sets import SetEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.explain.origin import Origins
    from laneway.plan.steps import Step
    from laneway.state.marks import FwMark
    from laneway.verify.drift import Difference


class Aspect(StrEnum):
    """A side of a tenant, in the order in which a packet meets them."""

    NETWORK = "network"  # its workloads, their links and addresses
    MARKS = "marks"
    LANES = "lanes"  # from a mark to a table
    TABLES = "tables"  # from a table out of the host
    ISOLATION = "isolation"
    NAT = "NAT"
    PUBLISHED = "published ports"
    HOST = "host"  # what is nobody's: switches, files, leftovers


class About(NamedTuple):
    """What an object is about; no tenants: all of them."""

    aspect: Aspect
    tenants: frozenset[str]


_CHAINS = {
    SNAT: Aspect.NAT,
    OWN_SNAT: Aspect.NAT,
    DNAT: Aspect.PUBLISHED,
    RAW: Aspect.ISOLATION,
    FORWARD: Aspect.ISOLATION,
    INPUT: Aspect.ISOLATION,
    ISOLATE: Aspect.ISOLATION,
    USER: Aspect.ISOLATION,
}
_PLUMBING = {"netns", "links", "addresses"}
_WALLS = frozenset(name(family) for family in FAMILIES for name in (net_set, allow_set, host_set))
_PUBLISH = tuple(publish_set(family, "") for family in FAMILIES)


class Owners:
    """Knows whose the kernel's objects are, by their names and numbers."""

    def __init__(self, origins: Origins) -> None:
        """Index the policy's names."""
        self._origins = origins
        self._links: dict[str, str] = {}
        self._netns: dict[str, str] = {}
        for tenant in origins.policy.tenants:
            self._links[bridge_name(tenant.name)] = tenant.name
            for workload in tenant.workloads:
                self._links[veth_name(tenant.name, workload.name)] = tenant.name
                self._netns[netns_name(tenant.name, workload.name)] = tenant.name
        self._owners = {number: name for name, number in origins.lanes.owners.items()}
        self._numbered = {str(number): name for number, name in self._owners.items()}

    def about(self, difference: Difference) -> About:
        """Return whose what differs is, and which side of theirs."""
        return self.about_step(difference.step)

    def about_step(self, step: Step) -> About:  # noqa: C901, PLR0911  one case a kind
        """Return whose the object of a step is, and which side of theirs."""
        kind, key = step.kind, step.key
        if kind in _PLUMBING or getattr(key, "netns", HOST) != HOST:
            return About(Aspect.NETWORK, self._some(self._plumbing(key)))
        match kind:
            case "sysctls":
                link = key.split("/")[3] if key.count("/") > 3 else ""  # noqa: PLR2004  net/ipv4/conf/LINK/…
                owner = self._links.get(link)
                return About(Aspect.NETWORK if owner else Aspect.HOST, self._some(owner))
            case "files":
                parts = key.split("/")
                owner = self._netns.get(parts[3]) if key.startswith("/etc/netns/") else None
                return About(Aspect.NETWORK if owner else Aspect.HOST, self._some(owner))
            case "routes":
                return self._of_lane(key.table - self._origins.lanes.table_base, Aspect.TABLES)
            case "fib_rules":
                return self._of_rule(key.mark)
            case "sets" | "entries":
                return self._of_set(key, step.new or step.old)
            case "chains":
                return About(_aspect(key.name), frozenset(self._of_rules(key.name, step.old, step.new)))
            case "jumps":
                return About(_aspect(key.chain), frozenset())
            case "nft_tables":
                return About(Aspect.ISOLATION, frozenset())
            case "nft_elements":
                return About(Aspect.ISOLATION, self._some(self._links.get(key.link)))
            case _:
                return About(Aspect.HOST, frozenset())

    def _some(self, name: str | None) -> frozenset[str]:
        return frozenset({name}) if name else frozenset()

    def _plumbing(self, key: Any) -> str | None:  # noqa: ANN401  a netns' name, a link's or an address's key
        if isinstance(key, str):
            return self._netns.get(key)
        if key.netns != HOST:
            return self._netns.get(key.netns)
        return self._links.get(key.name if isinstance(key, LinkKey) else key.link)

    def _of_lane(self, number: int, aspect: Aspect) -> About:
        owner, uplink = divmod(number, 1 << self._origins.lanes.field.uplink_bits)
        if owner == HOST_OWNER and uplink != NO_UPLINK:
            return About(Aspect.HOST, frozenset())  # by which the host's own services answer
        return About(aspect, self._some(self._owners.get(owner)))

    def _of_rule(self, mark: FwMark | None) -> About:
        field = self._origins.lanes.field
        if mark is None or mark.mask != field.mask:
            return About(Aspect.LANES, frozenset())  # a part of the ladder that many climb
        return self._of_lane(mark.value >> field.shift, Aspect.LANES)

    def _of_mark(self, mark: FwMark | None) -> frozenset[str]:
        field = self._origins.lanes.field
        if mark is None or mark.mask != field.mask or field.owner_of(mark) <= HOST_OWNER:
            return frozenset()
        return self._some(self._owners.get(field.owner_of(mark)))

    def _of_set(self, key: SetEntry | str, mark: object) -> About:
        name = key if isinstance(key, str) else key.set
        aspect = Aspect.PUBLISHED if name.startswith(_PUBLISH) else Aspect.MARKS
        aspect = Aspect.ISOLATION if name in _WALLS else aspect
        if isinstance(key, str):
            return About(aspect, frozenset())
        if aspect is Aspect.PUBLISHED:
            found = self._origins.publish_of(key)
            return About(aspect, self._some(found[0].name if found else None) or self._of_mark(mark))  # type: ignore[arg-type]
        owner = self._origins.tenant_of((key.net2 or key.net).address)
        return About(aspect, self._some(owner.name if owner else None))

    def _of_rules(self, chain: str, *both: tuple[object, ...] | None) -> Iterator[str]:
        """Yield the tenants of a chain of one tenant's, or of the rules that are not alike when all have tenants."""
        if chain.startswith(CLASS_OF):
            yield from self._some(self._numbered.get(chain.removeprefix(CLASS_OF)))
            return
        old, new = (frozenset(each or ()) for each in both)
        # Whoever writes into a chain of laneway's writes what comment they like.
        named = {f"{rule.comment}::".split(":")[1] if isinstance(rule, ChainRule) else "" for rule in old ^ new}
        if named <= self._origins.tenants.keys():
            yield from named


def _aspect(chain: str) -> Aspect:
    """Return what a chain is about; the branches of a tree have its name and a dot."""
    return _CHAINS.get(chain.partition(".")[0], Aspect.MARKS)
