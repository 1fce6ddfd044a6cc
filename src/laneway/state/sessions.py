"""Logins to this host over the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from laneway.state.prefix import Prefix


class Session(NamedTuple):
    """A login over TCP: who, and at which address and port of the host."""

    client: Prefix
    server: Prefix
    port: int  # of the server
    own: bool = True  # the command was typed in it; False: it is there besides
