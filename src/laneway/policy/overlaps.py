"""No prefix may be two tenants', or an uplink's gateway a tenant's: found by one sweep over them all, sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.problems import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.policy.model import PolicySet, Tenant
    from laneway.policy.whereabouts import Whereabouts

LENGTHS = {4: 32, 6: 128}

SUBNET = "subnets"
ROUTED = "routes"
GATEWAY = "gateways"


class Claim(NamedTuple):
    """A prefix, and whose it is; sorted, every prefix stands behind those that contain it."""

    version: int
    first: int
    length: int
    order: int  # of the tenant, in the files
    owner: str  # a tenant; of GATEWAY an uplink
    kind: str
    position: int  # in the tenant's array, or of the uplink

    @property
    def last(self) -> int:
        """Return the number of the last address."""
        return self.first | (1 << LENGTHS[self.version] - self.length) - 1


def check_prefixes(policy: PolicySet, where: Whereabouts) -> None:
    """Note every prefix that overlaps another one that it must not."""
    around: list[Claim] = []  # the claims that contain the present one, the narrowest last
    end = -1
    version = 0
    tenants: dict[str, Tenant] = {}  # looked up in once there is something to tell
    for claim in sorted(_claims(policy, where)):
        if claim.first > end or claim.version != version:
            # Nothing reaches here, as in most policies every time.
            around.clear()
        while around and around[-1].last < claim.first:
            around.pop()
        rival = next((each for each in reversed(around) if _clash(each, claim)), None)
        if rival is not None:
            tenants = tenants or {tenant.name: tenant for tenant in policy.tenants}
            _report(policy, tenants, (rival, claim), where)
        if claim.kind != GATEWAY:
            around.append(claim)
            version, end = claim.version, around[0].last


def _claims(policy: PolicySet, where: Whereabouts) -> Iterator[Claim]:
    for tenant in policy.tenants:
        order = where.order(tenant.name)
        for index, subnet in enumerate(tenant.subnets):
            yield Claim(
                subnet.version, int(subnet.network_address), subnet.prefixlen, order, tenant.name, SUBNET, index
            )
        for index, route in enumerate(tenant.routes):
            if route.via is not None:
                to = route.to
                yield Claim(to.version, int(to.network_address), to.prefixlen, order, tenant.name, ROUTED, index)
    for number, uplink in enumerate(policy.uplinks):
        for gateway in (uplink.gateway4, uplink.gateway6):
            if gateway is not None and not isinstance(gateway, str):
                length = gateway.max_prefixlen
                yield Claim(gateway.version, int(gateway), length, len(policy.tenants), uplink.name, GATEWAY, number)


def _clash(one: Claim, other: Claim) -> bool:
    """Tell whether two overlapping claims are a mistake; routes of one tenant may lie inside each other."""
    if GATEWAY in (one.kind, other.kind) or one.owner != other.owner:
        return True
    return one.kind == other.kind == SUBNET


def _report(policy: PolicySet, tenants: Mapping[str, Tenant], both: tuple[Claim, Claim], where: Whereabouts) -> None:
    first, second = sorted(both, key=lambda claim: (claim.kind != GATEWAY, claim.order, claim.position))
    prefix = _text(policy, tenants, second)
    if first.kind == GATEWAY:
        uplink = policy.uplinks[first.position]
        message = f"tenant {second.owner}: {prefix} holds the gateway of uplink {uplink.name}"
        notes = [("note: the gateway", Place.of(uplink.source, GATEWAY))]
        where.wrong(message, _place(tenants[second.owner], second, where), notes=notes)
        return
    whose = "another of its subnets" if first.owner == second.owner else f"of tenant {first.owner}"
    text = _text(policy, tenants, first)
    message = f"tenant {second.owner}: {prefix} overlaps {text}, {whose}"
    if first.owner != second.owner:
        message = f"tenant {second.owner}: {prefix} overlaps {text} {whose}"
    where.wrong(
        message,
        _place(tenants[second.owner], second, where),
        hint="each tenant needs prefixes of its own" if first.owner != second.owner else "",
        notes=[(f"note: {text} is here", _place(tenants[first.owner], first, where))],
    )


def _text(policy: PolicySet, tenants: Mapping[str, Tenant], claim: Claim) -> str:
    if claim.kind == GATEWAY:
        return policy.uplinks[claim.position].name
    tenant = tenants[claim.owner]
    return str(tenant.subnets[claim.position] if claim.kind == SUBNET else tenant.routes[claim.position].to)


def _place(tenant: Tenant, claim: Claim, where: Whereabouts) -> Place:
    if claim.kind == ROUTED:
        return Place.of(tenant.routes[claim.position].source, "to")
    return where.element(tenant.source, SUBNET, claim.position)
