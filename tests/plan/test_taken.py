"""A published port at which the host itself listens is named; that of the operator's own login is refused."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from laneway.plan.conflicts.ssh_ports import ssh_port_conflicts
from laneway.plan.taken import forwarded_ports, taken_ports
from laneway.policy.model import PolicySet, Ports, Publish, Tenant, Workload
from laneway.state.facts import Foreign, ForwardedPort, Listener
from laneway.state.prefix import prefix
from laneway.state.sessions import Session
from tests.worlds import NOWHERE, world

EVERYWHERE4, EVERYWHERE6 = bytes(4), bytes(16)
NORTHS = prefix("192.0.2.2").address
ON_HOST = Foreign(addresses=frozenset({("eth0", prefix("192.0.2.2/24")), ("mgmt", prefix("172.31.0.1/24"))}))


def publishing(first: int, last: int = 0, *, protocol: str = "tcp", at: str = "") -> PolicySet:
    ports = Ports(first, last or first)
    published = Publish(ip_address(at) if at else None, ports, ports, protocol, NOWHERE)  # type: ignore[arg-type]
    git = Workload("git", (ip_address("10.20.0.10"),), (published,), NOWHERE)
    return world(Tenant("acme", (ip_network("10.20.0.0/24"),), ("north",), NOWHERE, workloads=(git,)))


@pytest.mark.parametrize(
    ("listener", "where"),
    [
        pytest.param(Listener("tcp", 22, EVERYWHERE4), "0.0.0.0:22", id="at every address"),
        pytest.param(Listener("tcp", 22, EVERYWHERE6), "[::]:22", id="of both families"),
        pytest.param(Listener("tcp", 22, NORTHS), "192.0.2.2:22", id="at one"),
        pytest.param(Listener("tcp", 22, bytes([127, 0, 0, 1])), "", id="on the host alone"),
        pytest.param(Listener("tcp", 22, prefix("2001:db8::2").address), "", id="in a family that the workload lacks"),
        pytest.param(Listener("udp", 22, EVERYWHERE4), "", id="another protocol"),
        pytest.param(Listener("tcp", 23, EVERYWHERE4), "", id="another port"),
    ],
)
def test_a_port_at_which_the_host_listens(listener: Listener, where: str) -> None:
    found = [each.text for each in taken_ports(publishing(20, 22), [listener])]

    expected = f"acme/git publishes 20-22:20-22/tcp, and this host listens at {where}: what comes by north reaches"
    assert found == ([f"{expected} the workload"] if where else [])


def test_two_sockets_at_a_port_are_named_once() -> None:
    both = [Listener("tcp", 22, EVERYWHERE4), Listener("tcp", 22, EVERYWHERE6)]

    assert len(list(taken_ports(publishing(22), both))) == 1


def test_a_port_at_another_address_is_free() -> None:
    assert not list(taken_ports(publishing(22, at="192.0.2.9"), [Listener("tcp", 22, NORTHS)]))


@pytest.mark.parametrize(
    ("port", "found"),
    [
        pytest.param(ForwardedPort(4, "tcp", 8080, 8080, b"", "a rule"), True, id="at every address"),
        pytest.param(ForwardedPort(0, "tcp", 8000, 9000, b"", "a rule"), True, id="a range, of both families"),
        pytest.param(ForwardedPort(4, "tcp", 8080, 8080, NORTHS, "a rule"), True, id="at an address of the host"),
        pytest.param(ForwardedPort(4, "tcp", 8080, 8080, bytes([10, 96, 0, 1]), "a rule"), False, id="at another"),
        pytest.param(ForwardedPort(6, "tcp", 8080, 8080, b"", "a rule"), False, id="a family that the workload lacks"),
        pytest.param(ForwardedPort(4, "udp", 8080, 8080, b"", "a rule"), False, id="another protocol"),
        pytest.param(ForwardedPort(4, "tcp", 8081, 9000, b"", "a rule"), False, id="other ports"),
    ],
)
def test_a_port_that_a_rule_of_others_sends_on(port: ForwardedPort, found: bool) -> None:  # noqa: FBT001
    told = [each.text for each in forwarded_ports(publishing(8080), ON_HOST._replace(forwarded=(port, port)))]

    expected = (
        "acme/git publishes 8080:8080/tcp, and a rule of others' sends that port on (a rule): what comes by north"
        " goes where the first of the two rules sends it, and reaches the workload only if that is laneway's"
    )
    assert told == ([expected] if found else [])


def test_a_port_that_a_rule_sends_on_before_ours_does() -> None:
    port = ForwardedPort(4, "tcp", 8080, 8080, b"", "a rule", before_ours=True)

    (told,) = [each.text for each in forwarded_ports(publishing(8080), ON_HOST._replace(forwarded=(port,)))]

    assert told.endswith("(a rule) before laneway's does: nothing that comes by north reaches the workload")


@pytest.mark.parametrize(
    ("policy", "server", "port", "refused"),
    [
        pytest.param(publishing(22), "192.0.2.2", 22, True, id="its port"),
        pytest.param(publishing(20, 30), "192.0.2.2", 22, True, id="among others"),
        pytest.param(publishing(22, at="192.0.2.2"), "192.0.2.2", 22, True, id="at its address"),
        pytest.param(publishing(22, at="192.0.2.9"), "192.0.2.2", 22, False, id="at another address"),
        pytest.param(publishing(22), "192.0.2.2", 2222, False, id="another port"),
        pytest.param(publishing(22, protocol="udp"), "192.0.2.2", 22, False, id="another protocol"),
        pytest.param(publishing(22), "172.31.0.1", 22, False, id="by a link that is no uplink"),
        pytest.param(publishing(22), "192.0.2.77", 22, False, id="a login at another host"),
    ],
)
def test_the_port_of_the_login(policy: PolicySet, server: str, port: int, refused: bool) -> None:  # noqa: FBT001  a case
    session = Session(prefix("203.0.113.9"), prefix(server), port)

    found = [each.text for each in ssh_port_conflicts(policy, lambda: None, ON_HOST, lambda: [session])]

    assert len(found) == refused
    assert all("you are logged in at 192.0.2.2 port 22, and acme/git publishes" in each for each in found)


def test_a_port_that_is_published_already_is_let_alone() -> None:
    session = Session(prefix("203.0.113.9"), prefix("192.0.2.2"), 22)

    assert not list(ssh_port_conflicts(publishing(22), lambda: publishing(22), ON_HOST, lambda: [session]))
    assert list(ssh_port_conflicts(publishing(22), lambda: publishing(80), ON_HOST, lambda: [session]))
    assert not list(ssh_port_conflicts(publishing(22), lambda: None, ON_HOST, list))


def test_the_session_of_somebody_else_is_kept_too_and_one_of_the_other_family_has_nothing_to_lose() -> None:
    other = Session(prefix("203.0.113.9"), prefix("192.0.2.2"), 22, own=False)
    six = Session(prefix("2001:db8::9"), prefix("2001:db8::2"), 22)
    here = Foreign(addresses=frozenset({("eth0", prefix("192.0.2.2/24")), ("eth0", prefix("2001:db8::2/64"))}))

    found = [each.text for each in ssh_port_conflicts(publishing(22), lambda: None, here, lambda: [other, other, six])]

    assert len(found) == 1
    assert found[0].startswith("somebody is logged in at 192.0.2.2 port 22, and acme/git publishes")
