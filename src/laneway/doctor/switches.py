"""Sysctls and ip rules of the host's own that tenants' packets depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import error, info, sysctl, warning
from laneway.policy.model import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.doctor.finding import Finding
    from laneway.plan.answers import Unheard
    from laneway.policy.model import PolicySet, Uplink
    from laneway.state.diagnosis import Diagnosis
    from laneway.state.facts import ForeignFibRule

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
MAIN_PRIORITY = 32766
ON = "1"
STRICT = "1"


def judge(seen: Diagnosis, policy: PolicySet | None) -> Iterator[Finding]:
    """Yield findings about switches, those that laneway turns by itself as information until it is in force."""
    families: set[int] = {each.version for tenant in policy.tenants for each in tenant.subnets} if policy else set()
    yield from _default_rules(seen)
    yield from _main_before_lanes(seen, policy)
    yield from _forwarding(seen, families)
    yield from _localnet(seen)
    yield from _bridged(seen)
    if 6 in families and seen.sysctls.get("net/ipv6/conf/all/disable_ipv6") == ON:  # noqa: PLR2004
        why = "tenants have IPv6 subnets"
        command = sysctl("net/ipv6/conf/all/disable_ipv6", 0)
        yield error("ipv6-off", "IPv6 is turned off on this host", why, command)
    for uplink in policy.uplinks if policy else ():
        yield from _uplink(seen, uplink, families)


def answers(unheard: Iterable[Unheard]) -> Iterator[Finding]:
    """Yield what of the operator's own routing the answers of the host's services no longer follow."""
    for each in unheard:
        why = "whoever is reached by that alone, an operator behind a VPN say, gets no answer from this host any more"
        yield warning("answers-elsewhere", each.what, why, *each.commands)


def _default_rules(seen: Diagnosis) -> Iterator[Finding]:
    if not seen.foreign.fib_rules:
        return  # not looked at
    for family, command in ((4, "ip rule"), (6, "ip -6 rule")):
        if not any(each.family == family and _is_mains(each) for each in seen.foreign.fib_rules):
            yield error(
                "main-not-looked-up",
                f"no IPv{family} rule looks up table main",
                f"somebody deleted the kernel's own rule {MAIN_PRIORITY}: this host reaches nobody by IPv{family}",
                f"{command} add pref {MAIN_PRIORITY} lookup main",
            )


def _main_before_lanes(seen: Diagnosis, policy: PolicySet | None) -> Iterator[Finding]:
    """Yield the rules that send every packet by table main before laneway's own rules are asked."""
    for rule in seen.foreign.fib_rules if policy else ():
        if policy and rule.priority < policy.host.priorities[0] and rule.text.endswith(": from all lookup main"):
            command = "ip rule" if rule.family == 4 else "ip -6 rule"  # noqa: PLR2004
            others = (each for each in seen.foreign.fib_rules if each != rule and each.family == rule.family)
            kept = any(_is_mains(each) for each in others)
            yield error(
                "main-before-lanes",
                f"IPv{rule.family} rule {rule.priority} looks up table main before laneway's rules",
                "tenants' packets go as main says: those whose lane is by another uplink are refused there",
                *([] if kept else [f"{command} add pref {MAIN_PRIORITY} lookup main"]),
                f"{command} del pref {rule.priority} lookup main",
            )


def _is_mains(rule: ForeignFibRule) -> bool:
    """Return whether a rule looks up table main for everybody, or for all but some."""
    what = rule.text.partition(": ")[2]
    return what == "from all lookup main" or (what.startswith("not ") and what.endswith(" lookup main"))


def _forwarding(seen: Diagnosis, families: set[int]) -> Iterator[Finding]:
    for family, key in FORWARDING.items():
        if family not in families or seen.sysctls.get(key) != "0":
            continue
        what = f"IPv{family} forwarding is off"
        if seen.in_force:
            yield error("forwarding-off", what, "laneway had turned it on: somebody turned it off", sysctl(key, 1))
        else:
            yield info("forwarding-off", what, "apply turns it on, and destroy turns it off again")


def _localnet(seen: Diagnosis) -> Iterator[Finding]:
    for key, value in sorted(seen.sysctls.items()):
        link = key.split("/")[-2]
        if key.endswith("/route_localnet") and value == ON:
            where = {"all": "every link", "default": "every link made from now on"}.get(link, link)
            yield error(
                "localnet-routed",
                f"route_localnet is on for {where}",
                "packets for 127.0.0.0/8 are then taken from the network: who sits beside this host reaches services "
                "that listen on localhost alone (CVE-2020-8558)",
                sysctl(key, 0),
            )


def _bridged(seen: Diagnosis) -> Iterator[Finding]:
    keys = [key for key in sorted(seen.sysctls) if "bridge-nf-call" in key and seen.sysctls[key] == ON]
    if keys:
        yield info(
            "bridge-nf",
            f"iptables sees what is bridged ({', '.join(key.rpartition('/')[2] for key in keys)})",
            "laneway lets pass what stays on a tenant's bridge; it costs some speed between the tenant's workloads",
            *(sysctl(key, 0) for key in keys),
        )


def _uplink(seen: Diagnosis, uplink: Uplink, families: set[int]) -> Iterator[Finding]:
    name, values = uplink.interface, seen.sysctls
    key = f"net/ipv4/conf/{name}/rp_filter"
    if 4 in families and uplink.gateway4 is not None and key in values:  # noqa: PLR2004
        strict = max(values.get("net/ipv4/conf/all/rp_filter", "0"), values[key]) == STRICT
        if strict:
            yield _strict(key, uplink, in_force=seen.in_force)
    if uplink.gateway6 is None:
        return
    if values.get(f"net/ipv6/conf/{name}/disable_ipv6") == ON:
        command = sysctl(f"net/ipv6/conf/{name}/disable_ipv6", 0)
        what = f"uplink {uplink.name}: IPv6 is turned off on {name}"
        yield error("ipv6-off", what, "the policy gives it an IPv6 gateway", command)
    yield from _advertisements(seen, uplink)


def _strict(key: str, uplink: Uplink, *, in_force: bool) -> Finding:
    what = f"uplink {uplink.name}: rp_filter is strict on {uplink.interface}"
    if in_force:
        why = "it drops answers that come in where the main table would not send to; laneway had set it to loose"
        return error("reverse-path-strict", what, why, sysctl(key, 2))
    return info("reverse-path-strict", what, "apply sets it to loose, and destroy sets it back")


def _advertisements(seen: Diagnosis, uplink: Uplink) -> Iterator[Finding]:
    """Yield findings about a gateway that is learnt: who forwards ignores advertisements unless told 2."""
    key = f"net/ipv6/conf/{uplink.interface}/accept_ra"
    value = seen.sysctls.get(key)
    forwards = seen.sysctls.get(FORWARDING[6]) == ON
    if uplink.gateway6 == AUTO and (value == "0" or (value == ON and forwards)):
        yield warning(
            "advertisements-ignored",
            f"uplink {uplink.name}: {uplink.interface} ignores router advertisements (accept_ra is {value}"
            f"{', and the host forwards' if forwards and value == ON else ''})",
            'its IPv6 gateway is to be learnt from them (gateways = "auto"): once the route it has now ends, so does '
            "tenants' IPv6; a program such as systemd-networkd may listen in the kernel's place",
            sysctl(key, 2),
        )
