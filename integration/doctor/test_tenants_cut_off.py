"""Whatever keeps tenants' packets, seen with packets, is an error of doctor and verify, and told by the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from integration.commands.conftest import PROVIDER, PROVIDER6, answering, apply, asked, gets, policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.commands.conftest import Laneway

POLICY = "/run/policy.toml"
SERVER = {4: "203.0.113.9", 6: "2001:db8:ffff::9"}
PORT = 9999


@pytest.fixture
def serving(laneway: Laneway) -> Iterator[Laneway]:
    """Two tenants, and a server that answers both families behind their uplink."""
    laneway.host.sh(f"ip neigh flush dev eth0 nud permanent; {PROVIDER}{PROVIDER6}")
    apply(laneway, policy())
    with answering(laneway.host, "provider", SERVER[4], PORT), answering(laneway.host, "provider", SERVER[6], PORT):
        laneway.host.sh("ip -n provider route replace 10.20.0.0/24 via 192.0.2.2")
        assert all(gets(laneway.host, SERVER[family], PORT, "here") for family in (4, 6))
        yield laneway


def errors(laneway: Laneway, *verb: str, key: str = "findings") -> list[dict[str, Any]]:
    """Return the errors that a verb finds, whose exit code must be 4."""
    answer = laneway.json(*verb, code=4)
    return [each for each in answer[key] if each["severity"] == "error"]


def told_by_all(laneway: Laneway, rule: str) -> dict[str, Any]:
    """Return the doctor's one error, after the other verbs have told it too."""
    (found,) = errors(laneway, "doctor", POLICY)
    assert found["rule"] == rule
    assert errors(laneway, "verify", POLICY) == [found]
    assert errors(laneway, "status", key="errors") == [found]
    text = f"{found['what']} [{rule}]"
    verified = laneway("verify", POLICY, code=4)
    assert f"error: {text}: {found['why']}\n" in verified.stdout
    stopped = "something else here stops tenants' packets (`laneway doctor` shows the fix)"
    assert verified.stderr.startswith(f"the host does not hold the policy: {stopped}; ")
    assert f"error: {text}; `laneway doctor` shows the fix" in laneway("status", code=4).stdout
    assert f"note: {found['what']}: {found['why']}" in laneway("plan", POLICY).stderr
    assert f"note: {found['what']}: {found['why']}" in laneway("apply", POLICY).stderr
    return found


def explained(laneway: Laneway, to: str) -> list[dict[str, str]]:
    walked: list[dict[str, str]] = laneway.json(
        "explain", "--from", "acme/web", "--to", to, "--udp", str(PORT), "--live"
    )["not_walked"]
    return walked


NFT = "nft -f - <<'END'\n{}\nEND"
CUT = [
    pytest.param(
        "table inet fw {\n chain f {\n type filter hook forward priority 10; policy drop;\n }\n}", (4, 6), id="policy"
    ),
    pytest.param(
        "table inet fw {\n chain f {\n type filter hook forward priority 10; policy drop;\n"
        ' ct state established,related accept\n iifname "eth9" accept\n }\n}',
        (4, 6),
        id="answers alone",
    ),
    pytest.param(
        "table ip6 fw {\n chain x {\n drop\n }\n chain f {\n type filter hook postrouting priority 0;\n"
        ' oifname "eth0" goto x\n }\n}',
        (6,),
        id="a rule in another chain",
    ),
    pytest.param(
        'table ip fw {\n chain f {\n type filter hook prerouting priority 0;\n iifname "lwb-*" reject\n }\n}',
        (4,),
        id="prerouting",
    ),
    pytest.param(
        'table inet fw {\n chain f {\n type filter hook forward priority -200;\n iifname vmap { "lwb-acme" : drop }\n'
        " }\n}",
        (4, 6),
        id="one tenant, by a map",
    ),
    pytest.param(
        "table inet fw {\n chain f {\n type filter hook forward priority 0;\n meta mark != 0 drop\n }\n}",
        (4, 6),
        id="whoever has a mark",
    ),
    pytest.param(
        "table inet fw {\n chain f {\n type filter hook input priority 0; policy drop;\n ct state established accept\n"
        " tcp dport 22 accept\n meta l4proto icmp accept\n }\n}",
        (),
        id="neighbour discovery",
    ),
]


