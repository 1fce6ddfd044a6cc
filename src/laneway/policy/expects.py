"""`[[expect]]`: tests of the policy itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from laneway.policy.fields import Invalid, name_problem, quoted
from laneway.policy.model import Expect
from laneway.policy.services import MAX_PORT
from laneway.policy.values import unicast

if TYPE_CHECKING:
    from laneway.policy.fields import Table

KEYS = frozenset({"from", "to", "protocol", "port", "uplink", "result", "arrives"})
PROTOCOLS = ("tcp", "udp", "icmp")
RESULTS = ("delivered", "refused")


def expect(table: Table) -> Expect | None:
    """Return the expectation that a table describes; None: it is not clear what is expected of what."""
    table.only(KEYS)
    table.require("from", "to")
    from_ = table.parsed("from", sender)
    to = table.parsed("to", unicast)
    protocol = table.choice("protocol", PROTOCOLS) or "tcp"
    port = _port(table, protocol)
    uplink, result = _outcome(table)
    arrives = table.get("arrives", str)
    if from_ is not None:
        _check_arrival(table, from_, arrives)
    if from_ is None or to is None:
        return None
    if "/" not in from_ and unicast(from_).version != to.version:
        table.wrong(f"{from_} and {to} are not of one family", "to")
    return Expect(
        from_,
        to,
        cast("Literal['tcp', 'udp', 'icmp']", protocol),
        port,
        uplink,
        result,
        table.source,
        arrives=arrives,
    )


def sender(text: str) -> str:
    """Return who sends: a workload as `tenant/workload`, or an address outside in its shortest form."""
    tenant, slash, workload = text.partition("/")
    if slash and not name_problem(tenant) and not name_problem(workload):
        return text
    try:
        return str(unicast(text))
    except Invalid as error:
        if ":" in text or text.replace(".", "").isdigit():
            raise
        raise Invalid(f"{quoted(text)} is neither TENANT/WORKLOAD nor an address", error.hint) from None


def _port(table: Table, protocol: str) -> int | None:
    port = table.integer("port", 1, MAX_PORT)
    if protocol == "icmp":
        if "port" in table:
            table.wrong("icmp has no ports", "port", on_key=True)
        return None
    if "port" not in table:
        table.wrong("port is missing", hint=f"{protocol} needs one")
    return port


def _outcome(table: Table) -> tuple[str | None, Literal["delivered", "refused"]]:
    uplink = table.get("uplink", str)
    result = table.choice("result", RESULTS)
    if "uplink" not in table and "result" not in table:
        table.wrong("nothing is expected", hint='write uplink = "NAME", or result = "refused"')
    if result == "refused" and "uplink" in table:
        table.wrong("what is refused leaves by no uplink", "uplink", on_key=True, hint="leave uplink or result out")
    return uplink, "refused" if result == "refused" else "delivered"


def _check_arrival(table: Table, from_: str, arrives: str | None) -> None:
    if "/" in from_ and arrives is not None:
        table.wrong("a workload's packet arrives by no uplink", "arrives", on_key=True, hint="leave arrives out")
    if "/" not in from_ and "arrives" not in table:
        table.wrong("arrives is missing", hint=f"say by which uplink a packet from {from_} comes in")
