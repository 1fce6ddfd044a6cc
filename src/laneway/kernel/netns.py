"""Network namespaces under /run/netns, as ip-netns(8) keeps them.

A namespace is ours when its loopback link has our group, which it gets before it gets a name. The file its name
is mounted on has a content, so that one that a kill left without its mount is known as ours too, and one whose root
took its loopback out of our group.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import HostRefused, StepFailed
from laneway.kernel.advice import believe_nobody, speak_up
from laneway.kernel.link_messages import (
    DUMP_LINKS,
    NOWHERE,
    RTM_GETLINK,
    RTM_GETNSID,
    Change,
    SeenLink,
    ask_for_index,
    ask_for_place,
    delete_link,
    links,
    place,
    set_link,
)
from laneway.kernel.netlink import NetlinkSocket
from laneway.kernel.reasons import Refused, failed, raised, told
from laneway.kernel.reasons import refused as host_refused
from laneway.plan.steps import Op
from laneway.state.links import GROUP, Netns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from laneway.plan.steps import Step

RUN = Path("/run/netns")
_LOOK = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # whatever somebody put there
LOOPBACK = "lo"
_CLAIM = b"laneway\n"
_LOOPBACK_INDEX = 1  # in every network namespace (loopback_net_init)
_MOST_LINKS = 1000  # that are looked at for our pairs, of which the first was made before any other link
PATIENCE = 5  # seconds that the kernel has for an answer about the inside of one
_SO_NETNS_COOKIE = 71  # asm-generic/socket.h
_COOKIE_SIZE = 8  # bytes
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
            with NetlinkSocket(timeout=PATIENCE) as kernel:
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
        raise host_refused(f"cannot read {RUN}", error) from error
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
        # Not through a symbolic link, which could lead to another one of ours.
        return os.lstat(f"{RUN}/{name}").st_dev == _namespace_device()
    except OSError:
        return False


@lru_cache(maxsize=1)
def _namespace_device() -> int:
    """Return the number of the one device on which all namespaces are files."""
    return Path("/proc/self/ns/net").stat().st_dev


def _is_claimed(name: str, *, directory: int | None = None) -> bool:
    """Return whether the file of that name, in /run/netns or in `directory`, has the content of ours."""
    try:
        file = os.open(name if directory is not None else RUN / name, _LOOK, dir_fd=directory)
    except OSError:
        return False
    try:
        return os.read(file, len(_CLAIM) + 1) == _CLAIM
    except OSError:
        return False
    finally:
        os.close(file)


def _is_mounted_on_ours(name: str) -> bool:
    """Return whether the file that a namespace is mounted on is one that laneway made, whatever its root did inside."""
    from laneway.kernel.syscalls import without_mounts

    try:
        below = without_mounts(RUN)
    except OSError:  # before Linux 5.2, or with mounts that another user namespace locked
        return False
    try:
        return _is_claimed(name, directory=below)
    finally:
        os.close(below)


def here() -> str:
    """Return what tells the network namespace of this process from all others, those included that are gone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_of_it:
        try:
            return any_of_it.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, _COOKIE_SIZE).hex()
        except OSError:  # before Linux 5.14
            return f"inode {Path('/proc/thread-self/ns/net').stat().st_ino}"


def found_inside(name: str, kernel: NetlinkSocket) -> Netns | None:
    """Return the namespace `name` as `kernel`, a socket in it, tells of it, or None when it is not ours."""
    link = link_at(kernel, _LOOPBACK_INDEX)
    if link is None or (link.group != GROUP and not _is_mounted_on_ours(name)):
        return None
    return Netns(link.alias, link.up, kept=link.group == GROUP)


def place_of(name: str, host: NetlinkSocket) -> int:
    """Return what the kernel calls that namespace where `host` was opened; NOWHERE: no link there leads to it."""
    try:
        descriptor = os.open(RUN / name, _LOOK)
    except OSError:
        return NOWHERE
    try:
        body = host.get(RTM_GETNSID, ask_for_place(descriptor))
    finally:
        os.close(descriptor)
    return NOWHERE if body is None else place(body)


def link_at(kernel: NetlinkSocket, index: int) -> SeenLink | None:
    """Return the link of that index, or None when there is none."""
    body = kernel.get(RTM_GETLINK, ask_for_index(index))
    if body is None:
        return None
    return next(links([body]))


def run(op: Op, steps: Sequence[Step], refused: Refused = raised) -> None:
    """Do steps of the kind "netns"; what fails is told to `refused`."""
    for step in steps:
        if not _NAME.fullmatch(step.key):
            raise StepFailed(step, f"{step.key!r} is no name for a network namespace")
    if op is Op.DELETE:
        _delete(steps)
        return
    new = [step for step in steps if not _is_mounted(step.key)]
    present = [step for step in steps if _is_mounted(step.key)]
    if new:
        _create(new, refused)
    _adjust(present, refused)


def _create(steps: Sequence[Step], refused: Refused) -> None:
    from laneway.kernel.syscalls import new_netns, pin_netns, share_mount

    try:
        RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
        share_mount(RUN)
    except OSError as error:
        raise host_refused(f"cannot prepare {RUN}", error) from error

    def make() -> None:
        for step in steps:
            try:
                _claim(step)
                new_netns()
                believe_nobody()
                speak_up()
                with NetlinkSocket() as kernel:
                    _configure(kernel, step)
                pin_netns(RUN / step.key)
            except OSError as error:
                refused(failed(step, error.errno or 0))
            except StepFailed as failure:
                refused(failure)

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


def _adjust(steps: Sequence[Step], refused: Refused) -> None:
    """Make the loopback links of namespaces that exist as they should be."""
    by_name = {step.key: step for step in steps}

    def adjust(name: str, kernel: NetlinkSocket) -> None:
        with told(by_name[name], refused):
            _must_be_ours(kernel, by_name[name])
            _configure(kernel, by_name[name])

    for name, error in visit(by_name, adjust).items():
        refused(failed(by_name[name], error.errno or 0))


def _must_be_ours(kernel: NetlinkSocket, step: Step) -> None:
    if found_inside(step.key, kernel) is None:
        hint = "give it, or the workload, another name"
        raise StepFailed(step, f"the network namespace {step.key} is not laneway's", hint)


def _delete(steps: Sequence[Step]) -> None:
    by_name = {step.key: step for step in steps if _is_mounted(step.key)}

    def empty(name: str, kernel: NetlinkSocket) -> None:
        # A process inside keeps a namespace alive without its name, and our veth pair with it: take that away first.
        _must_be_ours(kernel, by_name[name])
        found, whole = kernel.dump_some(RTM_GETLINK, DUMP_LINKS, most=_MOST_LINKS)
        if not whole:
            kernel.close()
            kernel.reopen()
        pairs = [link.name for link in links(found) if link.group == GROUP and link.place != NOWHERE]
        kernel.send([delete_link(each) for each in pairs])

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