@pytest.mark.parametrize("variant", ["nft"])
@pytest.mark.parametrize(("table", "families"), CUT)
def test_a_native_chain_that_refuses(serving: Laneway, table: str, families: tuple[int, ...]) -> None:
    serving.host.sh(NFT.format(table))
    if not families:
        serving.host.sh("ip netns exec acme-web ip -6 neigh flush all")
        families = (6,)

    found = told_by_all(serving, "refused-by-others")

    for family in (4, 6):
        # A flow that there was before may live on: the port is another.
        with answering(serving.host, "provider", SERVER[family], PORT + 1):
            assert (asked(serving.host, SERVER[family], PORT + 1) == "here") == (family not in families)
        assert (f"IPv{family}" in found["what"]) == (family in families)
    assert explained(serving, SERVER[families[0]]) == [{"what": found["what"], "why": found["why"]}]

    serving.host.sh(found["hint"].partition(";")[0])
    serving("verify", POLICY)
    assert all(gets(serving.host, SERVER[family], PORT, "here") for family in (4, 6))


NETDEV = "table netdev fw {{\n chain f {{\n type filter hook {hook} device {device} priority 0; {decides}\n }}\n}}"
AT_A_LINK = [
    ("ingress", "lwb-acme", "policy drop;", (4, 6)),
    ("egress", "eth0", "policy drop;", (4, 6)),
    ("ingress", "eth0", "policy accept;\n ip saddr 203.0.113.0/24 drop", (4,)),
    ("ingress", "eth0", "policy accept;\n ip saddr { 10.0.0.0/8, 192.168.0.0/16 } drop", ()),
    ("ingress", "eth1", "policy drop;", ()),  # of the host's, and no uplink
]


@pytest.mark.parametrize("variant", ["nft"])
def test_a_chain_at_a_link_is_judged_by_what_passes_there(serving: Laneway) -> None:
    for hook, device, decides, families in AT_A_LINK:
        serving.host.sh(NFT.format(NETDEV.format(hook=hook, device=device, decides=decides)))
        serving.host.sh("ip netns exec acme-web ip -6 neigh flush all")

        findings = serving.json("doctor", POLICY, code=None)["findings"]
        blamed = {each["severity"] for each in findings if each["rule"] == "refused-by-others"}

        for family in (4, 6):
            passes = asked(serving.host, SERVER[family], PORT) == "here"
            assert passes == (family not in families), (hook, device, decides, family)
        # Of the senders behind an uplink nobody knows all.
        wanted = {"error"} if len(families) > 1 else {"info"} if "saddr" in decides else set()
        assert blamed == wanted, (hook, device, decides)
        serving.host.sh("nft delete table netdev fw")


NOT_SEEN_BY_FORWARD = [
    ("ip6tables-nft -{} OUTPUT -p icmpv6 -j DROP", 6, "how workloads are found (neighbour discovery)"),
    ("iptables-nft -t raw -{} PREROUTING -j CT --notrack", 4, "what workloads send and the answers"),
    ("ip6tables-legacy -{} FORWARD -m mark ! --mark 0x0 -j DROP", 6, "what workloads send and the answers"),
]


@pytest.mark.parametrize("variant", ["nft"])
def test_what_is_dropped_by_other_means(serving: Laneway) -> None:
    for rule, family, what in NOT_SEEN_BY_FORWARD:
        serving.host.sh(rule.format("A"))
        serving.host.sh("ip -6 neigh flush all; conntrack -F")

        (found,) = errors(serving, "verify", POLICY)

        assert f"refuses {what}: IPv{family} of all tenants" in found["what"]
        assert asked(serving.host, SERVER[family], PORT + 1) == ""
        assert asked(serving.host, SERVER[10 - family], PORT) == "here"
        serving.host.sh(rule.format("D"))


@pytest.mark.parametrize("variant", ["nft"])
def test_a_chain_that_lets_tenants_pass_is_not_blamed(serving: Laneway) -> None:
    serving.host.sh(
        NFT.format(
            "table inet fw {\n chain f {\n type filter hook forward priority 10; policy drop;\n"
            ' ct state { established, related } accept\n iifname { "lwb-*", "eth7" } oifname "eth*" accept\n }\n'
            " chain i {\n type filter hook input priority 0; policy drop;\n ct state established,related accept\n"
            " icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n tcp dport 22 accept\n }\n}"
        )
    )
    assert all(gets(serving.host, SERVER[family], PORT, "here") for family in (4, 6))

    serving("doctor", POLICY)
    serving("verify", POLICY)


