"""Other firewalls on the host, and what they do to tenants' packets and to laneway's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import APPLY, error, info, warning
from laneway.policy.names import bridge_name
from laneway.state.prefix import IPV6

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.doctor.finding import Finding
    from laneway.policy.model import PolicySet
    from laneway.state.diagnosis import Diagnosis, Firewalld

RESTART = ("systemctl restart firewalld", APPLY)
"""A restart, and a reload, take laneway's rules away: what must follow stands beside it."""

SHOWN = 20
"""Bridges named in one command."""

SEVERAL = 2


def judge(seen: Diagnosis, policy: PolicySet | None) -> Iterator[Finding]:
    """Yield findings about firewalld, ufw and Docker."""
    if "firewalld" in seen.running and seen.firewalld is not None:
        yield _flushes(seen.firewalld)
        if seen.firewalld.backend != "iptables":
            yield from _rejects(seen.firewalld, policy)
        yield from _reverse_filter(seen.firewalld, policy)
    if seen.ufw:
        yield info(
            "ufw",
            "ufw is enabled",
            "its rules stand behind laneway's: that it drops what is forwarded does tenants no harm, and it reloads "
            "its own chains alone",
        )
    if "dockerd" in seen.running:
        yield info(
            "docker",
            "Docker runs here",
            "its FORWARD policy DROP does tenants no harm, since laneway's chains stand before it; when it starts, or "
            "makes a network, it puts its own before them, until the next apply",
        )


def _flushes(settings: Firewalld) -> Finding:
    version = f" {settings.version}" if settings.version else ""
    return warning(
        "firewalld-flushes",
        f"firewalld{version} runs here, with FirewallBackend={settings.backend}",
        "whenever it starts, stops or is reloaded it flushes all of iptables, whatever FlushAllOnReload says: "
        "laneway's chains too, and until the next apply tenants reach each other, or nobody",
        hint=f"`laneway service install` has systemd apply it again; after each `firewall-cmd --reload`: {APPLY}",
    )


def _rejects(settings: Firewalld, policy: PolicySet | None) -> Iterator[Finding]:
    bridges = [bridge_name(each.name) for each in policy.tenants] if policy else []
    left = [each for each in bridges if each not in settings.trusted]
    if not left:
        return
    batches = [left[start : start + SHOWN] for start in range(0, len(left), SHOWN)]
    yield error(
        "firewalld-rejects",
        f"firewalld runs here, and {len(left)} of {len(bridges)} tenants' bridges are not in its zone trusted",
        "its own nftables chains see every packet after laneway's, and reject what is forwarded from a zone that is "
        "not trusted; an accept of laneway's does not help against that",
        *(
            f"firewall-cmd --permanent --zone=trusted {' '.join(f'--add-interface={each}' for each in batch)}"
            for batch in batches
        ),
        "firewall-cmd --reload",
        APPLY,
    )


def _reverse_filter(settings: Firewalld, policy: PolicySet | None) -> Iterator[Finding]:
    uplinks = [each.name for each in policy.uplinks if each.gateway6 is not None] if policy else []
    families = {net.version for tenant in policy.tenants for net in tenant.subnets} if policy else set()
    strict = settings.backend != "iptables" and settings.ipv6_rpfilter in ("yes", "strict")
    if len(uplinks) >= SEVERAL and IPV6 in families and strict:
        yield warning(
            "firewalld-rpfilter",
            f"firewalld runs here with IPv6_rpfilter={settings.ipv6_rpfilter}, and there are {len(uplinks)} uplinks",
            "it drops IPv6 that comes in where table main would not send the answer: the host's own services are not "
            "reached by an uplink that is not main's default",
            "sed -i '/^IPv6_rpfilter=/d; $a IPv6_rpfilter=no' /etc/firewalld/firewalld.conf",
            *RESTART,
        )
