"""An explanation as JSON, and as the lines that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.explain.hop import InChain, OnWay, Verdict
from laneway.explain.packet import ICMP, FromOutside
from laneway.explain.words import element_text, name_of, text_of
from laneway.state.chains import ChainRule, CtState, RestoreMark
from laneway.state.prefix import address_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.explain.explanation import Explanation
    from laneway.explain.hop import Hop, Leg
    from laneway.explain.places import Places

PROTOCOLS = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}

GOOD, BAD, FAINT, PLAIN = "good", "bad", "faint", ""
"""Tones of a text; what colours they are is for the command line to say."""

ASSUMED = "assumed: no host was asked"


class Part(NamedTuple):
    """A piece of a line."""

    text: str
    tone: str = PLAIN


Line = tuple[Part, ...]


def as_json(told: Explanation, places: Places) -> dict[str, object]:
    """Return all of an explanation as plain data."""
    forward, reply, seen = told.walk.forward, told.walk.reply, told.source_seen
    return {
        "verdict": told.verdict.value,
        "uplink": told.uplink,
        "lane": str(told.lane) if told.lane else None,
        "source_seen": address_text(seen) if seen else None,
        "by": told.by or None,
        "assumed": told.ground.terrain.underlay.assumed,
        "packet": _packet(told),
        "hops": [_hop(told, each, places) for each in forward.hops],
        "reply": _reply(told, reply, places) if reply else None,
        "later": told.walk.later.verdict.value if told.walk.later else None,
        "stopped_by": _hop(told, told.stopped_by, places) if told.stopped_by else None,
    }


def _packet(told: Explanation) -> dict[str, object]:
    packet = told.packet
    return {
        "from": told.sender,
        "to": address_text(packet.to),
        "protocol": PROTOCOLS.get(packet.protocol, str(packet.protocol)),
        "port": packet.port or None,
        "dscp": packet.dscp,
    }


def _reply(told: Explanation, reply: Leg, places: Places) -> dict[str, object]:
    lane = told.ground.origins.lane(reply.mark)
    return {
        "verdict": reply.verdict.value,
        "uplink": told.reply_uplink,
        "lane": str(lane) if lane else None,
        "source_seen": address_text(reply.source) if reply.verdict is Verdict.DELIVERED else None,
        "hops": [_hop(told, each, places) for each in reply.hops],
    }


def _hop(told: Explanation, hop: Hop, places: Places) -> dict[str, object]:
    lane = told.ground.origins.lane(hop.mark) if hop.mark else None
    return {
        "stage": hop.stage,
        "effect": hop.effect,
        "object": name_of(hop.thing) if hop.thing else None,
        "rule": text_of(hop.thing) if hop.thing else None,
        "entry": element_text(hop.entry) if hop.entry else None,
        "policy": places.text(told.ground.origins.of(hop)) or None,
        "mark": f"{hop.mark:#x}" if hop.mark else None,
        "lane": str(lane) if lane else None,
        "minor": hop.minor,
    }


def lines(told: Explanation, places: Places, *, full: bool = False) -> Iterator[Line]:
    """Yield what a person reads; with `full` also the steps that only lead on."""
    yield _headline(told)
    yield ()
    yield from _leg(told, told.walk.forward, places, full=full)
    reply = told.walk.reply
    if reply is not None:
        yield ()
        way = f" by {told.reply_uplink}" if told.reply_uplink else ""
        came_back = reply.verdict is Verdict.DELIVERED
        yield (Part("the answer is "), Part(f"{reply.verdict}{way}", GOOD if came_back else BAD))
        yield from _leg(told, reply, places, full=full)
        if told.uplink != told.reply_uplink and isinstance(told.packet.sender, FromOutside) and told.reply_uplink:
            text = f"it came in by {told.uplink}: most providers drop what has another's source address (BCP 38)"
            yield (Part(text, BAD),)
    yield from _later(told, places, full=full)


def _later(told: Explanation, places: Places, *, full: bool) -> Iterator[Line]:
    """Yield what becomes of the flow's next packet, when that is not the same as of its first."""
    later = told.walk.later
    if later is not None and later.verdict is not Verdict.DELIVERED:
        yield ()
        yield (Part("the next packet of the flow is "), Part(str(later.verdict), BAD))
        yield from _leg(told, later, places, full=full)


