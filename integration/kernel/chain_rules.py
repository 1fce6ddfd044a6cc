"""Every kind of rule laneway writes, as chains in the tables where they are allowed."""

from __future__ import annotations

from laneway.plan.steps import Op, Step
from laneway.state.chains import (
    BaseJump,
    Bridged,
    Chain,
    ChainKey,
    ChainRule,
    Confirmed,
    ConnMark,
    CtDirection,
    CtState,
    Dnat,
    Dscp,
    FromGroup,
    FromLocal,
    FromPrefix,
    IcmpType,
    InInterface,
    InSet,
    Jump,
    JumpKey,
    MapMark,
    Mark,
    Masquerade,
    Match,
    NoTarget,
    OutInterface,
    Protocol,
    Reject,
    Resets,
    RestoreMark,
    SaveMark,
    SetConnMark,
    SetMark,
    Snat,
    Target,
    ToGroup,
    ToLocal,
    ToPorts,
    ToPrefix,
    Verdict,
    XorMark,
    XtTable,
)
from laneway.state.links import GROUP
from laneway.state.marks import FwMark
from laneway.state.prefix import IPV4, prefix

MARK = FwMark(0x90000, 0xFFFF0000)
UNMARKED = FwMark(0, 0xFFFF0000)

SETS = """
ipset create lw-src4 hash:net,iface skbinfo
ipset create lw-src6 hash:net,iface family inet6 skbinfo
ipset create lw-pub4 hash:net,port skbinfo
ipset create lw-pub6 hash:net,port family inet6 skbinfo
"""


def _rule(matches: tuple[Match, ...], target: Target = Verdict.RETURN) -> ChainRule:
    return ChainRule(matches, target, "lw:a-tenant:what-for")


def _conditions(family: int) -> list[tuple[Match, ...]]:
    net, address = ("10.1.0.0/16", "10.1.2.3") if family == IPV4 else ("fd20::/64", "fd20::10")
    icmp = Protocol(1 if family == IPV4 else 58)
    return [
        (),
        (InInterface("eth0"),),
        (InInterface("a-name.15-chars"),),
        (FromGroup(GROUP),),
        (FromPrefix(prefix(net)), ToPrefix(prefix(address))),
        (ToPrefix(prefix(net), negated=True),),
        (FromPrefix(prefix(net)), InInterface("eth0"), Protocol(6), ToPorts(80, 80), Dscp(46)),
        *((Protocol(number), ToPorts(8000, 8100)) for number in (6, 17, 33, 132, 136)),
        (Protocol(17), ToPorts(0, 7)),
        (Protocol(17), ToPorts(65528, 65535)),
        *((Protocol(number),) for number in (47, 50, 51, 103, 142, 254)),
        *((icmp, IcmpType(kind)) for kind in (0, 8, 135)),
        (Dscp(0),),
        (Mark(UNMARKED, negated=True), Mark(FwMark(0x10000, 0x70000))),
        (Mark(FwMark(5, 0xFFFFFFFF)),),
        (ConnMark(MARK), ConnMark(UNMARKED, negated=True)),
        (CtState(("INVALID", "NEW", "RELATED", "ESTABLISHED", "DNAT")),),
        (CtState(("RELATED", "ESTABLISHED", "DNAT"), negated=True),),
        (CtDirection("ORIGINAL"),),
        (CtDirection("REPLY"), CtState(("NEW",))),
        (Confirmed(),),
        (Protocol(6), Resets()),
        (Protocol(6), Resets(), CtState(("INVALID",))),
        (Confirmed(negated=True), CtState(("DNAT",))),
        (InSet(f"lw-src{family}", "src,src", negated=True),),
        (FromGroup(GROUP), InSet(f"lw-pub{family}", "dst,dst")),
        (FromLocal(),),
        (ToLocal(),),
        (ToLocal(negated=True),),
        (Bridged(),),
        (Bridged(negated=True),),
    ]


