"""What would have to change for a packet that does not get through, or gets through another way than one thought."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from laneway.compile.names import CLASS_OF
from laneway.explain.hop import InChain, OnWay, Verdict
from laneway.explain.packet import ICMP, TCP, UDP, FromOutside, FromWorkload
from laneway.state.chains import ChainRule
from laneway.state.prefix import IPV4, address_text
from laneway.state.routing import FibRule, RouteKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.explain.explanation import Explanation
    from laneway.explain.hop import Hop
    from laneway.explain.places import Places
    from laneway.policy.model import Tenant, Workload

NAMES = {TCP: "tcp", UDP: "udp"}


def why_not(told: Explanation, places: Places) -> list[str]:
    """Return what to write, or to take out, so that the packet would get through; nothing when it does."""
    stopped = told.stopped_by
    if stopped is None:
        return []
    return list(_Advice(told, places).about(stopped)) or [f"{stopped.stage} {stopped.effect}; no policy line does that"]


class _Advice:
    """Knows the packet and its two ends."""

    def __init__(self, told: Explanation, places: Places) -> None:
        self.told = told
        self.places = places
        self.origins = told.ground.origins
        self.packet = told.packet
        sender = told.packet.sender
        found = self.origins.workload(sender.netns) if isinstance(sender, FromWorkload) else None
        self.tenant: Tenant | None = found[0] if found else None
        self.service = self._service()

    def _service(self) -> str:
        if self.packet.protocol == ICMP[self.packet.family]:
            return "icmp"
        return f"{self.packet.port}/{NAMES.get(self.packet.protocol, self.packet.protocol)}"

    def _at(self, hop: Hop) -> str:
        place = self.places.text(self.origins.of(hop))
        return f" ({place})" if place else ""

    def about(self, stopped: Hop) -> Iterator[str]:
        """Yield the advice about the hop that stopped the packet."""
        match stopped.thing:
            case InChain(rule=ChainRule() as rule):
                yield from self._chain(stopped, rule)
            case FibRule():
                yield from self._fib_rule(stopped)
            case OnWay(key, route):
                yield from self._route(stopped, default=key.to.length == 0, kind=route.kind)
            case _:
                yield from self._elsewhere(stopped)

    def _chain(self, stopped: Hop, rule: ChainRule) -> Iterator[str]:
        what = rule.comment.rpartition(":")[2]
        name = what.removeprefix("class-")
        if what.startswith("class-"):
            yield self._class(name, stopped)
            return
        match what:
            case "anti-spoof":
                yield from self._spoofed()
            case "host-source":
                yield "the source is the host's own address on the bridge: send from an address of the workload's"
            case "isolate" | "between-tenants" | "not-here":
                yield from self._apart() if what == "isolate" else self._wall()
            case "host" | "no-lane" | "others-gateway":
                yield from self._host(what)
            case "not-published":
                yield (
                    "a rule of others' sends a published port where laneway publishes none: take that rule away, "
                    "or publish another port"
                )
            case "not-a-router":
                yield (
                    "the host is no router for others' networks, as before laneway: publish a port of a workload, "
                    "or accept the packet in chain LANEWAY-USER"
                )
            case "unmarked" | "pin" | "invalid" | "untranslated":
                yield "what laneway programmed was changed by somebody else; `laneway apply --in-force` repairs it"
            case "elsewhere":
                yield "the packet leaves by a link that is no uplink: name that link in an [uplinks.NAME]"

    def _class(self, name: str, hop: Hop) -> str:
        return (
            f"class {name}{self._at(hop)} refuses it: narrow its match, give it an uplink instead of an action, "
            "or put a class with an uplink before it"
        )

    def _spoofed(self) -> Iterator[str]:
        if self.tenant is not None and self.packet.source is not None:
            yield (
                f"{address_text(self.packet.source)} is not an address of tenant {self.tenant.name}: add its prefix to "
                f"tenants.{self.tenant.name}.subnets, or as a route `via` a workload that has it behind itself"
            )

    def _wall(self) -> Iterator[str]:
        owner = self.origins.tenant_of(self.packet.to)
        if owner is None:
            return
        workload = self._owner_of(self.packet.to, owner)
        name = f"{owner.name}/{workload.name}" if workload else owner.name
        if isinstance(self.packet.sender, FromOutside):
            yield self._publish(owner, workload)
        elif self.tenant is not None and self.tenant.name != owner.name:
            yield (
                f"tenant {self.tenant.name} may not reach {name}; in tenants.{self.tenant.name} write\n"
                f'  [[tenants.{self.tenant.name}.allow]]\n  to = "{name}"\n  ports = ["{self.service}"]'
            )
            if workload is not None and self.service != "icmp":
                yield f"or have {name} publish the port, and use the host's address"

    def _is_sibling(self) -> bool:
        return self.tenant is not None and self._owner_of(self.packet.to, self.tenant) is not None

    def _owner_of(self, address: bytes, tenant: Tenant) -> Workload | None:
        return next((each for each in tenant.workloads if ip_address(address) in each.addresses), None)

    def _publish(self, owner: Tenant, workload: Workload | None) -> str:
        if workload is None or self.service == "icmp":
            return f"tenant {owner.name}'s own addresses are not reached from outside: publish a port of a workload"
        port = self.packet.port
        protocol = NAMES.get(self.packet.protocol, "tcp")
        return (
            f"{owner.name}/{workload.name} is reached from outside by published ports alone; write\n"
            f'  [tenants.{owner.name}.workloads.{workload.name}]\n  publish = ["{port}:{port}/{protocol}"]'
        )

    def _host(self, what: str) -> Iterator[str]:
        if self.tenant is None:
            return
        if what == "no-lane" and (refusing := self._refusing_class()):
            yield refusing
            return
        owner = self.origins.tenant_of(self.packet.to)
        if what == "others-gateway" and owner is not None and owner.name != self.tenant.name:
            gateway = f"{address_text(self.packet.to)} is tenant {owner.name}'s gateway"
            yield f"{gateway}: use this tenant's own, it is the same host"
        yield (
            f"tenant {self.tenant.name} may not reach {self.service} on the host; write\n"
            f'  [tenants.{self.tenant.name}]\n  host_access = ["{self.service}"]  # and what it has already'
        )

    def _fib_rule(self, stopped: Hop) -> Iterator[str]:
        refusing = self._refusing_class()
        yield refusing or f"no lane has this mark: `laneway apply --in-force` repairs it{self._at(stopped)}"

    def _refusing_class(self) -> str:
        """Return the advice about the class that gave the packet the mark of what is refused."""
        for hop in self.told.walk.forward.hops:
            if isinstance(hop.thing, InChain) and hop.thing.key.name.startswith(CLASS_OF) and not hop.minor:
                rule = hop.thing.rule
                comment = rule.comment if isinstance(rule, ChainRule) else ""
                return self._class(comment.rpartition(":class-")[2], hop)
        return ""

    def _route(self, stopped: Hop, *, default: bool, kind: RouteKind) -> Iterator[str]:
        if not default:
            to = address_text(self.packet.to)
            yield f"a route of type {kind}{self._at(stopped)} refuses {to}: take it out, or make it narrower"
            return
        lane = self.origins.lane(self.told.walk.forward.mark)
        uplink = self.origins.uplinks.get(lane.uplink) if lane else None
        if uplink is None:
            yield f"traffic between tenants is not routed to {address_text(self.packet.to)}"
            return
        gateway = uplink.gateway4 if self.packet.family == IPV4 else uplink.gateway6
        if gateway is None:
            yield (
                f"uplink {uplink.name} does not carry IPv{self.packet.family}{self._at(stopped)}: add such a gateway "
                f"to uplinks.{uplink.name}.gateways, or send this traffic by another uplink with a class"
            )
        else:
            yield f"uplink {uplink.name} is not up: bring {uplink.interface} up, then `laneway apply --in-force`"

    def _apart(self) -> Iterator[str]:
        if self.tenant is not None:
            yield (
                f"tenant {self.tenant.name} has isolate = true: its workloads do not reach each other, nor its "
                "published ports; take it out, or give the two a tenant each and an allow"
            )

    def _elsewhere(self, stopped: Hop) -> Iterator[str]:
        to = address_text(self.packet.to)
        if stopped.stage == "bridge" and self.tenant is not None and self.tenant.isolate and self._is_sibling():
            yield from self._apart()
            return
        if stopped.stage == "workload" and self.tenant is not None:
            yield f"give the workload an IPv{self.packet.family} address, in a subnet of tenant {self.tenant.name}"
        elif stopped.stage in {"out", "bridge"}:
            yield f"no workload has {to}"
        elif stopped.stage == "rp_filter":
            yield "the host's reverse path filter drops it: sysctl net.ipv4.conf.*.rp_filter, and main's routes"
        elif stopped.stage == "route" and "forward" in stopped.effect:
            yield f"no tenant has an IPv{self.packet.family} subnet, so laneway leaves forwarding as it is"


def is_stopped(told: Explanation) -> bool:
    """Return whether there is a why-not to tell."""
    return told.verdict is not Verdict.DELIVERED or not told.walk.answered
