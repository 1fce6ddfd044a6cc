"""Published ports at which the host itself listens: what comes by the tenant's uplinks reaches the workload instead."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from laneway.state.prefix import family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.policy.model import PolicySet, Publish, Tenant, Workload
    from laneway.state.facts import Foreign, ForwardedPort, Listener


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
    for door in doors(policy) if by_port else ():
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
    for door in doors(policy) if meant else ():
        publish = door.publish
        present = families(door)
        for port in meant:
            together = publish.host_ports.first <= port.last and port.first <= publish.host_ports.last
            same = publish.host is None or not port.address or publish.host.packed == port.address
            meets = port.protocol == publish.protocol and (not port.family or port.family in present)
            if together and same and meets:
                yield Forwarded(door, port)
                break


def doors(policy: PolicySet) -> Iterator[Door]:
    """Yield every published port."""
    for tenant in policy.tenants:
        for workload in tenant.workloads:
            yield from (Door(tenant, workload, publish) for publish in workload.publish)


def _meets(door: Door, listener: Listener) -> bool:
    """Return whether the socket has an address that the port is published at."""
    if not any(listener.address):
        return True
    at = door.publish.host
    return family_of(listener.address) in families(door) and (at is None or at.packed == listener.address)


def families(door: Door) -> set[int]:
    """Return the families a port is published in: those of its workload."""
    return {each.version for each in door.workload.addresses}
