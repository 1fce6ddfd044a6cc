"""What laneway asks of a kernel, tried in a network namespace that is gone afterwards, by the code that apply uses."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import HostRefused, StepFailed
from laneway.kernel import links, routes, sets
from laneway.kernel.link_messages import new_veth
from laneway.kernel.netlink import NetlinkSocket
from laneway.kernel.restore_chains import IptablesChains
from laneway.kernel.syscalls import new_netns
from laneway.plan.steps import Op, Step
from laneway.state.chains import (
    Bridged,
    ChainKey,
    ChainRule,
    ConnMark,
    CtState,
    Dnat,
    Dscp,
    FromGroup,
    InSet,
    MapMark,
    Mark,
    Masquerade,
    Protocol,
    Reject,
    RestoreMark,
    SetMark,
    Snat,
    ToLocal,
    Verdict,
    XtTable,
)
from laneway.state.diagnosis import Trial
from laneway.state.links import GROUP, HOST, Link, LinkKey, LinkKind
from laneway.state.marks import FwMark
from laneway.state.prefix import ANY, FAMILIES, IPV4
from laneway.state.routing import TERMINATOR_METRIC, FibRule, Route, RouteKey, RouteKind, RuleAction
from laneway.state.sets import IpSet, SetType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from laneway.state.chains import Match, Target
    from laneway.state.facts import Variant

_ADDRESS = {4: bytes([192, 0, 2, 7]), 6: bytes.fromhex("20010db8000000000000000000000007")}
_REJECT = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}
_MARK = FwMark(0x10000, 0xFFFF0000)
_SET = "lw-try{}"


class Attempt(NamedTuple):
    """One thing to try."""

    what: str
    module: str
    act: Callable[[], None]


def failed_trials(variant: Variant | None) -> tuple[Trial, ...]:
    """Return what of all that laneway needs this kernel does not do; raises HostRefused when nothing can be tried.

    A child process tries it, in a network namespace of its own, so that nothing here is touched and nothing is left.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if not child:
        _answer(writing, variant)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    answer = json.loads(told or b'{"refused": "the process that was to try it died"}')
    if "refused" in answer:
        raise HostRefused(f"cannot try what the kernel does: {answer['refused']}", "run it as root")
    return tuple(Trial(*each) for each in answer["failed"])


