"""Ports that would be published and are those of sessions on this host: nobody could log in there again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.plan.conflicts.collision import Collision
from laneway.plan.taken import doors, families
from laneway.state.prefix import address_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from laneway.plan.taken import Door
    from laneway.policy.model import PolicySet
    from laneway.state.facts import Foreign
    from laneway.state.sessions import Session

_REMEDY = 'publish another port, or at one address alone: publish = ["ADDRESS:PORT:PORT"]'


def ssh_port_conflicts(
    policy: PolicySet,
    before: Callable[[], PolicySet | None],
    foreign: Foreign,
    sessions: Callable[[], Iterable[Session]],
) -> Iterator[Collision]:
    """Yield the ports that would newly be published and are those of sessions: nobody could log in there again.

    The `sessions` are asked for only when TCP ports are published, the policy `before` only when they meet.
    """
    over_tcp = [each for each in doors(policy) if each.publish.protocol == "tcp"]
    found = (
        [(each, door) for each in sessions() for door in _at_login(policy, over_tcp, foreign, each)] if over_tcp else []
    )
    if not found:
        return
    in_force = before()
    known = {_identity(each) for each in doors(in_force)} if in_force else set()
    told = set()
    for session, door in found:
        server = f"{address_text(session.server.address)} port {session.port}"
        if _identity(door) not in known and (server, door) not in told:
            told.add((server, door))
            who = "you are" if session.own else "somebody is"
            what = f"{who} logged in at {server}, and {door.text}: nobody could log in there any more"
            yield Collision("ssh-port", what, f"{_REMEDY}; or let sshd listen at another port, and log in there")


def _at_login(policy: PolicySet, published: Iterable[Door], foreign: Foreign, session: Session) -> Iterator[Door]:
    links = {link for link, address in foreign.addresses if address.address == session.server.address}
    interfaces = {each.name: each.interface for each in policy.uplinks}
    for door in published:
        at = door.publish.host
        here = at.packed == session.server.address if at else session.server.family in families(door)
        by_uplink = links & ({interfaces[each] for each in door.tenant.uplinks} | {"lo"})
        if session.port in door.publish.host_ports and here and by_uplink:
            yield door


def _identity(door: Door) -> tuple[object, ...]:
    return door.tenant.name, door.workload.name, door.publish[:4]