@pytest.mark.parametrize("variant", ["nft"])
def test_what_refuses_some_is_told_by_how_much(serving: Laneway) -> None:
    serving.host.sh(
        NFT.format(
            "table inet fw {\n set bad {\n type ipv4_addr\n elements = { 203.0.113.66 }\n }\n"
            " chain f {\n type filter hook forward priority 10;\n ip daddr @bad drop\n }\n"
            " chain g {\n type filter hook forward priority 20; policy drop;\n ct state established accept\n"
            " udp dport 9999 accept\n }\n}"
        )
    )
    assert all(gets(serving.host, SERVER[family], PORT, "here") for family in (4, 6))

    answer = serving.json("doctor", POLICY)
    found = {each["what"].split(" of ")[0]: each["severity"] for each in answer["findings"] if "chain" in each["what"]}

    assert found == {"chain f": "info", "chain g": "warning"}
    serving("verify", POLICY)
    strict = serving.json("verify", POLICY, "--strict", code=4)
    assert (strict["holds"], strict["drift"]) == (False, [])


@pytest.mark.parametrize(("variant", "other"), [("nft", "legacy"), ("legacy", "nft")])
def test_the_other_variant_of_iptables_refuses(serving: Laneway, other: str) -> None:
    serving.host.sh(f"iptables-{other} -P FORWARD DROP; iptables-{other} -A FORWARD -o docker0 -j ACCEPT")
    assert asked(serving.host, SERVER[4], PORT) == ""

    found = told_by_all(serving, "refused-by-others")

    assert found["what"].startswith(
        f"chain FORWARD of iptables-{other} filter refuses what workloads send and the answ"
    )
    assert asked(serving.host, SERVER[6], PORT) == "here"
    serving.host.sh(found["hint"].partition(";")[0])
    assert gets(serving.host, SERVER[4], PORT, "here")
    serving("verify", POLICY)


def test_tables_before_and_after_ours_refuse(serving: Laneway, variant: str) -> None:
    serving.host.sh(f"ip6tables-{variant} -t mangle -A POSTROUTING -s fd20::/64 -o eth+ -j DROP")
    assert asked(serving.host, SERVER[6], PORT) == ""

    found = told_by_all(serving, "refused-by-others")

    assert "refuses what workloads send: IPv6 of tenant acme" in found["what"]
    assert asked(serving.host, SERVER[4], PORT) == "here"


RULES = [
    ("ip rule add not fwmark 0xca6c table 51820; ip route add default dev eth1 table 51820", 4),
    ("ip -6 rule add not fwmark 0xca6c table 51820; ip -6 route add default dev eth1 table 51820", 6),
    ("ip rule add pref 5 from 10.20.0.0/24 lookup 77; ip route add default dev eth1 table 77", 4),
    ("ip rule add iif lwb-acme lookup 77; for half in 0 128; do ip route add $half.0.0.0/1 dev eth1 table 77; done", 4),
    ("ip rule add pref 7 iif eth0 to 10.0.0.0/8 blackhole", 4),
    ("ip -6 rule add pref 7 from fd20::10 prohibit", 6),
    ("ip -6 rule add pref 7 from fd20::/64 goto 32766", 6),
]  # fmt: skip


@pytest.mark.parametrize(("command", "family"), RULES)
@pytest.mark.parametrize("variant", ["nft"])
def test_an_ip_rule_before_the_lanes(serving: Laneway, command: str, family: int) -> None:
    serving.host.sh(command)
    if "goto" in command:  # main leads to the same uplink here
        serving.host.sh("ip -6 route replace default dev eth1")
    assert asked(serving.host, SERVER[family], PORT) in ("", "refused")

    found = told_by_all(serving, "rule-before-lanes")

    assert asked(serving.host, SERVER[10 - family], PORT) == "here"
    for each in found["commands"]:
        serving.host.sh(each)
    assert gets(serving.host, SERVER[family], PORT, "here")
    serving("verify", POLICY)


@pytest.mark.parametrize("variant", ["nft"])
def test_a_rule_that_takes_no_tenants_packets_is_none(serving: Laneway) -> None:
    serving.host.sh("""
        ip rule add pref 5 from 192.0.2.2 lookup 77; ip rule add pref 6 fwmark 0x5/0xff lookup 77
        ip rule add pref 7 iif eth9 blackhole; ip rule add pref 8 from all oif eth1 lookup 77
        ip route add default dev eth1 table 77""")
    assert asked(serving.host, SERVER[4], PORT) == "here"

    assert [each for each in serving.json("doctor", POLICY)["findings"] if each["rule"] == "rule-before-lanes"] == []
    serving("verify", POLICY)


def test_without_nft_it_says_that_it_did_not_look(serving: Laneway) -> None:
    serving.host.sh(NFT.format("table inet fw {\n}"))
    # A file of this host's own: /dev/null has one mode for the whole machine.
    serving.host.sh(": > /run/no-program; mount --bind /run/no-program /usr/sbin/nft")

    unseen = json.loads(serving("doctor", POLICY, "--json").stdout)["unseen"]

    assert any(each.startswith("the table inet fw of nftables: ") for each in unseen), unseen
