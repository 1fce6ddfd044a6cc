"""How far steps reach: into which network namespaces, and what of a state can therefore not have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.state.links import HOST, Link

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from laneway.plan.steps import Step
    from laneway.state.host import HostState


def reached(steps: Sequence[Step]) -> frozenset[str]:
    """Return the network namespaces in which the steps, or what goes with their objects, change anything."""
    return frozenset(name for step in steps for name in _reached_by(step)) - {HOST}


def _reached_by(step: Step) -> Iterator[str]:
    if step.kind == "netns":
        yield step.key
    elif step.kind in ("links", "addresses", "routes"):
        yield step.key.netns
    for value in (step.old, step.new):
        if isinstance(value, Link) and value.peer is not None:
            yield value.peer.netns


def without_unreached(state: HostState, inside: Collection[str]) -> HostState:
    """Return the host's own part of `state`, and of network namespaces those `inside`."""
    here = {HOST, *inside}
    return state.replaced(
        netns={name: each for name, each in state.netns.items() if name in here},
        links={key: each for key, each in state.links.items() if key.netns in here},
        addresses={key: each for key, each in state.addresses.items() if key.netns in here},
        routes={key: each for key, each in state.routes.items() if key.netns in here},
    )