def _answer(writing: int, variant: Variant | None) -> None:
    """Try everything, tell the parent, and end the process whatever happens."""
    try:
        try:
            new_netns()
            answer: dict[str, object] = {"failed": list(_failed(variant))}
        except OSError as error:
            answer = {"refused": error.strerror or str(error)}
        os.write(writing, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _failed(variant: Variant | None) -> Iterator[Trial]:
    with NetlinkSocket() as kernel:
        attempts = [*_plumbing(kernel), *_sets()]
        if variant is not None:
            attempts += _rules(variant)
        for attempt in attempts:
            try:
                attempt.act()
            except StepFailed as error:
                yield Trial(attempt.what, error.reason, attempt.module)
            except HostRefused as error:
                yield Trial(attempt.what, str(error), attempt.module)


def _plumbing(kernel: NetlinkSocket) -> Iterator[Attempt]:
    bridge = _create("links", LinkKey(HOST, "lwb-try"), Link(LinkKind.BRIDGE, GROUP))
    yield Attempt("links of the type bridge", "bridge", partial(links.run, kernel, Op.CREATE, [bridge]))
    yield Attempt("links of the type veth", "veth", partial(_make_veth, kernel))
    for family in FAMILIES:
        name = f"IPv{family}"
        goto = FibRule(family, 10000, RuleAction.GOTO, FwMark(0, 0xFFFF0000), 19999)
        for what, rule in (
            (f"{name} rules that do nothing (nop)", FibRule(family, 19999, RuleAction.NOP)),
            (f"{name} rules with a goto", goto),
            (f"{name} rules that match what has no mark (not fwmark)", _inverted(family)),
        ):
            yield Attempt(what, "", partial(routes.run_rules, kernel, Op.CREATE, [_create("fib_rules", rule, None)]))
        key = RouteKey(HOST, 20000, ANY[family], TERMINATOR_METRIC)
        step = _create("routes", key, Route(RouteKind.UNREACHABLE))
        yield Attempt(f"{name} routes that refuse", "", partial(routes.run, kernel, Op.CREATE, [step]))


def _make_veth(kernel: NetlinkSocket) -> None:
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for refusal in kernel.send([new_veth("lwvtry", "lwvtry2", group=GROUP, master=0, peer_netns=here)]):
            raise HostRefused(refusal.text or os.strerror(refusal.errno))
    finally:
        os.close(here)


def _inverted(family: int) -> FibRule:
    return FibRule(family, 19998, RuleAction.UNREACHABLE, FwMark(0, 0xFFFF0000), inverted=True)


def _sets() -> Iterator[Attempt]:
    for kind in SetType:
        for family in FAMILIES:
            # The rules tried later need one of the first kind.
            name = _SET.format(family) if kind is SetType.NET_IFACE else f"lw-{kind.name.lower()}{family}"
            step = _create("sets", name, IpSet(kind, family, marks=True))
            module = f"ip_set_{kind.value.replace(':', '_').replace(',', '')}"
            what = f"IPv{family} sets of the type {kind.value} with skbinfo"
            yield Attempt(what, module, partial(sets.run, Op.CREATE, [step]))


def _rules(variant: Variant) -> Iterator[Attempt]:
    """Yield a rule for each match and each target, in a chain of its own."""
    chains = IptablesChains(variant)
    for family in FAMILIES:
        for number, (what, module, table, matches, target) in enumerate(_extensions(family)):
            key = ChainKey(family, table, f"LANEWAY-TRY{number}")
            step = _create("chains", key, (ChainRule(matches, target, "lw:-:try"),))
            name = f"{'ip6tables' if family != IPV4 else 'iptables'}-{variant} {what} in table {table}"
            yield Attempt(name, module, partial(chains.run, [step]))


def _extensions(family: int) -> Iterator[tuple[str, str, XtTable, tuple[Match, ...], Target]]:
    mangle, nat, filter_ = XtTable.MANGLE, XtTable.NAT, XtTable.FILTER
    drop = Verdict.DROP
    in_set = InSet(_SET.format(family), "src,src", negated=True)
    yield "-m devgroup", "xt_devgroup", XtTable.RAW, (FromGroup(GROUP),), drop
    yield "-m set", "xt_set", XtTable.RAW, (in_set,), drop
    yield "-m mark", "xt_mark", mangle, (Mark(_MARK),), drop
    yield "-m connmark", "xt_connmark", mangle, (ConnMark(_MARK),), drop
    yield "-m dscp", "xt_dscp", mangle, (Dscp(10),), drop
    yield "-m addrtype", "xt_addrtype", mangle, (ToLocal(),), drop
    yield "-j MARK", "xt_mark", mangle, (), SetMark(_MARK)
    yield "-j CONNMARK", "xt_connmark", mangle, (), RestoreMark(_MARK.mask)
    yield "-j SET --map-set", "xt_set", mangle, (), MapMark(_SET.format(family), "src,src")
    yield "-j MASQUERADE", "xt_MASQUERADE", nat, (), Masquerade()
    yield "-j SNAT", "xt_nat", nat, (), Snat(_ADDRESS[family])
    yield "-j DNAT", "xt_nat", nat, (Protocol(6),), Dnat(_ADDRESS[family], 80)
    yield "-m conntrack", "xt_conntrack", filter_, (CtState(("ESTABLISHED",)),), drop
    yield "-m physdev", "xt_physdev", filter_, (Bridged(),), drop
    yield "-j REJECT", "ipt_REJECT" if family == IPV4 else "ip6t_REJECT", filter_, (), Reject(_REJECT[family])


def _create(kind: str, key: object, new: object) -> Step:
    return Step(Op.CREATE, kind, key, None, new)
