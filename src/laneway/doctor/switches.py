"""Sysctls of the host's own that tenants' packets depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import error, info, sysctl, warning
from laneway.policy.model import AUTO
from laneway.state.prefix import IPV4
from laneway.state.routing import RouteKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.doctor.finding import Finding
    from laneway.policy.model import PolicySet, Uplink
    from laneway.state.diagnosis import Diagnosis

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
ON = "1"
STRICT = "1"


def judge(seen: Diagnosis, policy: PolicySet | None) -> Iterator[Finding]:
    """Yield findings about switches, those that laneway turns by itself as information until it is in force."""
    families: set[int] = {each.version for tenant in policy.tenants for each in tenant.subnets} if policy else set()
    yield from _forwarding(seen, families)
    yield from _localnet(seen)
    yield from _bridged(seen)
    if 6 in families and seen.sysctls.get("net/ipv6/conf/all/disable_ipv6") == ON:  # noqa: PLR2004
        why = "tenants have IPv6 subnets"
        command = sysctl("net/ipv6/conf/all/disable_ipv6", 0)
        yield error("ipv6-off", "IPv6 is turned off on this host", why, command)
    for uplink in policy.uplinks if policy else ():
        yield from _uplink(seen, uplink, families)
    yield from _refused_way_back(seen, families)


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
    forwards = f"net/ipv4/conf/{name}/forwarding"
    if 4 in families and values.get(FORWARDING[4]) == ON and values.get(forwards) == "0":  # noqa: PLR2004
        what = f"uplink {uplink.name}: IPv4 forwarding is off on {name}"
        yield error("forwarding-off", what, "no answer that comes in there reaches a tenant", sysctl(forwards, 1))
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


def _refused_way_back(seen: Diagnosis, families: set[int]) -> Iterator[Finding]:
    """Yield defaults of main that refuse: what laneway has for when main has no default comes behind main.

    rp_filter asks for a way back to whoever sends to a tenant (IPv4), answers of the host's own are routed by it.
    """
    for family in sorted(families):
        defaults = sorted(
            (each for each in seen.underlay.routes if not each.to.length and each.to.family == family),
            key=lambda each: each.metric,
        )
        for at, refusing in enumerate(each for each in defaults if each.kind is not RouteKind.UNICAST):
            if at:
                break  # the first one is asked
            metric = f" metric {refusing.metric}" if refusing.metric else ""
            command = f"ip -{family} route del {refusing.kind} default{metric}"
            lost = (
                "every answer to a tenant, and the host's own" if family == IPV4 else "every answer of the host's own"
            )
            if refusing == defaults[0]:
                what = f"main's IPv{family} default route is {refusing.kind}"
                yield error("no-way-back", what, f"the kernel finds no route back to outside: {lost} is lost", command)
            else:
                yield warning(
                    "no-way-back",
                    f"main's last IPv{family} default route is {refusing.kind}",
                    f"once the uplink of main's other default fails, {lost} is lost, by all other uplinks too; without "
                    "this route they go on",
                    command,
                )


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
