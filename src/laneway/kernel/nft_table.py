"""Our native table of nftables: read from the kernel, and written by it in one batch (nfnetlink.c)."""

from __future__ import annotations

import errno
from struct import pack
from typing import TYPE_CHECKING

from laneway.errors import HostRefused
from laneway.kernel import nft_messages
from laneway.kernel.batches import BatchSocket
from laneway.kernel.netlink import (
    NETFILTER,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NetlinkSocket,
    Request,
    attribute,
    attributes,
    each_attribute,
    nested,
    string,
    text,
)
from laneway.kernel.nft_messages import be32, number
from laneway.kernel.reasons import failed
from laneway.plan.steps import Op
from laneway.state.nft import SETS, TABLE, Column, NftChain, NftElement, NftTable
from laneway.state.nft_text import element_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from laneway.plan.steps import Step

    Send = Callable[[Sequence[Step], Sequence[Request]], None]

_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
_NEW_TABLE, _GET_TABLE, _DELETE_TABLE, _NEW_CHAIN, _GET_CHAIN, _DELETE_CHAIN = range(_SUBSYSTEM, _SUBSYSTEM + 6)
_NEW_RULE, _GET_RULE, _DELETE_RULE, _NEW_SET, _GET_SET = range(_SUBSYSTEM + 6, _SUBSYSTEM + 11)
_NEW_ELEMENT, _GET_ELEMENT, _DELETE_ELEMENT = range(_SUBSYSTEM + 12, _SUBSYSTEM + 15)
_GET_GENERATION = _SUBSYSTEM + 16

_INET = bytes((1, 0, 0, 0))  # struct nfgenmsg: NFPROTO_INET
_HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
_HOOK_NAMES = {each: name for name, each in _HOOKS.items()}
_POLICIES = ("drop", "accept")
_TYPES = {Column.LINK: 41, Column.PROTOCOL: 12, Column.PORT: 13, Column.ADDRESS4: 7, Column.ADDRESS6: 8}
"""The numbers nft(8) knows the types of keys by (its datatype.h): the kernel keeps them for it."""

_TYPE_BITS = 6
_SIZES = {Column.LINK: 16, Column.PROTOCOL: 1, Column.PORT: 2, Column.ADDRESS4: 4, Column.ADDRESS6: 16}
_OUR_KEYS = {
    sum(_TYPES[each] << _TYPE_BITS * place for place, each in enumerate(reversed(columns))): columns
    for columns in SETS.values()
}
_HOST_ORDER, _NETWORK_ORDER = 1, 2
"""In which order the bytes of a key are: nft(8) keeps that for itself (libnftnl, udata.h), to print names by."""

_ELEMENTS = 500
"""Elements in one message: an attribute holds 64 KiB."""

_SPECIAL = {
    errno.EOPNOTSUPP: "this kernel cannot do it: it lacks nf_tables, or one of its parts",
    errno.EPERM: "the kernel does not permit it, or another program owns the table (flags owner)",
}


def is_there() -> bool:
    """Return whether the kernel has nf_tables, for this process."""
    try:
        with NetlinkSocket(NETFILTER) as kernel:
            return kernel.get(_GET_GENERATION, bytes(4)) is not None
    except HostRefused:
        return False


def read() -> tuple[dict[str, NftTable], dict[NftElement, None]]:
    """Return our table and what is in its sets; neither where there is none, or no nf_tables."""
    try:
        with NetlinkSocket(NETFILTER) as kernel:
            body = kernel.get(_GET_TABLE, _INET + text(1, TABLE))
            if body is None:
                return {}, {}
            sets = dict(_sets(kernel))
            chains = tuple(sorted(_chains(kernel)))
            table = NftTable(chains, tuple(sorted(sets.items())), number(attributes(body, 4).get(2)))
            return {TABLE: table}, dict.fromkeys(each for name in sets for each in _elements(kernel, name))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.EPERM):  # it went meanwhile; none; none to see
            return {}, {}
        raise


def _sets(kernel: NetlinkSocket) -> Iterator[tuple[str, tuple[Column, ...]]]:
    for body in kernel.dump(_GET_SET, _INET + text(1, TABLE)):
        said = attributes(body, 4)
        if string(said.get(1, b"")) == TABLE and not number(said.get(3)) & 1:  # NFT_SET_ANONYMOUS
            plain = not number(said.get(3))
            yield string(said[2]), _OUR_KEYS.get(number(said.get(4)), ()) if plain else ()


def _chains(kernel: NetlinkSocket) -> Iterator[NftChain]:
    rules: dict[str, list[bytes]] = {}
    for body in kernel.dump(_GET_RULE, _INET + text(1, TABLE)):
        said = attributes(body, 4)
        if string(said.get(1, b"")) == TABLE:
            rules.setdefault(string(said[2]), []).append(said.get(4, b""))
    for body in kernel.dump(_GET_CHAIN, _INET + text(1, TABLE)):
        said = attributes(body, 4)
        if string(said.get(1, b"")) != TABLE:
            continue
        name = string(said[3])
        chain = NftChain(name, tuple(nft_messages.rule(each) for each in rules.get(name, ())))
        hook = attributes(said.get(4, b""))
        if hook:
            priority = int.from_bytes(hook[2], "big", signed=True)
            policy = _POLICIES[number(said.get(5))]
            chain = chain._replace(hook=_HOOK_NAMES[number(hook[1])], priority=priority, base_policy=policy)
        yield chain


