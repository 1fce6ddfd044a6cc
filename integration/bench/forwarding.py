"""What a packet pays: forwarding rates beside those of one tenant, of rules by hand, and of a host without laneway."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from integration.bench.crowd import Member
from integration.bench.packet_host import PacketHost
from integration.bench.results import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from integration.bench.packet_host import Burst
    from laneway.state.facts import Variant

    Say = Callable[[str], None]

ESTABLISHED_FLOWS = 64
_LINEAR_RULES = 100
_UNIT = "kpps"


class Scale(NamedTuple):
    """How much is measured."""

    sizes: Sequence[int]
    variants: Sequence[Variant]
    rounds: int
    packets: int  # in a burst of established flows; of new ones a third, so that conntrack is never full


class Traffic(NamedTuple):
    """A kind of packets."""

    name: str
    inward: bool
    flows: int  # 0: every packet is a new one
    goal: float


TRAFFIC = (
    Traffic("established flows", inward=False, flows=ESTABLISHED_FLOWS, goal=0.95),
    Traffic("new flows out (class, source address)", inward=False, flows=0, goal=0.9),
    Traffic("new flows in (published port)", inward=True, flows=0, goal=0.9),
)


class Contender(NamedTuple):
    """A host and the tenant on it that sends."""

    name: str
    host: PacketHost
    tenant: Member
    share: float  # of the packets of a burst: what walks past thousands of rules needs few to take as long


def forwarding(program: Path, scale: Scale, say: Say) -> Iterator[Result]:
    """Measure items 1 to 3 of the goals."""
    for variant in scale.variants:
        with ExitStack() as stack:
            contenders = list(_contenders(stack, program, scale, variant, say))
            for family in (4, 6):
                for traffic in TRAFFIC:
                    say(f"IPv{family} {variant}: {traffic.name}")
                    yield from _compared(contenders, scale, traffic, f"IPv{family} {variant}", family)
            # Before the hosts go: with each of their bridges the kernel then holds up all networking for 20 ms.
            say(f"{variant}: traffic of others")
            yield from _strangers(program, scale, variant)


def _contenders(stack: ExitStack, program: Path, scale: Scale, variant: Variant, say: Say) -> Iterator[Contender]:
    for count in scale.sizes:
        say(f"{variant}: a host with {count} tenants")
        host = stack.enter_context(PacketHost(program))
        last = Member(count - 1)
        host.lay(count, variant=variant, measured=[last])
        yield Contender(f"laneway {count}", host, last, 1)
        host = stack.enter_context(PacketHost(program))
        host.lay_by_hand(count, variant=variant)
        yield Contender(f"linear {count}", host, last, min(1, _LINEAR_RULES / count))


def _compared(
    contenders: Sequence[Contender], scale: Scale, traffic: Traffic, where: str, family: int
) -> Iterator[Result]:
    bursts = [(each, _burst(each, family, inward=traffic.inward)) for each in contenders]
    rates = _rates([(each.name, each.host, burst, each.share) for each, burst in bursts], scale, traffic.flows)
    ours, linear = rates["laneway 1"], rates["linear 1"]
    for name, measured in rates.items():
        kind, count = name.split()
        if count == "1":
            continue
        beside, goal = (ours, traffic.goal) if kind == "laneway" else (linear, None)
        yield Result(
            traffic.name, f"{where}, {kind}, {count} tenants", "1 tenant", _UNIT, measured, beside, at_least=goal
        )
    goal = 0.97 if traffic.flows else None
    yield Result(traffic.name, f"{where}, laneway, 1 tenant", "by hand", _UNIT, ours, linear, at_least=goal)


def _burst(contender: Contender, family: int, *, inward: bool) -> Burst:
    host, tenant = contender.host, contender.tenant
    return host.inward(tenant, family) if inward else host.outward(tenant, family)


def _rates(
    bursts: Sequence[tuple[str, PacketHost, Burst, float]], scale: Scale, flows: int
) -> dict[str, tuple[float, ...]]:
    """Return rates in kpps: all contenders take turns, round after round; the first round only warms up."""
    count = scale.packets if flows else scale.packets // 3
    rates: dict[str, list[float]] = {name: [] for name, *_ in bursts}
    for _, host, burst, _ in bursts:
        host.forget_flows()
        if flows:
            host.establish(burst, flows=flows)
    for turn in range(scale.rounds + 1):
        for name, host, burst, share in bursts:
            sample = host.send(burst, flows=flows, count=int(count * share))
            if turn:
                rates[name].append(sample.rate / 1000)
            if not flows:
                host.forget_flows()
    return {name: tuple(each) for name, each in rates.items()}


def _strangers(program: Path, scale: Scale, variant: Variant) -> Iterator[Result]:
    """Compare what passes a host that translates addresses for others, with and without tenants on it."""
    many = min(4000, max(scale.sizes))
    with ExitStack() as stack:
        hosts = {name: stack.enter_context(PacketHost(program)) for name in ("bare", "by hand", "one", "many")}
        for host in hosts.values():
            host.add_stranger(variant=variant)
        hosts["by hand"].lay_by_hand(1, variant=variant)
        hosts["one"].lay(1, variant=variant, measured=[])
        hosts["many"].lay(many, variant=variant, measured=[])
        for family in (4, 6):
            for what, flows in (("established", ESTABLISHED_FLOWS), ("new", 0)):
                where = f"IPv{family} {variant}, {what} flows"
                bursts = [(name, host, host.stranger(family), 1.0) for name, host in hosts.items()]
                rates = _rates(bursts, scale, flows)
                for name, beside, told in (
                    ("many", "one", "laneway, 1 tenant"),
                    ("one", "by hand", "1 tenant by hand"),
                    ("one", "bare", "no tenants"),
                    ("by hand", "bare", "no tenants"),
                ):
                    case = f"{where}, {_HOSTS[name].format(many)}"
                    goal = None if name == "by hand" else 0.97
                    yield Result("traffic of others", case, told, _UNIT, rates[name], rates[beside], at_least=goal)


_HOSTS = {"many": "laneway, {} tenants", "one": "laneway, 1 tenant", "by hand": "1 tenant by hand"}


def source_alone(program: Path, rounds: int) -> tuple[float, ...]:
    """Return what the packet source sends, in kpps, when nothing is forwarded."""
    with PacketHost(program) as host:
        host.sh("ip link add alone type veth peer name end netns far-eth0 && ip link set alone up")
        host.sh("ip -n far-eth0 link set end up")
        return tuple(host.send_nowhere("alone", count=100_000).rate / 1000 for _ in range(rounds))
