"""Questions to a host in a test's words: `laneway.tenant("acme").egress("198.51.100.9", tcp=443).uplink == "north"`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from laneway.errors import UsageError
from laneway.explain.explanation import Explanation, explain
from laneway.explain.packet import FromOutside, FromWorkload, Packet
from laneway.explain.places import Places
from laneway.explain.question import address_of, link_of, protocol_of, target_of, workload_of
from laneway.explain.report import lines
from laneway.policy.names import netns_name
from laneway.state.prefix import address_text
from laneway.state.visible import visible_lines
from laneway.verify.drift import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from laneway.explain.packet import Sender
    from laneway.policy.model import PolicySet
    from laneway.verify.judgement import Judgement


def _nobody(_: str) -> None:
    """Do nothing with an answer."""


class Told:
    """What the host does with a packet; shown as the packet's whole way, so that a failed assert explains itself."""

    def __init__(self, told: Explanation) -> None:
        """Keep the explanation, which is `explanation` for those who want more."""
        self.explanation = told
        self.verdict: str = told.verdict.value
        self.uplink = told.uplink
        self.reply_uplink = told.reply_uplink
        self.lane = str(told.lane) if told.lane else None
        self.source_seen = address_text(told.source_seen) if told.source_seen else None
        self.by = told.by
        self.answered = told.walk.answered

    @property
    def delivered(self) -> bool:
        """Return whether the packet arrives, and its answer too."""
        return self.answered

    def __repr__(self) -> str:
        told = lines(self.explanation, Places())
        return visible_lines("\n".join("".join(part.text for part in line).rstrip() for line in told))


@dataclass(frozen=True, slots=True)
class AskTenant:
    """A tenant, or one workload of it, to send packets from."""

    judgement: Judgement
    name: str
    workload_name: str
    note: Callable[[str], None] = _nobody

    def workload(self, name: str) -> AskTenant:
        """Return one of the tenant's workloads; raises UsageError."""
        workload_of(self.judgement.aim.policy, f"{self.name}/{name}")
        return AskTenant(self.judgement, self.name, name, self.note)

    def egress(
        self, to: str, *, tcp: int | None = None, udp: int | None = None, icmp: bool = False, dscp: int = 0
    ) -> Told:
        """Return what becomes of a packet that the workload sends to an address, or to TENANT/WORKLOAD."""
        sender = FromWorkload(netns_name(self.name, self.workload_name))
        told = _told(self.judgement, sender, to, (tcp, udp, icmp), None, dscp)
        self.note(repr(told))
        return told

    @property
    def drift(self) -> list[str]:
        """Return what of the tenant's is not as it should be, a text each."""
        from laneway.verify.aspects import Owners

        owners = Owners(self.judgement.ground.origins)
        return [text(each) for each in self.judgement.drift if self.name in owners.about(each).tenants]


@dataclass(frozen=True, slots=True)
class Ask:
    """A host, asked: the fixture `laneway`."""

    judgement: Judgement
    note: Callable[[str], None] = _nobody  # is told of each answer

    @property
    def policy(self) -> PolicySet:
        """Return the policy."""
        return self.judgement.aim.policy

    @property
    def drift(self) -> list[str]:
        """Return what is not as the policy asks, a text each."""
        return [text(each) for each in self.judgement.drift]

    def tenant(self, name: str) -> AskTenant:
        """Return a tenant, whose packets come from its first workload unless another is named; raises UsageError."""
        found = next((each for each in self.policy.tenants if each.name == name), None)
        if found is None:
            raise UsageError(f"there is no tenant {name}", f"tenants: {', '.join(t.name for t in self.policy.tenants)}")
        if not found.workloads:
            raise UsageError(f"tenant {name} has no workload to send from", "give it one in the policy")
        return AskTenant(self.judgement, name, found.workloads[0].name, self.note)

    def ingress(  # noqa: PLR0913  the parts of a packet
        self,
        to: str,
        *,
        uplink: str,
        source: str = "",
        tcp: int | None = None,
        udp: int | None = None,
        icmp: bool = False,
    ) -> Told:
        """Return what becomes of a packet that comes in by an uplink, by default from a documentation address."""
        sender = FromOutside(link_of(self.policy, uplink))
        origin = source or ("2001:db8:ffff::c0de" if ":" in to else "203.0.113.200")
        told = _told(self.judgement, sender, to, (tcp, udp, icmp), origin, 0)
        self.note(repr(told))
        return told


def _told(  # noqa: PLR0913, PLR0917  all of a packet
    judgement: Judgement,
    sender: Sender,
    to: str,
    what: tuple[int | None, int | None, bool],
    source: str | None,
    dscp: int,
) -> Told:
    target = target_of(judgement.ground, to, sender, None)
    protocol, port = protocol_of(tcp=what[0], udp=what[1], icmp=what[2], family=target.version)
    origin = address_of(source, "an address").packed if source else None
    return Told(explain(judgement.ground, Packet(sender, target.packed, protocol, port, origin, dscp)))
