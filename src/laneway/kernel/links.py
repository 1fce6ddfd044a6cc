"""Links made, changed and deleted, and interface addresses, in the host and inside our network namespaces."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import StepFailed
from laneway.kernel import netns
from laneway.kernel.advice import believe_nobody, speak_up
from laneway.kernel.announcing import announce
from laneway.kernel.delivery import deliver, deliver_everywhere
from laneway.kernel.link_messages import (
    DUMP_LINKS,
    DYING,
    RTM_DELADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    Change,
    address_request,
    ask_for_link,
    delete_dying,
    delete_link,
    links,
    new_bridge,
    new_veth,
    set_link,
)
from laneway.kernel.reasons import Refused, failed, raised, told
from laneway.plan.steps import Op, Step
from laneway.state.links import HOST, PROMOTE_SECONDARIES, Link, LinkKey, LinkKind
from laneway.state.prefix import IPV4

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.kernel.netlink import NetlinkSocket, Request

_SPECIAL = {
    errno.EEXIST: "a link of that name that is not laneway's is already there",
    errno.EBUSY: "the link is in use",
}
_TOGETHER = 64  # links deleted as one group: for so long nothing else on the host can change its network
_AT_ONCE = 200  # veth pairs in one flight: each needs an open descriptor, of which a process has 1024


def run(kernel: NetlinkSocket, op: Op, steps: Sequence[Step], refused: Refused = raised) -> None:
    """Do steps of the kind "links"; what fails is told to `refused`."""
    if op is Op.DELETE:
        _delete(kernel, steps, refused)
    elif op is Op.CREATE:
        _create(kernel, steps, refused)
    else:
        _replace(kernel, steps, refused)


def _delete(kernel: NetlinkSocket, steps: Sequence[Step], refused: Refused) -> None:
    names = sorted(step.key.name for step in steps if step.key.netns == HOST)
    dying = {link.name for link in links(kernel.dump(RTM_GETLINK, DUMP_LINKS)) if link.group == DYING}
    if dying <= set(names):
        for start in range(0, len(names), _TOGETHER):
            _delete_together(kernel, names[start : start + _TOGETHER])
    # What is left: links inside network namespaces, and all of them if somebody else uses our dying group.
    deliver_everywhere(kernel, steps, lambda _, step: delete_link(step.key.name), special=_SPECIAL, refused=refused)


def _delete_together(kernel: NetlinkSocket, names: Sequence[str]) -> None:
    """Delete links of the host as one group; deleted one by one each makes the kernel wait 20 to 40 ms for RCU."""
    # Down first: outside our group a link is no longer held back by the rules that match it.
    kernel.send([set_link(name, Change(up=False)) for name in names])
    kernel.send([set_link(name, Change(group=DYING)) for name in names])
    kernel.send([delete_dying()])


def _create(kernel: NetlinkSocket, steps: Sequence[Step], refused: Refused) -> None:
    for kind, group in groupby(steps, key=lambda step: step.new.kind):
        same = list(group)
        if kind is LinkKind.BRIDGE:
            _create_bridges(kernel, same, refused)
        elif kind is LinkKind.VETH:
            for start in range(0, len(same), _AT_ONCE):
                _create_veths(kernel, same[start : start + _AT_ONCE], refused)
        else:
            _finish(kernel, same, refused)


def _create_bridges(kernel: NetlinkSocket, steps: Sequence[Step], refused: Refused) -> None:
    requests = [new_bridge(step.key.name, group=step.new.group, mac=step.new.mac) for step in steps]
    deliver(kernel, list(zip(steps, requests, strict=True)), special=_SPECIAL, refused=refused)
    _finish(kernel, steps, refused)


def _create_veths(kernel: NetlinkSocket, steps: Sequence[Step], refused: Refused) -> None:
    open_netns: dict[str, int] = {}
    try:
        pairs = []
        for step in steps:
            with told(step, refused):
                pairs.append((step, _new_veth(kernel, step, open_netns)))
        deliver(kernel, pairs, special=_SPECIAL, refused=refused)
    finally:
        for descriptor in open_netns.values():
            os.close(descriptor)
    _finish(kernel, [step for step, _ in pairs], refused)


def _new_veth(kernel: NetlinkSocket, step: Step, open_netns: dict[str, int]) -> Request:
    wanted: Link = step.new
    peer: LinkKey | None = wanted.peer
    if peer is None:
        raise StepFailed(step, "a veth pair needs a far end")
    if peer.netns not in open_netns:
        try:
            open_netns[peer.netns] = os.open(netns.RUN / peer.netns, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            missing = {errno.ENOENT: f"there is no network namespace {peer.netns}"}
            raise failed(step, error.errno or 0, special=missing) from error
    master = _master(kernel, step)
    inside = open_netns[peer.netns]
    return new_veth(step.key.name, peer.name, group=wanted.group, master=master, peer_netns=inside)


def _master(kernel: NetlinkSocket, step: Step) -> int:
    """Return the index of the bridge that the step's link is to be a port of, 0 for none."""
    name = step.new.master
    index = kernel.link_index(name) if name else 0
    if name and not index:
        raise StepFailed(step, f"there is no bridge {name}")
    return index


