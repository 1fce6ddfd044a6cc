"""What the kernel takes away by itself, along with a link or a network namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.state.links import HOST, LinkKey

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from laneway.state.host import HostState
    from laneway.state.links import Link


def without_links(state: HostState, links: AbstractSet[LinkKey], netns: AbstractSet[str] = frozenset()) -> HostState:
    """Return `state` as it is when `links` and the network namespaces are deleted, with all that stands on them."""
    dead = _with_their_pairs(state, links, netns)
    names = {key.name for key in dead if key.netns == HOST}
    return state.replaced(
        netns={key: each for key, each in state.netns.items() if key not in netns},
        links={key: _off(each, names) for key, each in state.links.items() if key not in dead},
        addresses={
            key: None for key in state.addresses if key.netns not in netns and LinkKey(key.netns, key.link) not in dead
        },
        routes={
            key: each
            for key, each in state.routes.items()
            if key.netns not in netns and LinkKey(key.netns, each.dev) not in dead
        },
        sysctls={key: each for key, each in state.sysctls.items() if not names.intersection(key.split("/")[3:4])},
    )


def _with_their_pairs(state: HostState, links: AbstractSet[LinkKey], netns: AbstractSet[str]) -> set[LinkKey]:
    dead = set(links) | {key for key in state.links if key.netns in netns}
    dead |= {key for key, link in state.links.items() if link.peer is not None and link.peer in dead}
    return dead | {link.peer for key, link in state.links.items() if key in dead and link.peer is not None}


def _off(link: Link, bridges: AbstractSet[str]) -> Link:
    """Return the link as it is when these bridges are gone."""
    return link._replace(master="", hairpin=False, isolated=False) if link.master in bridges else link
