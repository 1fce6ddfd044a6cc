"""`apply --in-force`: what a boot unit does, on a host whose kernel has forgotten everything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import Laneway, answering, gets
from integration.throwaway import Throwaway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REMEMBERED = "/var/lib/laneway /etc/iproute2"  # what laneway has on a disk
AN_EARLIER_BOOT = "11111111-2222-3333-4444-555555555555"
PROVIDER = """
ip netns add provider
ip link add eth0 type veth peer name provider0 netns provider
ip -n provider addr add 192.0.2.1/24 dev provider0; ip -n provider link set provider0 up
ip -n provider addr add 2001:db8:a::1/64 dev provider0 nodad
ip -n provider link set lo up; ip -n provider addr add 203.0.113.9/32 dev lo
ip -n provider addr add 2001:db8:ffff::9/128 dev lo
"""
UPLINK = """
ip link set eth0 up
ip addr add 192.0.2.2/24 dev eth0; ip addr add 2001:db8:a::2/64 dev eth0 nodad
"""
POLICY = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
"""


def chosen(host: Throwaway, variant: str) -> Throwaway:
    for tool in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            host.sh(f"ln -sf /usr/sbin/{tool}-{variant}{suffix} /etc/alternatives/{tool}{suffix}")
    host.sh(PROVIDER)
    return host


@pytest.fixture
def restarted(tmp_path: Path, variant: str) -> Iterator[Laneway]:
    """A host that was started anew: its disk is that of one with a policy in force, its kernel knows of nothing."""
    disk = tmp_path / "disk.tar"
    with Throwaway() as before:
        chosen(before, variant).sh(UPLINK)
        before.run(["tee", "/run/policy.toml"], input=POLICY)
        Laneway(before)("apply", "/run/policy.toml")
        before.sh(f"echo {AN_EARLIER_BOOT} > /var/lib/laneway/generations/1/boot; tar -cf {disk} {REMEMBERED}")
    with Throwaway() as after:
        chosen(after, variant).sh(f"rm -rf {REMEMBERED}; tar -C / -xf {disk}")
        yield Laneway(after)


def carries(host: Throwaway) -> bool:
    both = (("203.0.113.9", 4000), ("2001:db8:ffff::9", 4000))
    for address, port in both:
        with answering(host, "provider", address, port):
            if not gets(host, address, port, "here"):
                return False
    return True


def test_a_host_that_was_started_anew_says_so_and_holds_its_policy_again(restarted: Laneway) -> None:
    host = restarted.host
    said = restarted("status", code=4).stdout
    assert "the host was started anew since generation 1 was applied: `laneway apply --in-force`" in said
    assert "at every start of the host: `laneway service install`" in said
    assert restarted.json("status", code=4)["rebooted"] is True

    # The boot unit runs before the network: the uplink is not up yet. What was edited since is no matter to it.
    host.run(["tee", "/etc/laneway.toml"], input=POLICY.replace("acme", "other"))
    again = [sys.executable, "-m", "laneway", "apply", "--in-force"]
    closed = host.run(["env", "LANEWAY_POLICY=/etc/laneway.toml", *again])
    assert {line.split()[0] for line in host.sh("ip netns list").splitlines()} == {"acme-web", "provider"}
    assert closed.stdout.startswith("applied again, generation 1: ")
    assert "uplink north: interface eth0 is not up; its lanes are closed until the next apply" in closed.stderr
    assert " 0 received" in host.sh("ip netns exec acme-web ping -c 1 -W 1 192.0.2.1 || true")
    down = restarted("status", code=4).stdout  # the uplink is named, and is all that is not well
    assert ("no drift" in down, "[uplink-down]" in down, "started anew" in down) == (True, True, False)

    host.sh(UPLINK)
    restarted("apply", "--in-force")
    assert carries(host)
    answer = restarted.json("status")
    assert (answer["in_sync"], answer["rebooted"]) == (True, False)
    assert [each["generation"] for each in restarted.json("history")["generations"]] == [1]
    assert restarted.json("apply", "--in-force")["changed"] is False


def test_a_change_that_waits_is_in_force_until_a_reboot(throwaway: Throwaway) -> None:
    laneway = Laneway(chosen(throwaway, "nft"))
    throwaway.sh(UPLINK)
    throwaway.run(["tee", "/run/a.toml"], input=POLICY)
    throwaway.run(["tee", "/run/b.toml"], input=POLICY.replace("fd20::10", "fd20::11"))
    laneway("apply", "/run/a.toml")
    laneway("apply", "/run/b.toml", "--confirm-within", "300s")

    throwaway.sh("iptables -F; ip6tables -F")  # as a reload of nftables does meanwhile
    assert laneway("apply", "--in-force").stdout.startswith("applied again, generation 2: ")
    assert "fd20::11" in throwaway.sh("ip -n acme-web -6 addr")

    throwaway.sh("kill $(pgrep -f --ns $$ --nslist net '[r]ollback --pending')")  # as a power cut ends it
    throwaway.sh(f"sed -i 's/^boot = .*/boot = \"{AN_EARLIER_BOOT}\"/' /var/lib/laneway/pending/about.toml")
    assert "`laneway rollback --pending`" in laneway("apply", "--in-force", code=9).stderr
    laneway("rollback", "--pending")
    assert laneway("apply", "--in-force").stdout.startswith("nothing to do: the host holds the policy (generation 1)")
    addresses = throwaway.sh("ip -n acme-web -6 addr")
    assert ("fd20::10" in addresses, "fd20::11" in addresses) == (True, False)


def test_nothing_in_force_is_nothing_to_do(throwaway: Throwaway) -> None:
    laneway = Laneway(throwaway)
    assert "no policy is in force" in laneway("apply", "--in-force").stderr
    assert laneway.json("apply", "--in-force")["generation"] is None
    assert "takes no path" in laneway("apply", "--in-force", "/etc/laneway", code=2).stderr