def _finish(kernel: NetlinkSocket, steps: Sequence[Step], refused: Refused) -> None:
    """Give new links what the kernel does not take in the message that creates them."""
    special = {errno.ENODEV: "the link is not there"}
    deliver_everywhere(kernel, steps, _finishing, special=special, refused=refused)


def _finishing(_: NetlinkSocket, step: Step) -> Request:
    wanted: Link = step.new
    if wanted.kind is LinkKind.PEER:
        believe_nobody(step.key.name)
    # A bridge has its MAC from the message that makes it.
    mac = wanted.mac if wanted.kind is LinkKind.PEER and wanted.mac else None
    change = Change(up=wanted.up, alias=wanted.alias or None, mac=mac)
    change = change._replace(hairpin=wanted.hairpin or None, isolated=wanted.isolated or None)
    return set_link(step.key.name, change)


def _replace(kernel: NetlinkSocket, steps: Sequence[Step], refused: Refused) -> None:
    for comes_up, group in groupby(steps, key=_comes_up):
        if comes_up:
            _bring_up(kernel, list(group), refused)
        else:
            _change(kernel, list(group), refused)


def _comes_up(step: Step) -> bool:
    """Return whether nothing else changes of the link than that it is up."""
    return not step.old.up and step.new == step.old._replace(up=True)


def _bring_up(kernel: NetlinkSocket, steps: Sequence[Step], refused: Refused) -> None:
    deliver_everywhere(kernel, steps, _rising, special=_SPECIAL, refused=refused)
    # The kernel tells a bridge of its port's carrier, and IPv6 of the bridge's, in the background, a hundred links a
    # second; of a link that is asked for, at once (linkwatch_sync_dev in rtnl_getlink of 6.18; older ones only tell).
    here = [step for step in steps if step.key.netns == HOST]
    ports = [step.key.name for step in here if step.new.kind is not LinkKind.BRIDGE]
    bridges = {step.key.name if step.new.kind is LinkKind.BRIDGE else step.new.master for step in here} - {""}
    kernel.send([ask_for_link(name) for name in (*ports, *sorted(bridges))])


def _rising(_: NetlinkSocket, step: Step) -> Request:
    return set_link(step.key.name, Change(up=True))


def _change(kernel: NetlinkSocket, steps: Sequence[Step], refused: Refused) -> None:
    for step in steps:
        old: Link = step.old
        new: Link = step.new
        if new.can_be_made_of(old):
            deliver_everywhere(kernel, [step], _difference, special=_SPECIAL, refused=refused)
            deliver_everywhere(kernel, [step], _port_difference, special=_SPECIAL, refused=refused)
        else:
            _delete(kernel, [step._replace(op=Op.DELETE)], refused)
            _create(kernel, [step._replace(op=Op.CREATE)], refused)


def _difference(kernel: NetlinkSocket, step: Step) -> Request:
    old: Link = step.old
    new: Link = step.new
    if new.heeds != old.heeds:
        believe_nobody(step.key.name)
    if new.kind is LinkKind.PEER and new.mac != old.mac:
        speak_up()
    change = Change(
        up=None if old.up == new.up else new.up,
        alias=None if old.alias == new.alias else new.alias,
        group=None if old.group == new.group else new.group,
        master=None if old.master == new.master else _master(kernel, step),
        mac=None if old.mac == new.mac or not new.mac else new.mac,
    )
    return set_link(step.key.name, change)


def _port_difference(_: NetlinkSocket, step: Step) -> Request | None:
    """Return what is to change of a link as a port of its bridge, which it must be before."""
    old: Link = step.old
    new: Link = step.new
    if not new.master or (old.master, old.hairpin, old.isolated) == (new.master, new.hairpin, new.isolated):
        return None
    return set_link(step.key.name, Change(hairpin=new.hairpin, isolated=new.isolated))


def run_addresses(kernel: NetlinkSocket, op: Op, steps: Sequence[Step], refused: Refused = raised) -> None:
    """Do steps of the kind "addresses"; what fails is told to `refused`."""
    deliver_everywhere(kernel, steps, _delete_address if op is Op.DELETE else _add_address, refused=refused)
    # After a deletion too: while two workloads change places each has both addresses, and says so.
    announce(kernel, steps)


def _add_address(kernel: NetlinkSocket, step: Step) -> Request:
    index = kernel.link_index(step.key.link)
    if not index:
        raise failed(step, errno.ENODEV)
    return address_request(RTM_NEWADDR, step.key.address, index)


def _delete_address(kernel: NetlinkSocket, step: Step) -> Request | None:
    index = kernel.link_index(step.key.link)
    if not index:
        return None
    if step.key.netns != HOST and step.key.address.family == IPV4:
        _promote_secondaries(step.key.link)
    return address_request(RTM_DELADDR, step.key.address, index)


def _promote_secondaries(link: str) -> None:
    """Let the link of a workload, whose network namespace this thread is in, keep the other addresses of a subnet.

    As the kernel has it by default they go with the first one of theirs, and the routes with the last (__inet_del_ifa).
    On the host a tenant's bridge has one address in a subnet.
    """
    with suppress(OSError):  # where it cannot be written, what is read back tells whether that mattered
        Path(f"/proc/sys/{PROMOTE_SECONDARIES.format(link)}").write_text("1", encoding="ascii")
