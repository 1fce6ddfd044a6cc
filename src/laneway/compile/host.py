"""The whole of what a host must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.behind_main import follow_main
from laneway.compile.filter import wall
from laneway.compile.isolation import isolate
from laneway.compile.ladder import climb
from laneway.compile.marking import mark_packets
from laneway.compile.nat import translate
from laneway.compile.out_of_window import end_no_connection
from laneway.compile.plumbing import plumb
from laneway.compile.routing import route_lanes
from laneway.compile.scene import scene
from laneway.compile.second_layer import second_layer
from laneway.compile.sets import fill_sets
from laneway.compile.sysctls import switch
from laneway.lanes.allocate import lease_file
from laneway.lanes.leases import PATH, PROTOCOLS_PATH
from laneway.state.host import HostState
from laneway.state.routing import PROTOCOL

if TYPE_CHECKING:
    from laneway.lanes.allocate import Lanes
    from laneway.policy.model import PolicySet
    from laneway.state.facts import HostFacts

PROTOCOL_NAMES = f"# laneway\n{PROTOCOL} laneway\n"


def compile_host(policy: PolicySet, lanes: Lanes, facts: HostFacts) -> HostState:
    """Return the state that `policy` asks of a host with these `facts`; without tenants, an empty one."""
    state = HostState()
    if not policy.tenants:
        return state
    resolved = scene(policy, lanes, facts)
    plumb(resolved, state)
    switch(resolved, state)
    route_lanes(resolved, state)
    fill_sets(resolved, state)
    climb(resolved, state)
    follow_main(resolved, state)
    mark_packets(resolved, state)
    end_no_connection(resolved, state)
    isolate(resolved, state)
    translate(resolved, state)
    wall(resolved, state)
    second_layer(resolved, state)
    state.files[PATH] = lease_file(policy, lanes)
    state.files[PROTOCOLS_PATH] = PROTOCOL_NAMES
    return state
