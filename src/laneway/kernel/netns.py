"""Network namespaces under /run/netns, as ip-netns(8) keeps them.

A namespace is ours when its loopback link has our group, which it gets before it gets a name. The file its name
is mounted on has a content, so that one that a kill left without its mount is known as ours too.
"""

from __future__ import annotations

import os
import re
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import HostRefused, StepFailed
from laneway.kernel.link_messages import DUMP_LINKS, RTM_GETLINK, Change, SeenLink, delete_link, links, set_link
from laneway.kernel.netlink import NetlinkSocket
from laneway.kernel.reasons import failed, refused
from laneway.plan.steps import Op
from laneway.state.links import GROUP, Netns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from laneway.plan.steps import Step

RUN = Path("/run/netns")
LOOPBACK = "lo"
_CLAIM = b"laneway\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")


def visit(names: Iterable[str], job: Callable[[str, NetlinkSocket], None]) -> dict[str, OSError]:
    """Run `job` inside each network namespace, in a thread of its own that the rest of the process does not follow.

    Returns the names that could not be entered, with the reason. What `job` raises is raised here and ends the tour.
    """
    unreachable: dict[str, OSError] = {}
    ordered = list(names)

    def tour() -> None:
        from laneway.kernel.syscalls import enter_netns

        for name in ordered:
            try:
                enter_netns(f"{RUN}/{name}")
            except OSError as error:
                unreachable[name] = error
                continue
            with NetlinkSocket() as kernel:
                job(name, kernel)

    if ordered:
        _in_thread(tour)
    return unreachable


def _in_thread(work: Callable[[], None]) -> None:
    """Run `work` to its end in a new thread, and raise here what it raises."""
    raised: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  carried to the caller's thread, not swallowed
            raised.append(error)

    thread = threading.Thread(target=body, name="laneway-netns")
    try:
        thread.start()
    except RuntimeError as error:  # EAGAIN of clone(2), which Python does not pass on
        message = "cannot look into network namespaces: the kernel gives this process no further thread"
        raise HostRefused(
            message, "too many processes, or too little memory: see `ulimit -u`, pids.max of the cgroup"
        ) from error
    thread.join()
    if raised:
        raise raised[0]


class Names(NamedTuple):
    """What stands under /run/netns."""

    mounted: tuple[str, ...]
    half_made: tuple[str, ...]  # ours, without a namespace
    others: tuple[str, ...]  # no namespace, and not ours


def names() -> Names:
    """Return the names under /run/netns, sorted; whose the mounted ones are only a look inside tells.

    Raises HostRefused when they cannot be read.
    """
    try:
        present = sorted(entry.name for entry in RUN.iterdir())
    except FileNotFoundError:
        return Names((), (), ())
    except OSError as error:
        raise refused(f"cannot read {RUN}", error) from error
    mounted: list[str] = []
    half_made: list[str] = []
    others: list[str] = []
    for name in present:
        if _is_mounted(name):
            mounted.append(name)
        else:
            (half_made if _is_claimed(name) else others).append(name)
    return Names(tuple(mounted), tuple(half_made), tuple(others))


def _is_mounted(name: str) -> bool:
    try:
        return os.stat(f"{RUN}/{name}").st_dev == _namespace_device()  # noqa: PTH116  by the thousand
    except OSError:
        return False


@lru_cache(maxsize=1)
def _namespace_device() -> int:
    """Return the number of the one device on which all namespaces are files."""
    return Path("/proc/self/ns/net").stat().st_dev


def _is_claimed(name: str) -> bool:
    try:
        return (RUN / name).read_bytes() == _CLAIM
    except OSError:
        return False


def loopback(seen: Iterable[SeenLink]) -> Netns | None:
    """Return the namespace that the links inside it tell of, or None when it is not ours."""
    for link in seen:
        if link.name == LOOPBACK:
            return Netns(link.alias, link.up) if link.group == GROUP else None
    return None


def run(op: Op, steps: Sequence[Step]) -> None:
    """Do steps of the kind "netns"; raises StepFailed."""
    for step in steps:
        if not _NAME.fullmatch(step.key):
            raise StepFailed(step, f"{step.key!r} is no name for a network namespace")
    if op is Op.DELETE:
        _delete(steps)
        return
    new = [step for step in steps if not _is_mounted(step.key)]
    present = [step for step in steps if _is_mounted(step.key)]
    if new:
        _create(new)
    _adjust(present)


def _create(steps: Sequence[Step]) -> None:
    from laneway.kernel.syscalls import new_netns, pin_netns, share_mount

    try:
        RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
        share_mount(RUN)
    except OSError as error:
        raise refused(f"cannot prepare {RUN}", error) from error

    def make() -> None:
        for step in steps:
            try:
                _claim(step)
                new_netns()
                with NetlinkSocket() as kernel:
                    _configure(kernel, step)
                pin_netns(RUN / step.key)
            except OSError as error:
                raise failed(step, error.errno or 0) from error

    _in_thread(make)


def _claim(step: Step) -> None:
    """Make the file that the namespace will be mounted on, its content and its name in one instant."""
    if _is_claimed(step.key):
        return
    unnamed = os.open(RUN, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o444)
    try:
        os.write(unnamed, _CLAIM)
        # Any src_dir_fd makes Python follow the link under /proc (linkat(2), AT_SYMLINK_FOLLOW).
        os.link(f"/proc/self/fd/{unnamed}", RUN / step.key, src_dir_fd=unnamed, follow_symlinks=True)
    except FileExistsError as error:
        hint = f"if nothing uses it: ip netns delete {step.key}"
        raise StepFailed(step, f"{RUN / step.key} is there already and is not laneway's", hint) from error
    finally:
        os.close(unnamed)


def _configure(kernel: NetlinkSocket, step: Step) -> None:
    wanted: Netns = step.new
    request = set_link(LOOPBACK, Change(group=GROUP, alias=wanted.alias, up=wanted.up))
    for refusal in kernel.send([request]):
        raise failed(step, refusal.errno, refusal.text)


def _adjust(steps: Sequence[Step]) -> None:
    """Make the loopback links of namespaces that exist as they should be."""
    by_name = {step.key: step for step in steps}

    def adjust(name: str, kernel: NetlinkSocket) -> None:
        _must_be_ours(kernel, by_name[name])
        _configure(kernel, by_name[name])

    for name, error in visit(by_name, adjust).items():
        raise failed(by_name[name], error.errno or 0)


def _must_be_ours(kernel: NetlinkSocket, step: Step) -> list[SeenLink]:
    seen = list(links(kernel.dump(RTM_GETLINK, DUMP_LINKS)))
    if loopback(seen) is None:
        hint = "give it, or the workload, another name"
        raise StepFailed(step, f"the network namespace {step.key} is not laneway's", hint)
    return seen


def _delete(steps: Sequence[Step]) -> None:
    by_name = {step.key: step for step in steps if _is_mounted(step.key)}

    def empty(name: str, kernel: NetlinkSocket) -> None:
        # A process inside keeps a namespace alive without its name, and our veth pair with it: take that away first.
        mine = [link.name for link in _must_be_ours(kernel, by_name[name]) if link.group == GROUP]
        kernel.send([delete_link(each) for each in mine if each != LOOPBACK])

    visit(by_name, empty)
    for step in steps:
        if step.key in by_name:
            _unmount(step)
        elif _is_claimed(step.key):
            (RUN / step.key).unlink(missing_ok=True)


def _unmount(step: Step) -> None:
    from pyroute2 import netns

    try:
        netns.remove(step.key)
    except OSError as error:
        raise failed(step, error.errno or 0) from error
