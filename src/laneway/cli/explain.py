"""`laneway explain`: where a packet goes, and why."""

from typing import TYPE_CHECKING, Annotated, NamedTuple

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typer import Typer

    from laneway.doctor.finding import Finding
    from laneway.explain.explanation import Explanation, Ground
    from laneway.explain.live import Difference
    from laneway.explain.packet import Packet
    from laneway.explain.report import Line
    from laneway.policy.model import PolicySet


class Asked(NamedTuple):
    """The packet in the words of the command line."""

    sender: str
    to: str
    arrives: str | None
    tcp: int | None
    udp: int | None
    icmp: bool
    family: int | None
    source: str | None
    dscp: str | None
    own: bool  # the destination is the host's


class Besides(NamedTuple):
    """What --live found on the host that the walk does not show."""

    refused: "tuple[Finding, ...]" = ()  # by others' chains that the walk does not go through
    drift: int = 0  # objects that are not as the policy has them


class Manner(NamedTuple):
    """How to answer."""

    live: bool
    as_json: bool
    why: bool
    full: bool


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Follow a packet and its answer through the host, hop by hop.")
    def explain(  # noqa: PLR0913  an option each
        paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or directories.")] = None,
        *,
        sender: Annotated[str, typer.Option("--from", help="TENANT/WORKLOAD, an address outside, or host.")],
        to: Annotated[str, typer.Option("--to", help="An address, TENANT/WORKLOAD, or host.")],
        policy: Annotated[list[str] | None, typer.Option("--policy", help="As PATH; may be given again.")] = None,
        arrives: Annotated[str | None, typer.Option("--in", help="By which uplink one from outside comes.")] = None,
        tcp: Annotated[int | None, typer.Option("--tcp", min=1, max=65535, help="A TCP port.")] = None,
        udp: Annotated[int | None, typer.Option("--udp", min=1, max=65535, help="A UDP port.")] = None,
        icmp: Annotated[bool, typer.Option("--icmp", help="A ping.")] = False,
        dscp: Annotated[str | None, typer.Option("--dscp", help="By name (af11) or number.")] = None,
        source: Annotated[str | None, typer.Option("--source", help="A source address that is not chosen.")] = None,
        ipv4: Annotated[bool, typer.Option("-4", help="IPv4, where a name has both.")] = False,
        ipv6: Annotated[bool, typer.Option("-6", help="IPv6, where a name has both.")] = False,
        own: Annotated[bool, typer.Option("--to-host", help="The destination is an address of the host's.")] = False,
        live: Annotated[bool, typer.Option("--live", help="Ask this host, not the policy.")] = False,
        why: Annotated[bool, typer.Option("--why-not", help="Say what would have to change.")] = False,
        full: Annotated[bool, typer.Option("--full", help="Show the steps too that only lead on.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Follow a packet through the host, there and back, with the policy line behind every step.

        Without --live no host is looked at: its own addresses are assumed to be those that `laneway lab` gives it.
        The policy is that of PATH (- is standard input) or $LANEWAY_POLICY, else the one in force, else /etc/laneway.
        With --live it is this host as it is now, and the kernel is asked whether it routes as told.
        Exit code 0: the packet is explained, whatever becomes of it.
        """
        if ipv4 and ipv6:
            finish(_not_both, as_json=as_json)
        family = 4 if ipv4 else 6 if ipv6 else None
        asked = Asked(sender, to, arrives, tcp, udp, icmp, family, source, dscp, own)
        named = [*(paths or ()), *(policy or ())]
        finish(lambda: run(named, asked, Manner(live, as_json, why, full)), as_json=as_json)


def _not_both() -> Exit:
    raise UsageError("-4 and -6 at once", "leave one of them out")


def run(paths: "Sequence[str]", asked: Asked, manner: Manner) -> Exit:
    """Explain the packet."""
    besides = Besides()
    if manner.live:
        ground, besides = _live(paths, asked)
    else:
        ground = _offline(paths)
    told = answer(ground, asked, live=manner.live)
    differences = _differences(told) if manner.live else []
    if manner.as_json:
        output.answer(_json(told, differences, manner) | (_besides_json(besides) if manner.live else {}))
    else:
        _print(told, differences, manner)
        _print_besides(besides)
    return Exit.DONE


def _besides_json(besides: Besides) -> dict[str, object]:
    not_walked = [{"what": each.what, "why": each.why} for each in besides.refused]
    return {"not_walked": not_walked, "drift": besides.drift}


def _print_besides(besides: Besides) -> None:
    for each in besides.refused:
        output.data(f"not walked here: {each.text}")
    if besides.drift:
        what = "1 object differs" if besides.drift == 1 else f"{besides.drift} objects differ"
        output.data(f"drift: {what} from the policy on this host, and the packet was followed as it is: laneway verify")


def answer(ground: "Ground", asked: Asked, *, live: bool) -> "Explanation":
    """Return what becomes of the packet that was asked about; raises UsageError when there can be no such packet."""
    from laneway.explain.explanation import explain

    packet = _packet(ground, asked)
    return explain(ground if live else _with_own_address(ground, packet, asked), packet)


def _offline(paths: "Sequence[str]") -> "Ground":
    from laneway.cli.asked import policy_asked_about
    from laneway.explain.assume import assumed_host

    return assumed_host(policy_asked_about(paths))


def _live(paths: "Sequence[str]", asked: Asked) -> "tuple[Ground, Besides]":
    """Return this host, and what is to be said besides the walk over it."""
    from laneway.apply import store
    from laneway.cli.health import refused_by_others, sent_on_by_others
    from laneway.cli.paths import is_named
    from laneway.cli.wire import look, look_at
    from laneway.explain.explanation import Ground
    from laneway.explain.origin import Origins
    from laneway.explain.terrain import Terrain
    from laneway.kernel import underlay
    from laneway.plan.plan import plan

    stored = None if is_named(paths) else store.applied()
    if not is_named(paths) and stored is None:
        message = "no policy is applied on this host, or what was applied is not remembered"
        raise UsageError(message, "apply one, or name its files: laneway explain PATH …")
    scene = look(paths) if stored is None else look_at(stored, prune=True)
    policy, facts = scene.aim.policy, scene.aim.facts
    foreign = scene.kernel.foreign(policy.host.tables, policy.host.priorities)
    ground = Ground(Terrain(scene.observed, underlay.read()), Origins(policy, scene.aim.lanes))
    refused = (
        *refused_by_others(policy, foreign, facts.variant),
        *sent_on_by_others(policy, foreign, {"tcp": asked.tcp, "udp": asked.udp}),
    )
    return ground, Besides(refused, len(plan(scene.aim.desired, scene.observed)))


def _packet(ground: "Ground", asked: Asked) -> "Packet":
    from laneway.explain.packet import Packet
    from laneway.explain.question import address_of, protocol_of, sender_of, target_of
    from laneway.policy.fields import Invalid
    from laneway.policy.services import dscp

    policy = ground.origins.policy
    sender, source = sender_of(policy, asked.sender, asked.arrives)
    if asked.source is not None:
        source = address_of(asked.source, "--source takes an address")
    family = asked.family or (source.version if source else None)
    to = target_of(ground, asked.to, sender, family)
    if source is not None and source.version != to.version:
        raise UsageError(f"{source} and {to} are not of one family", "both ends need the same")
    protocol, port = protocol_of(tcp=asked.tcp, udp=asked.udp, icmp=asked.icmp, family=to.version)
    try:
        code = dscp(asked.dscp) if asked.dscp else 0
    except Invalid as error:
        raise UsageError(f"--dscp: {error}", error.hint) from error
    return Packet(sender, to.packed, protocol, port, source.packed if source else None, code)


def _with_own_address(ground: "Ground", packet: "Packet", asked: Asked) -> "Ground":
    """Return the ground with the destination as the host's own, when it was said to be, or can only be."""
    from ipaddress import ip_address

    from laneway.explain.assume import assumed_host
    from laneway.explain.question import presumed_host

    policy: PolicySet = ground.origins.policy
    own = ip_address(packet.to) if asked.own else presumed_host(policy, packet)
    return assumed_host(policy, own) if own and not ground.terrain.is_local(packet.to) else ground


def _differences(told: "Explanation") -> "list[Difference]":
    from laneway.explain.live import compared, queries
    from laneway.kernel.lookups import Question, ask

    asked = queries(told)
    return compared(asked, ask(Question(*each[:4]) for each in asked))


def _json(told: "Explanation", differences: "list[Difference]", manner: Manner) -> dict[str, object]:
    from laneway.explain.places import Places
    from laneway.explain.report import as_json
    from laneway.explain.why import why_not

    places = Places()
    answer = as_json(told, places)
    if manner.why:
        answer["why_not"] = why_not(told, places)
    if manner.live:
        answer["kernel"] = [{**each._asdict(), "differs": each.differs} for each in differences]
    return answer


def _print(told: "Explanation", differences: "list[Difference]", manner: Manner) -> None:
    from laneway.explain.places import Places
    from laneway.explain.report import lines
    from laneway.explain.why import why_not

    places = Places()
    show(lines(told, places, full=manner.full))
    if manner.live:
        _print_kernel(differences)
    if manner.why:
        output.data("")
        advice = why_not(told, places)
        output.data("\n".join(advice) if advice else "nothing refuses it")


def _print_kernel(differences: "list[Difference]") -> None:
    output.data("")
    others = [each for each in differences if each.differs]
    if not others:
        output.data(f"the kernel routes all of it the same way ({len(differences)} lookups)")
    for each in others:
        says = output.Painted(each.kernel, output.RED)
        output.data(f"{each.command}: here {each.walk}, the kernel says ", says)


def show(lines: "Iterable[Line]") -> None:
    """Print lines of a report, in colour where there is some."""
    from laneway.explain.report import BAD, FAINT, GOOD

    colours = {GOOD: output.GREEN, BAD: output.RED, FAINT: output.DIM}
    for line in lines:
        seen = list(line)
        while seen and not seen[-1].text.strip():
            seen.pop()
        texts = [each.text if each is not seen[-1] else each.text.rstrip() for each in seen]
        tones = [colours.get(each.tone) for each in seen]
        pairs = zip(texts, tones, strict=True)
        output.data(*(output.Painted(text, tone) if tone else text for text, tone in pairs))
