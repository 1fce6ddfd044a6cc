"""What on the host belongs to others and stands where the policy wants to be."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from laneway.doctor.finding import error, warning
from laneway.doctor.ip_rules import moved
from laneway.policy.model import HostSettings
from laneway.state.prefix import ANY, Prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.doctor.finding import Finding
    from laneway.plan.conflicts.collision import Collision
    from laneway.plan.taken import Forwarded, Taken
    from laneway.policy.model import PolicySet
    from laneway.state.diagnosis import Diagnosis


class Home(NamedTuple):
    """A tenant's subnet."""

    family: int
    first: bytes
    last: bytes
    length: int
    tenant: str
    text: str


def judge(
    seen: Diagnosis,
    policy: PolicySet | None,
    collisions: tuple[Collision, ...],
    taken: tuple[Taken | Forwarded, ...] = (),
) -> Iterator[Finding]:
    """Yield findings about marks, priorities, tables, names and subnets."""
    for each in collisions:
        moved = tuple(_moved(seen, policy.host if policy else HostSettings(), each))
        why = "apply refuses to begin: laneway changes nothing of others'"
        yield error("in-the-way", each.what, why, *moved, hint=each.remedy)
    for port in taken:
        if port.is_lost:
            why = "of two that translate a flow the first decides, and laneway is not asked"
            yield error("published-port-taken", port.text, why, hint="publish another port, or take that rule away")
            continue
        why = "what was reached there is reached no more: if that is the host's sshd, nobody can log in"
        hint = "publish another port, or at one address alone; or let the service listen elsewhere"
        yield warning("published-port-in-use", port.text, why, hint=hint)
    if seen.names_read_only:
        yield error(
            "names-read-only",
            f"{seen.names_read_only} cannot be written",
            "laneway keeps the names of its routing tables there, which are also its memory of tenants' numbers",
            *([f"mount -o remount,rw {seen.remount}"] if seen.remount else [f"chmod u+w {seen.names_read_only}"]),
        )
    if policy is not None:
        yield from _subnets(seen, policy)


def _moved(seen: Diagnosis, host: HostSettings, collision: Collision) -> Iterator[str]:
    """Yield the commands that move an ip rule of others behind laneway's."""
    rule = next((each for each in seen.foreign.fib_rules if each.text == collision.found), None)
    if rule is not None:
        yield from moved(seen, host, rule)


def _subnets(seen: Diagnosis, policy: PolicySet) -> Iterator[Finding]:
    """Yield the networks that the host has inside a tenant's subnet; wider routes do no harm."""
    homes = sorted(
        Home(
            each.version,
            each.network_address.packed,
            each.broadcast_address.packed,
            each.prefixlen,
            tenant.name,
            str(each),
        )
        for tenant in policy.tenants
        for each in tenant.subnets
    )
    ours = {each.name for each in seen.links if each.ours}
    held = set()
    for link, address, _ in seen.underlay.addresses:
        home = _home(homes, address)
        if home is not None and link not in ours:
            held.add((link, home))
            command = f"ip addr del {address} dev {link}"
            yield _taken(f"{address} on {link}", home, command)
        elif link not in ours:
            yield from (_part(f"{address} on {link}", each) for each in _parts(homes, address))
    for route in seen.underlay.routes:
        home = _home(homes, route.to)
        inside = home is not None and route.to.length >= home.length and route.to != ANY[route.to.family]
        if home is not None and inside and route.dev not in ours and (route.dev, home) not in held:
            yield _taken(f"a route to {route.to} by {route.dev or route.kind}", home, f"ip route del {route.to}")


def _taken(what: str, home: Home, command: str) -> Finding:
    return error(
        "subnet-in-use",
        f"this host has {what}, inside {home.text} of tenant {home.tenant}",
        "packets for the tenant's workloads end there",
        command,
        hint="or give the tenant another subnet",
    )


def _parts(homes: Sequence[Home], network: Prefix) -> Sequence[Home]:
    """Return the homes within the network that an address is in."""
    size = len(network.address)
    below = (1 << (size * 8 - network.length)) - 1
    first = int.from_bytes(network.address) & ~below
    ends = (first.to_bytes(size), (first | below).to_bytes(size))
    start, end = (bisect_right(homes, (network.family, each, b"\xff" * 17 * place)) for place, each in enumerate(ends))
    return homes[start:end]


def _part(what: str, home: Home) -> Finding:
    return error(
        "subnet-in-use",
        f"this host has {what}, and {home.text} of tenant {home.tenant} is a part of that network",
        "who has an address there on that link is not reached by this host, nor reaches it",
        hint="give the tenant another subnet, or the link a prefix without it",
    )


def _home(homes: Sequence[Home], address: Prefix) -> Home | None:
    place = bisect_right(homes, (address.family, address.address, b"\xff" * 17))
    home = homes[place - 1] if place else None
    return home if home and home.family == address.family and address.address <= home.last else None
