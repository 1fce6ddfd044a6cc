"""What takes laneway's own rules away, or gets before them, is an error: never is it said that nothing would break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration.commands.conftest import apply, policy

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway

POLICY = "/run/policy.toml"
BOTH = pytest.mark.parametrize("variant", ["nft", "legacy"])


def own(laneway: Laneway) -> dict[str, str]:
    """Return what the doctor finds of laneway's own, whose first finding it is, with apply as the step."""
    found: list[dict[str, Any]] = laneway.json("doctor", code=4)["findings"]
    assert found[0]["rule"].startswith("own-")
    text = laneway("doctor", code=4)
    assert "this host would break the policy" in text.stderr
    assert "nothing here" not in text.stderr
    assert {tuple(each["commands"]) for each in found if each["rule"].startswith("own-")} == {
        ("laneway apply --in-force",)
    }
    return {each["rule"]: each["what"] for each in found if each["severity"] == "error"}


@BOTH
def test_each_is_found_and_mended_by_apply(laneway: Laneway, variant: str) -> None:
    apply(laneway, policy())
    laneway("doctor")
    provoked = {
        "iptables -t filter -F": ("own-chains", "chain LANEWAY-FORWARD of filter (iptables)"),
        "ip6tables -t nat -F": ("own-chains", "chain LANEWAY-SNAT of nat (ip6tables)"),
        "ip6tables -t mangle -F": ("own-chains", "of mangle (ip6tables)"),
        "iptables -t raw -F": ("own-chains", "of raw (iptables)"),
        "iptables -D FORWARD -j LANEWAY-FORWARD": ("own-chains", "missing: jump from FORWARD to LANEWAY-FORWARD"),
        "ip6tables -I FORWARD -p icmpv6 -j ACCEPT": (
            "own-jump-behind",
            "behind rules of others: jump from FORWARD to LANEWAY-FORWARD of filter (ip6tables)",
        ),
        "iptables -t mangle -I PREROUTING -i eth9 -j DROP": ("own-jump-behind", "jump from PREROUTING to"),
        "iptables -R LANEWAY-FORWARD 1 -j ACCEPT": ("own-chains", "different: chain LANEWAY-FORWARD"),
        "iptables -I LANEWAY-INPUT -j ACCEPT": ("own-chains", "different: chain LANEWAY-INPUT"),
        "ip -6 rule flush; ip -6 rule add pref 32766 lookup main": ("own-routing", "IPv6 ip rule 10"),
        "ip route flush table 20009": ("own-routing", "IPv4 route default in table 20009"),
        "ipset flush lw-net4": ("own-sets", "entry 10.20.0.0/24"),
        "ip link set lwb-acme down": ("own-links", "different: link lwb-acme"),
    }
    if variant == "nft":
        provoked["nft flush ruleset"] = ("own-chains", "missing: chain LANEWAY")

    for command, (rule, what) in provoked.items():
        laneway.host.sh(command)

        found = own(laneway)

        assert what in found[rule], (command, found)
        laneway("verify", POLICY, code=4)
        laneway("apply", POLICY)
        assert [each for each in laneway.json("doctor")["findings"] if each["severity"] == "error"] == [], command


@BOTH
def test_where_nothing_is_in_force_nothing_is_missed(laneway: Laneway) -> None:
    apply(laneway, policy())
    laneway("destroy")
    laneway.host.sh("iptables -F; ip6tables -t nat -F")

    assert not [each for each in laneway.json("doctor", POLICY)["findings"] if each["rule"].startswith("own-")]


@BOTH
def test_a_tenant_that_is_new_in_the_files_is_not_missing(laneway: Laneway) -> None:
    apply(laneway, policy())
    text = laneway.host.run(["cat", POLICY]).stdout.replace("globex", "initech").replace("30.0", "40.0")
    laneway.host.run(["tee", POLICY], input=text.replace("fd30", "fd40"))

    assert not [each for each in laneway.json("doctor", POLICY)["findings"] if each["rule"].startswith("own-")]