def _outgoing(family: int) -> list[tuple[Match, ...]]:
    return [(OutInterface("eth0"), Mark(MARK)), (ToGroup(GROUP), CtState(("DNAT",)))]


def every_rule(family: int) -> dict[ChainKey, Chain]:
    """Return chains that together hold the whole vocabulary."""
    address = prefix("10.1.2.3" if family == IPV4 else "fd20::10").address
    errors = (
        ("icmp-admin-prohibited", "icmp-host-prohibited")
        if family == IPV4
        else ("icmp6-adm-prohibited", "icmp6-no-route")
    )
    marking: list[Target] = [
        SetMark(MARK),
        SetMark(FwMark(5, 0xFFFFFFFF)),
        SetConnMark(MARK),
        RestoreMark(MARK.mask),
        XorMark(MARK.mask),
        SaveMark(MARK.mask),
        MapMark(f"lw-src{family}", "src,src"),
        Verdict.ACCEPT,
        Verdict.DROP,
        NoTarget(),
    ]
    filtering = [
        _rule((), Jump("LANEWAY-USER")),
        _rule((), Jump("LANEWAY-NEXT", goto=True)),
        *(_rule((), Reject(error)) for error in errors),
        _rule((Protocol(6),), Reject("tcp-reset")),
        _rule((ToLocal(on_arrival_link=True, negated=True),)),
        *map(_rule, _outgoing(family)),
    ]
    tcp = (Protocol(6), ToPorts(80, 80))
    return {
        ChainKey(family, XtTable.RAW, "LANEWAY-RAW"): (_rule((FromGroup(GROUP),), Verdict.DROP),),
        ChainKey(family, XtTable.MANGLE, "LANEWAY-MARK"): (
            *map(_rule, _conditions(family)),
            *(_rule((), target) for target in marking),
        ),
        ChainKey(family, XtTable.NAT, "LANEWAY-DNAT"): (_rule(tcp, Dnat(address, 8080)), _rule(tcp, Dnat(address))),
        ChainKey(family, XtTable.NAT, "LANEWAY-SNAT"): (
            _rule((OutInterface("eth0"),), Snat(address)),
            _rule((OutInterface("eth1"),), Masquerade()),
            _rule((OutInterface("eth0"), Protocol(6)), Snat(address, 32768, 51819)),
            _rule((OutInterface("eth1"), Protocol(17)), Masquerade(61000, 65535)),
        ),
        ChainKey(family, XtTable.FILTER, "LANEWAY-FORWARD"): tuple(filtering),
        ChainKey(family, XtTable.FILTER, "LANEWAY-NEXT"): (),
        ChainKey(family, XtTable.FILTER, "LANEWAY-USER"): (),
    }


def every_jump(family: int) -> dict[JumpKey, BaseJump]:
    """Return jumps to them."""
    return {
        JumpKey(family, XtTable.RAW, "PREROUTING", "LANEWAY-RAW"): BaseJump(),
        JumpKey(family, XtTable.MANGLE, "PREROUTING", "LANEWAY-MARK"): BaseJump(),
        JumpKey(family, XtTable.NAT, "PREROUTING", "LANEWAY-DNAT"): BaseJump((Mark(UNMARKED, negated=True), ToLocal())),
        JumpKey(family, XtTable.NAT, "POSTROUTING", "LANEWAY-SNAT"): BaseJump(),
        JumpKey(family, XtTable.FILTER, "FORWARD", "LANEWAY-FORWARD"): BaseJump((FromGroup(GROUP),)),
    }


def creation(chains: dict[ChainKey, Chain], jumps: dict[JumpKey, BaseJump]) -> list[Step]:
    """Return the steps that make them."""
    made = [Step(Op.CREATE, "chains", key, None, rules) for key, rules in chains.items()]
    return made + [Step(Op.CREATE, "jumps", key, None, jump) for key, jump in jumps.items()]
