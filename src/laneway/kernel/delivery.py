"""Steps sent to the kernel as netlink requests, every refusal given back as the failure of its step."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from laneway.kernel.netns import visit
from laneway.kernel.reasons import Refused, failed, raised, told
from laneway.plan.steps import Op
from laneway.state.links import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from laneway.kernel.netlink import NetlinkSocket, Request
    from laneway.plan.steps import Step

_NO_SUCH_ENTRY = 4103  # IPSET_ERR_EXIST, of a set's entry
GONE = frozenset({errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL, _NO_SUCH_ENTRY})
"""What the kernel says when it is asked to delete a thing that is not there."""


def deliver(
    kernel: NetlinkSocket,
    pairs: Sequence[tuple[Step, Request]],
    *,
    special: Mapping[int, str] | None = None,
    refused: Refused = raised,
) -> None:
    """Send every step's request, and tell `refused` of those that the kernel did not do.

    The others of its flight are done all the same. Deleting what is not there changes nothing.
    """
    for refusal in kernel.send([request for _, request in pairs]):
        step = pairs[refusal.place][0]
        if step.op is Op.DELETE and refusal.errno in GONE:
            continue
        refused(failed(step, refusal.errno, refusal.text, special=special))


def deliver_everywhere(
    host: NetlinkSocket,
    steps: Sequence[Step],
    encode: Callable[[NetlinkSocket, Step], Request | None],
    *,
    special: Mapping[int, str] | None = None,
    refused: Refused = raised,
) -> None:
    """Send the host's steps, then those of each network namespace that their keys name, from inside it.

    `encode` may look up link indexes by the socket it gets; None from it means that the step has nothing to do.
    """
    by_netns: dict[str, list[Step]] = {HOST: []}
    for step in steps:
        by_netns.setdefault(step.key.netns, []).append(step)

    def send(name: str, kernel: NetlinkSocket) -> None:
        pairs = []
        for step in by_netns[name]:
            with told(step, refused):
                request = encode(kernel, step)
                if request is not None:
                    pairs.append((step, request))
        if pairs:
            with told(pairs[0][0], refused):
                deliver(kernel, pairs, special=special, refused=refused)

    send(HOST, host)
    del by_netns[HOST]
    for name, error in visit(by_netns, send).items():
        first = next((step for step in by_netns[name] if step.op is not Op.DELETE), None)
        if first is not None:  # what was in a network namespace that is gone is gone too
            refused(failed(first, error.errno or 0, special={errno.ENOENT: f"there is no network namespace {name}"}))
