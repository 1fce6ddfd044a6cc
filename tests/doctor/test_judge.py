"""Each finding, from what would be seen of a host to the commands that mend it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from laneway.doctor.finding import Finding, Severity
from laneway.doctor.judge import Besides, judge
from laneway.plan.conflicts.collision import Collision
from laneway.policy.model import AUTO, PolicySet, Ports, Publish
from laneway.state.diagnosis import Diagnosis, Firewalld, Flusher, LinkSeen, Networkd, StrangeRules, Trial
from laneway.state.facts import Foreign, ForeignFibRule
from laneway.state.prefix import prefix
from laneway.state.routing import RouteKind
from laneway.state.underlay import HostAddress, MainRoute, Underlay
from tests.worlds import NORTH, SOUTH, crowd, tenant, with_uplinks, world

PLAIN = tenant("acme", 7)._replace(snat=())
POLICY = world(PLAIN)

TRUSTED = frozenset({"lwb-acme"})

MAIN = tuple(ForeignFibRule(family, 32766, "32766: from all lookup main") for family in (4, 6))


def route(to: str, dev: str, via: str = "", metric: int = 0) -> MainRoute:
    gateway = ip_address(via).packed if via else b""
    return MainRoute(prefix(to), metric, RouteKind.UNICAST, dev, gateway)


def refusing(to: str, metric: int) -> MainRoute:
    return MainRoute(prefix(to), metric, RouteKind.UNREACHABLE)


TAILSCALE = ForeignFibRule(4, 5270, "5270: from all lookup 52")

UNDERLAY = Underlay(
    addresses=tuple(
        HostAddress(link, prefix(text))
        for link, text in (
            ("eth0", "192.0.2.2/24"),
            ("eth0", "2001:db8:a::2/64"),
            ("eth1", "198.51.100.2/24"),
            ("eth1", "2001:db8:b::2/64"),
        )
    ),
    routes=(
        route("192.0.2.0/24", "eth0"),
        route("2001:db8:a::/64", "eth0"),
        route("198.51.100.0/24", "eth1"),
        route("2001:db8:b::/64", "eth1"),
        route("0.0.0.0/0", "eth0", "192.0.2.1"),
    ),
)
NO_DEFAULT = UNDERLAY._replace(routes=UNDERLAY.routes[:-1])
HEALTHY = Diagnosis(
    kernel=(6, 1),
    variant="nft",
    links=(LinkSeen("eth0", True, True, 1500), LinkSeen("eth1", True, True, 1500)),  # noqa: FBT003
    underlay=UNDERLAY,
    sysctls={"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"},
    foreign=Foreign(fib_rules=MAIN),
    networkd=Networkd(manages_rules=True, manages_routes=True),  # nothing to anybody while it does not run
)


def link(name: str, **changes: object) -> tuple[LinkSeen, ...]:
    return tuple(each._replace(**changes) if each.name == name else each for each in HEALTHY.links)  # type: ignore[arg-type]


def switched(**sysctls: str) -> dict[str, str]:
    return HEALTHY.sysctls | {key.replace("__", "/"): value for key, value in sysctls.items()}


def without_address(text: str) -> Underlay:
    return UNDERLAY._replace(addresses=tuple(each for each in UNDERLAY.addresses if str(each.address) != text))


def test_a_healthy_host_has_no_findings() -> None:
    assert judge(HEALTHY, POLICY) == []


def test_a_healthy_host_without_a_policy_has_none_either() -> None:
    assert judge(HEALTHY) == []


def test_a_host_of_which_nothing_was_seen_is_not_blamed() -> None:
    assert [each for each in judge(Diagnosis(), POLICY) if each.severity is Severity.ERROR] == []


ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


@pytest.mark.parametrize(
    ("seen", "rule", "severity", "commands"),
    [
        pytest.param(
            replace(HEALTHY, missing_tools=(("ip", "iproute2"),)),
            "tool-missing",
            ERROR,
            ("apt-get install iproute2",),
            id="tool",
        ),
        pytest.param(
            replace(HEALTHY, trials=(Trial("-m set", "no such match", "xt_set"), Trial("-j SET", "no", "xt_set"))),
            "kernel-feature",
            ERROR,
            ("modprobe xt_set",),
            id="module",
        ),
        pytest.param(
            replace(HEALTHY, trials=(Trial("rules with a goto", "no"),)), "kernel-feature", ERROR, (), id="built in"
        ),
        pytest.param(replace(HEALTHY, kernel=(5, 17)), "kernel-old", WARNING, (), id="old kernel"),
        pytest.param(
            replace(HEALTHY, nftables=False), "no-second-layer", WARNING, ("modprobe nf_tables",), id="no nf_tables"
        ),
        pytest.param(
            replace(HEALTHY, strangers=(StrangeRules(4, "filter", 3, policies=("FORWARD",)),)),
            "variant-mix",
            WARNING,
            (
                (
                    "iptables-legacy-save -t filter | iptables-nft-restore --noflush && iptables-legacy -t filter -F "
                    "&& iptables-legacy -t filter -X"
                ),
                "iptables-nft -t filter -P FORWARD DROP && iptables-legacy -t filter -P FORWARD ACCEPT",
            ),
            id="rules of others in the other variant",
        ),
        pytest.param(
            replace(HEALTHY, strangers=(StrangeRules(6, "mangle", 0, ours=True),)),
            "variant-leftovers",
            WARNING,
            ("laneway apply PATH",),
            id="rules of ours in the other variant",
        ),
        pytest.param(
            replace(HEALTHY, running=frozenset({"systemd-networkd"})),
            "networkd-foreign",
            ERROR,
            (
                "mkdir -p /etc/systemd/networkd.conf.d",
                (
                    r"printf '[Network]\nManageForeignRoutingPolicyRules=no\nManageForeignRoutes=no\n' "
                    "> /etc/systemd/networkd.conf.d/laneway.conf"
                ),
                "systemctl restart systemd-networkd",
            ),
            id="networkd",
        ),
        pytest.param(
            replace(HEALTHY, running=frozenset({"NetworkManager"})),
            "networkmanager-manages",
            WARNING,
            (
                (
                    r"printf '[keyfile]\nunmanaged-devices+=interface-name:lwb-*;interface-name:lwv*\n' "
                    "> /etc/NetworkManager/conf.d/90-laneway.conf"
                ),
                "systemctl reload NetworkManager",
            ),
            id="NetworkManager",
        ),
        pytest.param(
            replace(HEALTHY, running=frozenset({"firewalld"}), firewalld=Firewalld("iptables")),
            "firewalld-flushes",
            WARNING,
            (),
            id="firewalld's old backend",
        ),
        pytest.param(
            replace(HEALTHY, flushers=(Flusher("nftables.service", "/etc/nftables.conf", "flush ruleset"),)),
            "flushes",
            WARNING,
            (),
            id="nftables.service",
        ),
        pytest.param(
            replace(
                HEALTHY,
                in_force=True,
                running=frozenset({"systemd-networkd"}),
                networkd=Networkd(manages_rules=False, manages_routes=False),
                networkd_file="/etc/x.network",
            ),
            "networkd-takes-links",
            ERROR,
            (
                "mkdir -p /etc/systemd/network",
                (
                    r"printf '[Match]\nName=lwb-* lwv*\n\n[Link]\nUnmanaged=yes\n' "
                    "> /etc/systemd/network/05-laneway.network"
                ),
                "networkctl reload",
                "laneway apply PATH",
            ),
            id="networkd's files",
        ),
        pytest.param(
            replace(HEALTHY, dhcpcd_takes=True),
            "dhcpcd-takes-links",
            ERROR,
            ("sed -i '1i denyinterfaces lwv* lwb-*' /etc/dhcpcd.conf", "systemctl restart dhcpcd"),
            id="dhcpcd",
        ),
        pytest.param(replace(HEALTHY, connman_takes=True), "connman-takes-links", WARNING, (), id="connman"),
        pytest.param(replace(HEALTHY, ufw=True), "ufw", INFO, (), id="ufw"),
        pytest.param(replace(HEALTHY, running=frozenset({"dockerd"})), "docker", INFO, (), id="Docker"),
        pytest.param(
            replace(HEALTHY, foreign=Foreign(fib_rules=MAIN[:1])),
            "main-not-looked-up",
            ERROR,
            ("ip -6 rule add pref 32766 lookup main",),
            id="no rule for main",
        ),
        pytest.param(
            replace(
                HEALTHY,
                foreign=Foreign(
                    fib_rules=(
                        MAIN[0],
                        ForeignFibRule(6, 500, "500: from all fwmark 0x1/0xffffffff lookup main"),
                        ForeignFibRule(6, 20600, "20600: from all lookup main suppress_prefixlength 0"),
                    )
                ),
            ),
            "main-not-looked-up",
            ERROR,
            ("ip -6 rule add pref 32766 lookup main",),
            id="rules for some of main alone",
        ),
        pytest.param(
            replace(HEALTHY, foreign=Foreign(fib_rules=(*MAIN, ForeignFibRule(4, 5, "5: from all lookup main")))),
            "main-before-lanes",
            ERROR,
            ("ip rule del pref 5 lookup main",),
            id="a rule for main before the lanes",
        ),
        pytest.param(
            replace(HEALTHY, foreign=Foreign(fib_rules=(MAIN[1], ForeignFibRule(4, 5, "5: from all lookup main")))),
            "main-before-lanes",
            ERROR,
            ("ip rule add pref 32766 lookup main", "ip rule del pref 5 lookup main"),
            id="the rule for main moved before the lanes",
        ),
        pytest.param(
            replace(HEALTHY, underlay=NO_DEFAULT._replace(routes=(*NO_DEFAULT.routes, refusing("0.0.0.0/0", 0)))),
            "no-way-back",
            ERROR,
            ("ip -4 route del unreachable default",),
            id="main's default refuses",
        ),
        pytest.param(
            replace(HEALTHY, underlay=UNDERLAY._replace(routes=(*UNDERLAY.routes, refusing("0.0.0.0/0", 4278198272)))),
            "no-way-back",
            WARNING,
            ("ip -4 route del unreachable default metric 4278198272",),
            id="main's last default refuses",
        ),
        pytest.param(
            replace(HEALTHY, foreign=Foreign(fib_rules=(*MAIN, TAILSCALE))),
            "rule-before-lanes",
            WARNING,
            ("ip rule add pref 20000 from all lookup 52", "ip rule del pref 5270 from all lookup 52"),
            id="another's rule before the lanes",
        ),
        pytest.param(
            replace(HEALTHY, sysctls=switched(net__ipv4__conf__eth1__forwarding="0")),
            "forwarding-off",
            ERROR,
            ("sysctl -w net/ipv4/conf/eth1/forwarding=1",),
            id="forwarding by an uplink",
        ),
        pytest.param(
            replace(HEALTHY, sysctls=switched(net__ipv4__ip_forward="0")),
            "forwarding-off",
            INFO,
            (),
            id="forwarding, before apply",
        ),
        pytest.param(
            replace(HEALTHY, sysctls=switched(net__ipv4__ip_forward="0"), in_force=True),
            "forwarding-off",
            ERROR,
            ("sysctl -w net/ipv4/ip_forward=1",),
            id="forwarding, after apply",
        ),
        pytest.param(
            replace(HEALTHY, sysctls=switched(net__ipv4__conf__all__route_localnet="1")),
            "localnet-routed",
            ERROR,
            ("sysctl -w net/ipv4/conf/all/route_localnet=0",),
            id="route_localnet",
        ),
        pytest.param(
            replace(HEALTHY, sysctls={**HEALTHY.sysctls, "net/bridge/bridge-nf-call-iptables": "1"}),
            "bridge-nf",
            INFO,
            ("sysctl -w net/bridge/bridge-nf-call-iptables=0",),
            id="bridge-nf",
        ),
        pytest.param(
            replace(HEALTHY, sysctls=switched(net__ipv6__conf__all__disable_ipv6="1")),
            "ipv6-off",
            ERROR,
            ("sysctl -w net/ipv6/conf/all/disable_ipv6=0",),
            id="IPv6 off",
        ),
        pytest.param(
            replace(
                HEALTHY,
                sysctls=switched(net__ipv4__conf__all__rp_filter="1", net__ipv4__conf__eth0__rp_filter="0"),
                in_force=True,
            ),
            "reverse-path-strict",
            ERROR,
            ("sysctl -w net/ipv4/conf/eth0/rp_filter=2",),
            id="rp_filter, after apply",
        ),
        pytest.param(
            replace(HEALTHY, sysctls=switched(net__ipv4__conf__eth0__rp_filter="1")),
            "reverse-path-strict",
            INFO,
            (),
            id="rp_filter, before apply",
        ),
        pytest.param(
            replace(HEALTHY, names_read_only="/etc/iproute2", remount="/etc"),
            "names-read-only",
            ERROR,
            ("mount -o remount,rw /etc",),
            id="read-only /etc",
        ),
        pytest.param(
            replace(HEALTHY, links=HEALTHY.links[:1]), "uplink-missing", ERROR, (), id="an interface is missing"
        ),
        pytest.param(
            replace(HEALTHY, links=link("eth1", up=False)),
            "uplink-down",
            ERROR,
            ("ip link set eth1 up", "laneway apply PATH"),
            id="an interface is down",
        ),
        pytest.param(
            replace(HEALTHY, links=link("eth1", carrier=False)), "uplink-no-carrier", WARNING, (), id="no carrier"
        ),
        pytest.param(
            replace(HEALTHY, underlay=without_address("198.51.100.2/24")),
            "uplink-no-address",
            ERROR,
            ("ip addr add ADDRESS/LENGTH dev eth1",),
            id="no address",
        ),
        pytest.param(
            replace(HEALTHY, underlay=UNDERLAY._replace(routes=(*UNDERLAY.routes[:2], *UNDERLAY.routes[3:]))),
            "gateway-not-on-link",
            WARNING,
            ("ip route add 198.51.100.1 dev eth1",),
            id="gateway",
        ),
        pytest.param(
            replace(
                HEALTHY,
                underlay=UNDERLAY._replace(
                    addresses=(*UNDERLAY.addresses, HostAddress("eth1", prefix("198.51.100.1/24")))
                ),
            ),
            "gateway-own",
            ERROR,
            ("ip addr del 198.51.100.1/24 dev eth1",),
            id="the gateway is the host",
        ),
        pytest.param(
            replace(
                HEALTHY,
                underlay=UNDERLAY._replace(
                    routes=(*UNDERLAY.routes, route("0.0.0.0/0", "eth0", "192.0.2.254", metric=100))
                ),
            ),
            "default-routes-differ",
            WARNING,
            ("ip route del default via 192.0.2.254 dev eth0 metric 100",),
            id="two default routes",
        ),
        pytest.param(
            replace(HEALTHY, links=link("eth1", mtu=1492), clamped=frozenset({(6, "")})),
            "mtu-differs",
            WARNING,
            ("iptables -t mangle -A FORWARD -o eth1 -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",),
            id="MTU",
        ),
        pytest.param(
            replace(
                HEALTHY,
                underlay=UNDERLAY._replace(
                    addresses=(*UNDERLAY.addresses, HostAddress("docker0", prefix("10.0.7.1/24")))
                ),
            ),
            "subnet-in-use",
            ERROR,
            ("ip addr del 10.0.7.1/24 dev docker0",),
            id="an address inside a tenant's subnet",
        ),
        pytest.param(
            replace(
                HEALTHY,
                underlay=UNDERLAY._replace(routes=(*UNDERLAY.routes, route("10.0.7.128/25", "tun0", "10.9.9.9"))),
            ),
            "subnet-in-use",
            ERROR,
            ("ip route del 10.0.7.128/25",),
            id="a route inside a tenant's subnet",
        ),
    ],
)
def test_finding(seen: Diagnosis, rule: str, severity: Severity, commands: tuple[str, ...]) -> None:
    (found,) = judge(seen, POLICY)

    assert (found.rule, found.severity, found.commands) == (rule, severity, commands)


def test_firewalld_rejects_flushes_and_filters_and_no_advice_ends_in_a_reload() -> None:
    seen = replace(HEALTHY, running=frozenset({"firewalld"}), firewalld=Firewalld("nftables", version="1.3.3"))

    rejects, flushes, filters = judge(seen, POLICY)

    assert (rejects.rule, rejects.severity, rejects.commands) == (
        "firewalld-rejects",
        ERROR,
        (
            "firewall-cmd --permanent --zone=trusted --add-interface=lwb-acme",
            "firewall-cmd --reload",
            "laneway apply PATH",
        ),
    )
    assert (flushes.rule, flushes.severity, flushes.what) == (
        "firewalld-flushes",
        WARNING,
        "firewalld 1.3.3 runs here, with FirewallBackend=nftables",
    )
    assert (filters.rule, filters.severity, filters.commands[-2:]) == (
        "firewalld-rpfilter",
        WARNING,
        ("systemctl restart firewalld", "laneway apply PATH"),
    )
    trusted = replace(seen, firewalld=Firewalld("nftables", TRUSTED, "no"))
    assert [each.rule for each in judge(trusted, POLICY)] == ["firewalld-flushes"]


def test_a_wider_route_and_laneways_own_links_are_in_nobodys_way() -> None:
    own = LinkSeen("lwb-acme", True, True, 1500, ours=True)  # noqa: FBT003
    underlay = UNDERLAY._replace(
        addresses=(*UNDERLAY.addresses, HostAddress("lwb-acme", prefix("10.0.7.1/24"))),
        routes=(*UNDERLAY.routes, route("10.0.7.0/24", "lwb-acme"), route("10.0.0.0/8", "tun0", "10.9.9.9")),
    )

    assert judge(replace(HEALTHY, links=(*HEALTHY.links, own), underlay=underlay), POLICY) == []


def uplinks(**changes: object) -> PolicySet:
    return with_uplinks(POLICY, NORTH._replace(**changes), SOUTH)  # type: ignore[arg-type]


def only(found: list[Finding]) -> tuple[str, tuple[str, ...]]:
    (one,) = found
    return one.rule, one.commands


def test_a_gateway_to_be_learnt_needs_a_default_route() -> None:
    bare = replace(HEALTHY, underlay=UNDERLAY._replace(routes=UNDERLAY.routes[:4]))

    assert only(judge(bare, uplinks(gateway4=AUTO))) == (
        "gateway-not-known",
        ("ip route add default via GATEWAY dev eth0 metric 4096",),
    )


@pytest.mark.parametrize(("value", "told"), [("0", True), ("1", True), ("2", False)])
def test_a_gateway_to_be_learnt_by_advertisements_needs_them_heard(value: str, *, told: bool) -> None:
    learnt = UNDERLAY._replace(routes=(*UNDERLAY.routes, route("::/0", "eth0", "fe80::1", metric=1024)))
    seen = replace(HEALTHY, underlay=learnt, sysctls=switched(net__ipv6__conf__eth0__accept_ra=value))

    found = judge(seen, uplinks(gateway6=AUTO))

    assert [each.rule for each in found] == ["advertisements-ignored"] * told
    assert [each.commands for each in found] == [("sysctl -w net/ipv6/conf/eth0/accept_ra=2",)] * told


def test_a_source_address_must_be_here_or_routed_here() -> None:
    policy = world(PLAIN._replace(snat=(("north", ip_address("192.0.2.20")), ("south", ip_address("203.0.113.7")))))

    assert only(judge(HEALTHY, policy)) == ("snat-not-here", ("ip addr add 192.0.2.20/32 dev eth0",))


def test_tables_are_measured_against_the_policy() -> None:
    small = {
        "net/netfilter/nf_conntrack_max": "8192",
        "net/netfilter/nf_conntrack_count": "10",
        "net/ipv4/neigh/default/gc_thresh3": "8",
        "net/ipv6/neigh/default/gc_thresh3": "1024",
    }
    policy = crowd(100)._replace(tenants=tuple(each._replace(snat=()) for each in crowd(100).tenants))

    found = judge(replace(HEALTHY, sysctls=HEALTHY.sysctls | small), policy)

    assert {each.rule: each.commands for each in found} == {
        "flows-few": ("sysctl -w net/netfilter/nf_conntrack_max=131072",),
        "neighbours-few": (
            "sysctl -w net/ipv4/neigh/default/gc_thresh3=256",
            "sysctl -w net/ipv4/neigh/default/gc_thresh2=128",
        ),
    }


def test_a_table_of_flows_that_is_nearly_full_is_an_error() -> None:
    full = {"net/netfilter/nf_conntrack_max": "4096", "net/netfilter/nf_conntrack_count": "4000"}

    (found,) = judge(replace(HEALTHY, sysctls=HEALTHY.sysctls | full), POLICY)

    assert (found.rule, found.severity) == ("flows-full", Severity.ERROR)


def test_a_link_that_asks_for_neighbours_wants_a_gateway() -> None:
    without = POLICY._replace(uplinks=(POLICY.uplinks[0]._replace(gateway4="onlink", gateway6="onlink"),))
    asking = replace(HEALTHY, links=tuple(each._replace(resolves=True) for each in HEALTHY.links))

    assert "gateway-missing" in {each.rule for each in judge(asking, without)}
    assert "gateway-missing" not in {each.rule for each in judge(HEALTHY, without)}
    assert "gateway-missing" not in {each.rule for each in judge(asking, POLICY)}


def test_an_ip_rule_in_the_way_is_moved_behind() -> None:
    text = "12345: from 10.1.0.0/16 lookup 7"
    seen = replace(HEALTHY, foreign=Foreign(fib_rules=(*MAIN, ForeignFibRule(4, 12345, text))))
    what = f"ip rule priorities 10000-19999 (host.priorities) are in use: {text}"
    collision = Collision("priority-in-use", what, "move that rule", text)

    assert only(judge(seen, POLICY, Besides(collisions=(collision,)))) == (
        "in-the-way",
        (
            "ip rule add pref 20000 from 10.1.0.0/16 lookup 7",
            "ip rule del pref 12345 from 10.1.0.0/16 lookup 7",
        ),
    )


def test_the_worst_comes_first() -> None:
    seen = replace(HEALTHY, ufw=True, kernel=(4, 19), missing_tools=(("ip", "iproute2"),))

    assert [each.severity for each in judge(seen, POLICY)] == [Severity.ERROR, Severity.WARNING, Severity.INFO]


@pytest.mark.parametrize(
    ("family", "text", "found"),
    [
        (4, "from 10.0.7.0/25 lookup 7", True),
        (4, "from 10.0.0.0/8 lookup 7", True),
        (4, "from 10.9.0.0/16 lookup 7", False),
        (6, "from fd00:0:7::/64 lookup 7", True),
        (4, "from all to 100.64.0.0/10 lookup 52", True),
        (4, "not from all fwmark 0xca6c/0xffffffff lookup 51820", True),
        (4, "from all fwmark 0x80000/0xff0000 lookup main", True),
        (4, "from all fwmark 0x100/0x100 lookup 7", False),
        (4, "from all fwmark 0x0/0x100 lookup 7", True),
        (4, "from all iif eth9 lookup 7", False),
        (4, "from all iif lwb-acme lookup 7", True),
        (4, "from all oif eth0 lookup 7", False),
        (4, "from all uidrange 0-0 lookup 7", False),
        (4, "from all l3mdev lookup 0", False),
        (4, "from all lookup local", False),
        (4, "from all goto 200", False),  # what stands there is judged by itself
        (4, "from all goto 20000", True),
        (4, "from all lookup main suppress_prefixlength 0", True),
    ],
)
def test_which_rules_of_others_tenants_packets_meet_first(family: int, text: str, found: bool) -> None:  # noqa: FBT001
    rules = (*MAIN, ForeignFibRule(family, 100, f"100: {text}"), ForeignFibRule(family, 25000, f"25000: {text}"))
    bridge = LinkSeen("lwb-acme", up=True, carrier=True, mtu=1500, ours=True)
    seen = replace(HEALTHY, foreign=Foreign(fib_rules=rules), links=(*HEALTHY.links, bridge))

    told = [each.what for each in judge(seen, POLICY) if each.rule == "rule-before-lanes"]

    assert told == ([f"IPv{family} rule 100: {text} comes before laneway's rules"] if found else [])


def test_main_needs_no_default_for_a_way_back() -> None:
    seen = replace(HEALTHY, underlay=NO_DEFAULT, sysctls=switched(net__ipv4__conf__all__rp_filter="1"))

    assert "no-way-back" not in {each.rule for each in judge(seen, POLICY)}


def test_the_command_that_applies_is_the_one_of_this_host() -> None:
    seen = replace(HEALTHY, links=link("eth1", up=False))

    (found,) = judge(seen, POLICY, Besides(apply="laneway apply --in-force"))

    assert found.commands == ("ip link set eth1 up", "laneway apply --in-force")


def test_a_port_published_where_the_host_is_not_is_told() -> None:
    (web,) = PLAIN.workloads
    port = Ports(443, 443)
    far = web._replace(publish=(Publish(ip_address("203.0.113.7"), port, port, "tcp", web.source),))
    near = web._replace(publish=(Publish(ip_address("192.0.2.2"), port, port, "tcp", web.source),))

    assert "published-not-here" not in {each.rule for each in judge(HEALTHY, world(PLAIN._replace(workloads=(near,))))}
    found = judge(HEALTHY, world(PLAIN._replace(workloads=(far,))))
    seen = [each for each in found if each.rule == "published-not-here"]
    assert [(each.severity, each.commands) for each in seen] == [(WARNING, ("ip addr add 203.0.113.7/32 dev lo",))]


def test_a_gateway_that_does_not_answer_is_told_with_its_uplink() -> None:
    found = judge(HEALTHY, POLICY, Besides(silent=frozenset({("eth1", bytes([198, 51, 100, 1])), ("eth9", bytes(4))})))

    assert [(each.rule, each.severity, each.what) for each in found] == [
        ("gateway-silent", WARNING, "uplink south: the gateway 198.51.100.1 does not answer on eth1 (ARP)")
    ]
