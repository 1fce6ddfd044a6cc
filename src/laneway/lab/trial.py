"""The nouns of a trial: who sends what to whom, what should become of it, and what did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.names import netns_name

if TYPE_CHECKING:
    from laneway.policy.model import Address, Expect


class Resident(NamedTuple):
    """A workload as a party of a probe."""

    tenant: str
    workload: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.workload}"

    @property
    def netns(self) -> str:
        """Return the name of the workload's network namespace."""
        return netns_name(self.tenant, self.workload)


class Outside(NamedTuple):
    """Somebody on the internet whose packets come by an uplink."""

    uplink: str

    def __str__(self) -> str:
        return "internet"


class TheHost(NamedTuple):
    """The host itself, its own programs."""

    def __str__(self) -> str:
        return "host"


Party = Resident | Outside | TheHost


@dataclass(frozen=True, slots=True)
class Probe:
    """One question, asked with a packet."""

    sender: Party
    to: Address
    protocol: str  # tcp, udp or icmp; any other is sent as a bare packet that nobody answers
    port: int = 0  # 0 exactly where the protocol has none
    source: Address | None = None  # None: the sender's own
    dscp: int = 0
    spoofed: bool = False  # `source` is not the sender's
    group: str = ""  # the tenant it is about, or "host"
    kind: str = ""  # what is tried; those of one kind share a line of the table
    whom: str = ""  # the destination in words, for people
    expect: Expect | None = None  # the policy's own test that asks for it

    @property
    def family(self) -> int:
        """Return 4 or 6."""
        return self.to.version


@dataclass(frozen=True, slots=True)
class Expected:
    """What must become of a probe; None: no matter."""

    delivered: bool
    by: str | None = None  # who answers: "internet", "host" or "tenant/workload"
    uplink: str | None = None  # the way it goes out
    source: Address | None = None  # what the one who answers sees as its source


REFUSED = Expected(delivered=False)


class Sighting(NamedTuple):
    """A packet that came out of the host by an uplink, seen by the provider on the wire."""

    uplink: str
    source: Address


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a probe."""

    delivered: bool  # answered; a bare packet: seen by a provider that lets it pass
    by: str = ""
    uplink: str = ""
    source: Address | None = None
    seen: tuple[Sighting, ...] = ()  # on the wires of the providers, whether it was answered or not
    reached: str = ""  # who got the packet, of one that was not answered
    how: str = ""  # of one that was not delivered: "rejected: …", or "silence"


@dataclass(frozen=True, slots=True)
class Result:
    """A probe with its two ends: what was expected, and what came out."""

    probe: Probe
    expected: Expected
    outcome: Outcome
    faults: tuple[str, ...]  # empty: as expected

    @property
    def held(self) -> bool:
        """Return whether all was as expected."""
        return not self.faults


def compare(probe: Probe, expected: Expected, outcome: Outcome) -> Result:
    """Return the verdict on a probe."""
    return Result(probe, expected, outcome, tuple(_faults(expected, outcome)))


def _faults(expected: Expected, outcome: Outcome) -> list[str]:
    if not expected.delivered:
        if outcome.delivered:
            by = f" by {outcome.uplink}" if outcome.uplink else ""
            return [f"answered by {outcome.by}{by}, should be refused"]
        reached = [f"reached {outcome.reached}, should be refused"] if outcome.reached else []
        return reached + [f"left by {each.uplink} as {each.source}, should be refused" for each in outcome.seen]
    if not outcome.delivered:
        lost = [f"left by {each.uplink} as {each.source} and was not answered" for each in outcome.seen]
        lost += [f"reached {outcome.reached}, whose answer did not come back"] if outcome.reached else []
        wanted = f"should be answered by {expected.by or 'its destination'}"
        if expected.uplink:
            wanted += f", by {expected.uplink}"
        return [*lost, f"{outcome.how or 'no answer'}, {wanted}"]
    pairs = (("answered by", expected.by, outcome.by), ("by", expected.uplink, outcome.uplink))
    faults = [f"{word} {actual}, should be {wanted}" for word, wanted, actual in pairs if wanted not in (None, actual)]
    # Who answers an echo does not say whom it saw; where it left the host, a provider did.
    if None not in (expected.source, outcome.source) and expected.source != outcome.source:
        faults.append(f"seen as {outcome.source}, should be {expected.source}")
    return faults