def _headline(told: Explanation) -> Line:
    packet = told.packet
    protocol = PROTOCOLS.get(packet.protocol, f"protocol {packet.protocol}")
    what = f"{protocol}/{packet.port}" if packet.protocol not in ICMP.values() and packet.port else protocol
    asked = f"{_from(told)} → {address_text(packet.to)} {what}: "
    return (Part(asked), *_outcome(told))


def _from(told: Explanation) -> str:
    source = told.packet.source
    if isinstance(told.packet.sender, FromOutside) and source is not None:
        return f"{address_text(source)} in by {told.uplink}"
    return told.sender


def _outcome(told: Explanation) -> Line:
    if told.verdict is not Verdict.DELIVERED:
        return (Part(str(told.verdict), BAD),)
    by = f" by {told.uplink}" if told.uplink and told.by == "internet" else f" to {told.by}"
    seen = f", seen as {address_text(told.source_seen)}" if told.source_seen else ""
    guess = told.masqueraded and told.ground.terrain.underlay.assumed
    note = Part(f" ({ASSUMED})", FAINT) if guess else Part("")
    tone = GOOD if told.walk.answered else BAD
    return (Part(f"delivered{by}", tone), Part(seen), note)


def _leg(told: Explanation, leg: Leg, places: Places, *, full: bool) -> Iterator[Line]:
    rows = [_row(told, hop, places) for hop in leg.hops if full or not hop.minor]
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    last = len(rows) - 1
    for number, row in enumerate(rows):
        stopped = number == last and leg.verdict is not Verdict.DELIVERED
        tone = BAD if stopped else PLAIN
        first, second, third = (text.ljust(width) for text, width in zip(row, widths, strict=False))
        yield (Part(f"  {first}  ", FAINT), Part(second, tone), Part(f"  {third}  {row[3]}".rstrip(), FAINT))
    final = leg.hops[-1]
    if leg.verdict is not Verdict.DELIVERED and final.thing is not None:
        yield (Part(f"  {' ' * widths[0]}  {text_of(final.thing)}", FAINT),)


def _row(told: Explanation, hop: Hop, places: Places) -> Sequence[str]:
    lane = told.ground.origins.lane(hop.mark) if hop.mark else None
    reason = _reason(hop)
    effect = f"{hop.effect} {lane}" if lane else hop.effect
    stage = hop.stage if hop.stage == "ip rule" else hop.stage.partition(" ")[0]
    place = places.text(told.ground.origins.of(hop))
    return stage, f"{effect} ({reason})" if reason else effect, _object(told, hop), place


def _reason(hop: Hop) -> str:
    """Return what a rule is for, from its comment: `lw:<owner>:<what>`."""
    rule = hop.thing.rule if isinstance(hop.thing, InChain) else None
    if not isinstance(rule, ChainRule):
        return ""
    if not rule.comment:  # those that every packet walks past have none
        known = any(isinstance(each, CtState) for each in rule.matches)
        return "known flow" if known or isinstance(rule.target, RestoreMark) else ""
    _, _, rest = rule.comment.partition(":")
    owner, _, what = rest.partition(":")
    kind, dash, name = what.partition("-")
    if dash and kind in {"class", "publish"}:
        return f"{kind} {name}"
    return what.replace("-", " ") if owner in {"", "-"} else f"{what.replace('-', ' ')} {owner}"


def _object(told: Explanation, hop: Hop) -> str:
    if isinstance(hop.thing, OnWay) and not hop.thing.key.netns:
        return told.ground.origins.table_name(hop.thing.key.table)
    what = name_of(hop.thing) if hop.thing else ""
    return f"{what} ({element_text(hop.entry)})" if hop.entry and what else what
