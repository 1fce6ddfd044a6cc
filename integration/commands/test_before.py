"""What the host was before laneway is known after somebody flushed all rules, and not after the next start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.commands.test_networks_of_others import FORWARDS, container, read

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

KEYS = (
    *FORWARDS,
    "net/ipv4/conf/eth0/rp_filter",
    "net/ipv6/conf/eth0/accept_ra",
    "net/ipv6/conf/eth0/use_oif_addrs_only",
    "net/ipv4/conf/eth1/forwarding",
)
OLD = "for key in net.ipv4.conf.eth0.rp_filter net.ipv6.conf.eth0.accept_ra net.ipv4.conf.eth1.forwarding; do"
BEFORE = ["0", "0", "1", "1", "0", "1"]
FLUSHES = {
    "nft flush ruleset": "nft flush ruleset",
    "iptables -F and -X": "for t in raw mangle nat filter; do iptables -w -t $t -F; iptables -w -t $t -X; done",
    "a rule taken out": "iptables -t mangle -F LANEWAY-PRIOR",
}
OTHER_BOOT = "0b0b0b0b-1111-4222-8333-444444444444"


def test_priors_outlive_the_chain_and_no_reboot(
    router: Throwaway, laneway: Laneway, quickstart: Path, variant: str
) -> None:
    router.sh(f"{OLD} sysctl -qw $key=1; done; sysctl -qw net.ipv4.conf.all.rp_filter=0")
    assert read(router, *KEYS) == BEFORE
    flushes = dict(FLUSHES)
    if variant == "legacy":
        del flushes["nft flush ruleset"]  # which it does not see
    for flush in flushes.values():
        laneway("apply", quickstart)
        assert read(router, *KEYS) == ["1", "1", "2", "2", "1", "1"]
        router.sh(flush)
        laneway("destroy")
        assert read(router, *KEYS) == BEFORE, flush
        # Or it is mended before that.
        laneway("apply", quickstart)
        router.sh(flush)
        assert "drift: " in laneway("verify", quickstart, code=None).stderr
        laneway("apply", quickstart)
        laneway("verify", quickstart)
        router.sh("rm -r /var/lib/laneway")  # then the chain alone knows
        laneway("destroy")
        assert read(router, *KEYS) == BEFORE, flush

    # And where both are lost, that is said.
    laneway("apply", quickstart)
    router.sh("iptables -w -t mangle -F LANEWAY-PRIOR; echo nonsense > /var/lib/laneway/before")
    now = read(router, *KEYS)
    (said,) = laneway.json("destroy")["notes"]
    assert said.startswith("what the sysctls of this host were before laneway is not known (chain LANEWAY-PRIOR and")
    assert read(router, *KEYS) == now
    assert laneway.json("destroy")["notes"] == []
    router.sh(f"{OLD} sysctl -qw $key=1; done; sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0")

    # Rules that somebody saved come back in another start of the machine: they say nothing of it.
    laneway("apply", quickstart)
    boot = router.sh("cat /proc/sys/kernel/random/boot_id").strip()
    chain = router.sh("iptables-save -t mangle")
    assert chain.count(boot) == 1
    router.run(["iptables-restore"], input=chain.replace(boot, OTHER_BOOT))
    router.sh(f"sed -i s/{boot}/{OTHER_BOOT}/ /var/lib/laneway/before")
    now = read(router, *KEYS)
    laneway("destroy")
    assert read(router, *KEYS) == now
    assert OTHER_BOOT not in router.sh("iptables-save")


def pings(host: Throwaway, to: str) -> str:
    """Return what a container is told that asks somebody behind another link."""
    command = ["ip", "netns", "exec", "c1", "ping", "-c2", "-i0.3", "-W1", to]
    return host.run(command, check=False).stdout


def test_a_container_network_of_another_name_is_told_at_once_and_doctor_names_it(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    router.sh("ip netns add far; ip link add lan type veth peer name eth0 netns far; ip link set lan up")
    router.sh("ip addr add 172.32.0.1/24 dev lan; ip addr add fd92::1/64 dev lan nodad")
    router.sh("ip -n far link set eth0 up; ip -n far addr add 172.32.0.7/24 dev eth0")
    router.sh("ip -n far addr add fd92::7/64 dev eth0 nodad")
    router.sh("ip -n far route add default via 172.32.0.1; ip -n far route add default via fd92::1")
    laneway("apply", quickstart)
    container(router, "mybr0")

    assert "Packet filtered" in pings(router, "172.32.0.7")
    assert "Administratively prohibited" in pings(router, "fd92::7")
    found = [each for each in laneway.json("doctor", quickstart, code=None)["findings"] if each["rule"] == "not-routed"]
    assert [("mybr0" in each["what"], "lan" in each["what"]) for each in found] == [(True, True)] * 2
    for each in found:
        router.sh(next(command for command in each["commands"] if "mybr0" in command))
    assert "2 received" in pings(router, "172.32.0.7")
    assert "2 received" in pings(router, "fd92::7")
    laneway("verify", quickstart)
