"""Published ports at which the host itself listens: what comes by the tenant's uplinks reaches the workload instead."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from laneway.plan.conflicts import Collision
from laneway.state.prefix import address_text, family_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from laneway.policy.model import PolicySet, Publish, Tenant, Workload
    from laneway.state.facts import Foreign, ForwardedPort, Listener
    from laneway.state.sessions import Session

_REMEDY = 'publish another port, or at one address alone: publish = ["ADDRESS:PORT:PORT"]'


class Door(NamedTuple):
    """A published port."""

    tenant: Tenant
    workload: Workload
    publish: Publish

    @property
    def text(self) -> str:
        """Return whose it is."""
        ports = f"{self.publish.host_ports}:{self.publish.ports}/{self.publish.protocol}"
        return f"{self.tenant.name}/{self.workload.name} publishes {ports}"


class Taken(NamedTuple):
    """A published port at which the host listens."""

    door: Door
    listener: Listener

    @property
    def is_lost(self) -> bool:
        """Return whether the workload gets nothing of it: of a socket's port it does."""
        return False

    @property
    def text(self) -> str:
        """Return what it means."""
        at, port = ip_address(self.listener.address), self.listener.port
        where = f"[{at}]:{port}" if family_of(self.listener.address) != 4 else f"{at}:{port}"  # noqa: PLR2004
        by = ", ".join(self.door.tenant.uplinks)
        return f"{self.door.text}, and this host listens at {where}: what comes by {by} reaches the workload"


def taken_ports(policy: PolicySet, listeners: Iterable[Listener]) -> Iterator[Taken]:
    """Yield the published ports at which the host itself listens, each once for each port."""
    by_port: dict[tuple[str, int], list[Listener]] = {}
    for listener in sorted(listeners):
        if not ip_address(listener.address).is_loopback:
            by_port.setdefault((listener.protocol, listener.port), []).append(listener)
    for door in _doors(policy) if by_port else ():
        for (protocol, port), found in by_port.items():
            if protocol == door.publish.protocol and port in door.publish.host_ports:
                yield from (Taken(door, each) for each in [each for each in found if _meets(door, each)][:1])


class Forwarded(NamedTuple):
    """A published port that a rule of somebody else's sends on."""

    door: Door
    port: ForwardedPort

    @property
    def is_lost(self) -> bool:
        """Return whether the workload gets nothing of it."""
        return self.port.before_ours

    @property
    def text(self) -> str:
        """Return what it means."""
        by = ", ".join(self.door.tenant.uplinks)
        where = f"a rule of others' sends that port on ({self.port.where})"
        if self.is_lost:
            return (
                f"{self.door.text}, and {where} before laneway's does: nothing that comes by {by} reaches the workload"
            )
        return (
            f"{self.door.text}, and {where}: what comes by {by} goes where the first of the two rules sends it, "
            "and reaches the workload only if that is laneway's"
        )


def forwarded_ports(policy: PolicySet, foreign: Foreign) -> Iterator[Forwarded]:
    """Yield the published ports that rules of others send on, to containers say: no socket of the host's tells of them.

    Each published port is yielded once, with the first of the rules.
    """
    own = {address.address for _, address in foreign.addresses}
    meant = [each for each in foreign.forwarded if not each.address or each.address in own]
    for door in _doors(policy) if meant else ():
        publish = door.publish
        families = {each.version for each in door.workload.addresses}
        for port in meant:
            together = publish.host_ports.first <= port.last and port.first <= publish.host_ports.last
            same = publish.host is None or not port.address or publish.host.packed == port.address
            meets = port.protocol == publish.protocol and (not port.family or port.family in families)
            if together and same and meets:
                yield Forwarded(door, port)
                break


def _doors(policy: PolicySet) -> Iterator[Door]:
    for tenant in policy.tenants:
        for workload in tenant.workloads:
            yield from (Door(tenant, workload, publish) for publish in workload.publish)


def _meets(door: Door, listener: Listener) -> bool:
    """Return whether the socket has an address that the port is published at."""
    if not any(listener.address):
        return True
    at = door.publish.host
    return family_of(listener.address) in _families(door) and (at is None or at.packed == listener.address)


def _families(door: Door) -> set[int]:
    return {each.version for each in door.workload.addresses}


def taken_login(
    policy: PolicySet,
    before: Callable[[], PolicySet | None],
    foreign: Foreign,
    sessions: Callable[[], Iterable[Session]],
) -> Iterator[Collision]:
    """Yield the ports that would newly be published and are those of sessions: nobody could log in there again.

    The `sessions` are asked for only when TCP ports are published, the policy `before` only when they meet.
    """
    doors = [each for each in _doors(policy) if each.publish.protocol == "tcp"]
    found = [(each, door) for each in sessions() for door in _at_login(policy, doors, foreign, each)] if doors else []
    if not found:
        return
    in_force = before()
    known = {_identity(each) for each in _doors(in_force)} if in_force else set()
    told = set()
    for session, door in found:
        server = f"{address_text(session.server.address)} port {session.port}"
        if _identity(door) not in known and (server, door) not in told:
            told.add((server, door))
            who = "you are" if session.own else "somebody is"
            what = f"{who} logged in at {server}, and {door.text}: nobody could log in there any more"
            yield Collision(what, f"{_REMEDY}; or let sshd listen at another port, and log in there")


def _at_login(policy: PolicySet, doors: Iterable[Door], foreign: Foreign, session: Session) -> Iterator[Door]:
    links = {link for link, address in foreign.addresses if address.address == session.server.address}
    interfaces = {each.name: each.interface for each in policy.uplinks}
    for door in doors:
        at = door.publish.host
        here = at.packed == session.server.address if at else session.server.family in _families(door)
        by_uplink = links & ({interfaces[each] for each in door.tenant.uplinks} | {"lo"})
        if session.port in door.publish.host_ports and here and by_uplink:
            yield door


def _identity(door: Door) -> tuple[object, ...]:
    return door.tenant.name, door.workload.name, door.publish[:4]
