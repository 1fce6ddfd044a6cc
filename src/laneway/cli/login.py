"""The login that a command is typed in, as sshd left it in the environment."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from laneway.plan.cut_off import Session
from laneway.state.prefix import of_address

if TYPE_CHECKING:
    from collections.abc import Mapping


def session_in(environment: Mapping[str, str]) -> Session | None:
    """Return the session that SSH_CONNECTION tells of (ssh(1)): client, its port, server, its port."""
    words = environment.get("SSH_CONNECTION", "").split()
    try:
        client, _, server, port = words
        # A link-local address has its link behind a percent sign (RFC 4007, 11.2).
        ends = [of_address(ip_address(each.partition("%")[0])) for each in (client, server)]
        return Session(ends[0], ends[1], int(port))
    except ValueError:  # whoever set it, it is not what sshd sets
        return None