NFT = (
    "nft add table inet x; nft add chain inet x c '{ type filter hook prerouting priority 0; }'; nft add rule inet x c "
)
WRITERS = [
    ("meta mark set 0x1", "let it write its own alone, meta mark set meta mark & 0xfffffffe | 0x1"),
    ("ct mark set 0x5", "let it write its own alone, ct mark set ct mark & 0xfffffffa | 0x5"),
    ("meta mark set ct mark", "let it write its own alone, -j CONNMARK --restore-mark --nfmask 0xffff --ctmask 0xffff"),
    ("meta mark set meta mark or 0x100000", 'host.marks = "0x'),
]


def test_a_mark_written_over_laneways_is_in_the_way(laneway: Laneway, variant: str) -> None:
    apply(laneway, policy())
    laneway.host.sh(f"""
        iptables-{variant} -N asset-in; iptables-{variant} -A asset-in -m mark --mark 0x1 -j ACCEPT
        ipset create trusted hash:ip
        iptables-{variant} -A INPUT -m set --match-set trusted src -m mark --mark 0x1 -j ACCEPT
        iptables-{variant} -A INPUT -m comment --comment "set-mark MARK --set-xmark" -m connmark --mark 0x2 -j ACCEPT
        {NFT} meta mark 0x1 accept; {NFT} meta mark set meta mark and 0xfffffff0 or 0x1""")
    laneway("plan", POLICY)

    for statement, hint in WRITERS:
        laneway.host.sh(NFT + statement)
        (told,) = laneway.json("verify", POLICY, code=7)["in_the_way"]
        assert "mark bits 0xffff0000 (host.marks) are in use: nft inet x c: handle" in told["what"], statement
        assert hint in told["hint"], statement
        assert hint in laneway("plan", POLICY, code=7).stderr
        found = laneway.json("doctor", code=4)["findings"]
        assert [each["rule"] for each in found if each["severity"] == "error"] == ["in-the-way"]
        laneway.host.sh("nft delete table inet x")

    for rule, hint in (
        ("-j MARK --set-mark 1", "--set-xmark 0x1/0x1"),
        ("-j CONNMARK --restore-mark", "--restore-mark --nfmask 0xffff --ctmask 0xffff"),
        ("-p tcp -j TPROXY --on-port 80 --tproxy-mark 0x1", "--tproxy-mark 0x1/0x1"),
    ):
        for program in (f"iptables-{variant}", f"ip6tables-{variant}"):
            laneway.host.sh(f"{program} -t mangle -A PREROUTING {rule}")
            assert f"let it write its own alone, {hint}" in laneway("plan", POLICY, code=7).stderr
            laneway.host.sh(f"{program} -t mangle -D PREROUTING {rule}")
    laneway("plan", POLICY)


def test_a_published_port_that_others_send_on(laneway: Laneway, variant: str) -> None:
    laneway.host.sh(f"""
        iptables-{variant} -t nat -N CNI-DN-1; iptables-{variant} -t nat -A CNI-DN-1 -p tcp -j DNAT --to 10.88.0.2:80
        iptables-{variant} -t nat -A PREROUTING -p tcp -m multiport --dports 8080,8081 -j CNI-DN-1""")
    nft = "nft add table inet {0}; nft add chain inet {0} p '{{ type nat hook prerouting priority dstnat; }}'; "
    laneway.host.sh(nft.format("pods") + "nft add rule inet pods p tcp dport 9090 dnat ip to 10.88.0.3:80")

    for port, where in ((8081, f"iptables-{variant} -t nat -A PREROUTING"), (9090, "nft inet pods p: handle")):
        apply(laneway, policy(publish=f'["{port}:80/tcp"]'))
        said = laneway("plan", POLICY).stderr
        found = laneway.json("doctor")["findings"]

        assert f"note: globex/db publishes {port}:80/tcp, and a rule of others' sends that port on ({where}" in said
        assert [each["severity"] for each in found if each["rule"] == "published-port-in-use"] == ["warning"]

    early = nft.format("first").replace("dstnat;", "dstnat - 5;")
    laneway.host.sh(early + "nft add rule inet first p tcp dport 9092 redirect to :22")
    apply(laneway, policy(publish='["9092:80/tcp"]'))
    (found,) = [each for each in laneway.json("verify", POLICY, code=4)["findings"] if each["severity"] == "error"]
    assert (found["rule"], "nothing that comes by north reaches" in found["what"]) == ("published-port-taken", True)

    apply(laneway, policy(publish='["9091:80/tcp"]'))
    assert "sends that port on" not in laneway("plan", POLICY).stderr