def _elements(kernel: NetlinkSocket, name: str) -> Iterator[NftElement]:
    if name not in SETS:
        return
    for body in kernel.dump(_GET_ELEMENT, _INET + text(1, TABLE) + text(2, name)):
        for _, part in each_attribute(attributes(body, 4).get(3, b"")):
            key = attributes(attributes(part).get(1, b"")).get(1, b"")
            yield element_of(name, _key_parts(SETS[name], key))


def _key_parts(columns: Iterable[Column], key: bytes) -> Iterator[str | int | bytes]:
    start = 0
    for column in columns:
        part = key[start : start + _SIZES[column]]
        start += _SIZES[column] + 3 & ~3
        match column:
            case Column.LINK:
                yield string(part)
            case Column.PROTOCOL | Column.PORT:
                yield number(part)
            case _:
                yield part


def _key(element: NftElement) -> bytes:
    links = iter((element.link, element.to))
    parts = []
    for column in SETS[element.set]:
        match column:
            case Column.LINK:
                part = next(links).encode()
            case Column.PROTOCOL:
                part = bytes((element.protocol,))
            case Column.PORT:
                part = element.port.to_bytes(2, "big")
            case _:
                part = element.address
        parts.append(part.ljust(_SIZES[column] + 3 & ~3, b"\0"))
    return b"".join(parts)


def run(op: Op, steps: Sequence[Step], send: Send | None = None) -> None:
    """Do steps of the kind "nft_tables", each in one batch that is done whole or not at all; raises StepFailed.

    A table that changes keeps its sets and what is in them, unless the sets are others: those come anew, and empty.
    `send` is what gives a batch to the kernel: a process that owns the table gives it through its own socket.
    """
    for step in steps:
        (send or _send)([step], list(_table_requests(op, step)))


def _table_requests(op: Op, step: Step) -> Iterator[Request]:
    named = _INET + text(1, TABLE)
    if op == Op.DELETE:
        yield Request(_DELETE_TABLE, 0, named)
        return
    anew = op == Op.CREATE or step.old.sets != step.new.sets
    if anew and op == Op.REPLACE:
        yield Request(_DELETE_TABLE, 0, named)
    yield Request(_NEW_TABLE, NLM_F_CREATE, named + be32(2, step.new.flags))
    if anew:
        yield from (_set_request(place, name, columns) for place, (name, columns) in enumerate(step.new.sets, 1))
    else:
        yield Request(_DELETE_RULE, 0, named)  # all of the table's
        kept = {each.name: each[2:] for each in step.new.chains}
        gone = [each.name for each in step.old.chains if kept.get(each.name) != each[2:]]
        yield from (Request(_DELETE_CHAIN, 0, named + text(3, name)) for name in gone)
    yield from (_chain_request(each) for each in step.new.chains)
    for chain in step.new.chains:
        for rule in chain.rules:
            body = named + text(2, chain.name) + nested(4, nft_messages.expressions(rule))
            yield Request(_NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, body)


def _set_request(place: int, name: str, columns: tuple[Column, ...]) -> Request:
    kind = 0
    for column in columns:
        kind = kind << _TYPE_BITS | _TYPES[column]
    size = sum(_SIZES[each] + 3 & ~3 for each in columns) if len(columns) > 1 else _SIZES[columns[0]]
    parts = [text(1, TABLE), text(2, name), be32(3, 0), be32(4, kind), be32(5, size), be32(10, place)]
    if len(columns) == 1:
        parts.append(
            attribute(13, bytes((0, 4)) + pack("=I", _HOST_ORDER if columns[0] is Column.LINK else _NETWORK_ORDER))
        )
    return Request(_NEW_SET, NLM_F_CREATE, _INET + b"".join(parts))


def _chain_request(chain: NftChain) -> Request:
    body = _INET + text(1, TABLE) + text(3, chain.name)
    if chain.hook:
        priority = chain.priority.to_bytes(4, "big", signed=True)
        body += nested(4, be32(1, _HOOKS[chain.hook]), attribute(2, priority))
        body += be32(5, _POLICIES.index(chain.base_policy)) + text(7, "filter")
    return Request(_NEW_CHAIN, NLM_F_CREATE, body)


def run_elements(op: Op, steps: Sequence[Step], send: Send | None = None) -> None:
    """Do steps of the kind "nft_elements"; raises StepFailed."""
    by_set: dict[str, list[Step]] = {}
    for step in steps:
        by_set.setdefault(step.key.set, []).append(step)
    kind, flags = (_DELETE_ELEMENT, 0) if op == Op.DELETE else (_NEW_ELEMENT, NLM_F_CREATE)
    for name, part in sorted(by_set.items()):
        for start in range(0, len(part), _ELEMENTS):
            lot = part[start : start + _ELEMENTS]
            keys = (nested(1, nested(1, attribute(1, _key(step.key)))) for step in lot)
            (send or _send)(lot, [Request(kind, flags, _INET + text(1, TABLE) + text(2, name) + nested(3, *keys))])


def _send(steps: Sequence[Step], requests: Sequence[Request]) -> None:
    """Give a batch to the kernel; raises StepFailed."""
    with BatchSocket() as kernel:
        refusals = kernel.batch(requests, subsystem=_SUBSYSTEM >> 8)
    gone = steps[0].op is Op.DELETE
    for refusal in refusals:
        if not (gone and refusal.errno == errno.ENOENT):
            raise failed(steps[0], refusal.errno, refusal.text, special=_SPECIAL)
