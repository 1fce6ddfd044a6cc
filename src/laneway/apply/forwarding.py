"""Forwarding that laneway turned on, and that networks of others have come to need: it is not turned off under them.

What others had when it was turned on did without it, and does so again. Of what came later it is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.compile.sysctls import FORWARD4, FORWARD6, flipped_by
from laneway.state.chains import ChainRule, OutInterface
from laneway.state.host import recorded_priors
from laneway.state.links import HOST
from laneway.state.prefix import IPV4, IPV6

if TYPE_CHECKING:
    from collections.abc import Callable

    from laneway.state.facts import Networks
    from laneway.state.host import HostState

FORWARDS = {IPV4: FORWARD4, IPV6: FORWARD6}
ONLY_ON_UPLINKS = ("/rp_filter", "/use_oif_addrs_only")
"""Sysctls that laneway changes on no other links."""

SHOWN = 3
"""Networks that are named in one sentence."""


class LeftOn(NamedTuple):
    """A host less what must stay as it is, and why, a sentence each."""

    state: HostState
    notes: tuple[str, ...] = ()


def leave_on(
    desired: HostState, observed: HostState, before: Networks | None, networks: Callable[[], Networks]
) -> LeftOn:
    """Return `observed` less the forwarding of families that `desired` turns off, and that others need by now.

    `before` is what others had when it was turned on, None where nobody knows; `networks` tells what they have now.
    """
    priors = recorded_priors(observed)
    ending = [
        family
        for family, key in FORWARDS.items()
        if key in priors and key not in desired.sysctls and priors[key] != observed.sysctls.get(key, priors[key])
    ]
    if not ending:
        return LeftOn(observed)
    now, uplinks = networks(), _uplinks(observed)
    needed = {family: _since(family, before, now, uplinks) for family in ending}
    staying = [family for family in ending if needed[family]]
    kept = {key: value for key, value in observed.sysctls.items() if not any(_goes_with(key, each) for each in staying)}
    notes = tuple(_sentence(family, needed[family], known=before is not None) for family in staying)
    return LeftOn(observed.replaced(sysctls=kept), notes)


def _uplinks(observed: HostState) -> set[str]:
    """Return the links that lanes leave by, as the host itself tells: of an interrupted destroy, what is remembered."""
    by_route = {route.dev for key, route in observed.routes.items() if key.netns == HOST and route.dev}
    rules = (rule for chain in observed.chains.values() for rule in chain if isinstance(rule, ChainRule))
    pinned = {match.name for rule in rules for match in rule.matches if isinstance(match, OutInterface)}
    switched = {key.split("/")[3] for key in recorded_priors(observed) if key.endswith(ONLY_ON_UPLINKS)}
    return by_route | pinned | switched


def _since(family: int, before: Networks | None, now: Networks, uplinks: set[str]) -> list[str]:
    """Return what of a family has come since, links first."""
    links = {each for each in now.links if each[1].rpartition("#")[0] not in uplinks} - (
        before.links if before else set()
    )
    rules = now.rules - (before.rules if before else set())
    names = sorted(name.rpartition("#")[0] for of, name in links if of == family)
    return [*dict.fromkeys(names), *sorted(f"rule {rule}" for of, rule in rules if of == family)]


def _goes_with(key: str, family: int) -> bool:
    """Return whether a sysctl is forwarding of a family, or what the kernel or laneway makes otherwise with it."""
    learns = family == IPV6 and key.endswith("/accept_ra")  # with 1 it would learn nothing any more
    return key == FORWARDS[family] or learns or FORWARDS[family] in flipped_by(key)


def _sentence(family: int, needed: list[str], *, known: bool) -> str:
    more = f" and {len(needed) - SHOWN} more" if len(needed) > SHOWN else ""
    since = "came after laneway turned it on" if known else "may need it"
    return (
        f"IPv{family} forwarding stays on: {', '.join(needed[:SHOWN])}{more} {since}; "
        f"to turn it off: sysctl -w {FORWARDS[family]}=0"
    )
