"""Other software that rules over the host's network, and what it does to laneway's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import error, info, warning
from laneway.policy.names import bridge_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.doctor.finding import Finding
    from laneway.policy.model import PolicySet
    from laneway.state.diagnosis import Diagnosis, Firewalld

NETWORKD_DROP_IN = "/etc/systemd/networkd.conf.d/laneway.conf"
NETWORKMANAGER_DROP_IN = "/etc/NetworkManager/conf.d/90-laneway.conf"
OUR_LINKS = ("lwb-*", "lwv*")
SHOWN = 20
"""Bridges named in one command."""


def judge(seen: Diagnosis, policy: PolicySet | None) -> Iterator[Finding]:
    """Yield findings about whatever else runs here."""
    if "systemd-networkd" in seen.running:
        yield from _networkd(seen)
    if "NetworkManager" in seen.running:
        yield from _networkmanager(seen)
    if "firewalld" in seen.running and seen.firewalld is not None:
        yield from _firewalld(seen.firewalld, policy)
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
            "its FORWARD policy DROP does tenants no harm: laneway's chains stand before it, and take tenants' packets "
            "alone",
        )


def _networkd(seen: Diagnosis) -> Iterator[Finding]:
    settings = seen.networkd
    if settings is None or not (settings.manages_rules or settings.manages_routes):
        return
    missing = [
        *(["ManageForeignRoutingPolicyRules"] if settings.manages_rules else []),
        *(["ManageForeignRoutes"] if settings.manages_routes else []),
    ]
    yield error(
        "networkd-foreign",
        f"systemd-networkd runs here without {' and '.join(f'{each}=no' for each in missing)}",
        "whenever it starts, or a link comes, it deletes ip rules and routes that are not its own: laneway's too, and "
        "tenants are refused until the next apply",
        f"mkdir -p {NETWORKD_DROP_IN.rpartition('/')[0]}",
        rf"printf '[Network]\nManageForeignRoutingPolicyRules=no\nManageForeignRoutes=no\n' > {NETWORKD_DROP_IN}",
        "systemctl restart systemd-networkd",
    )


def _networkmanager(seen: Diagnosis) -> Iterator[Finding]:
    if set(OUR_LINKS) <= seen.networkmanager_leaves:
        return
    patterns = ";".join(f"interface-name:{each}" for each in OUR_LINKS)
    yield warning(
        "networkmanager-manages",
        "NetworkManager runs here and is not told to leave laneway's links alone",
        "a profile without an interface name, or `nmcli device connect`, makes it take over a bridge and its addresses",
        rf"printf '[keyfile]\nunmanaged-devices+={patterns}\n' > {NETWORKMANAGER_DROP_IN}",
        "systemctl reload NetworkManager",
    )


def _firewalld(settings: Firewalld, policy: PolicySet | None) -> Iterator[Finding]:
    if settings.backend == "iptables":
        yield error(
            "firewalld-flushes",
            "firewalld runs here with FirewallBackend=iptables",
            "at every start and reload it flushes all of iptables: laneway's chains too, and tenants are refused until "
            "the next apply",
            "sed -i 's/^FirewallBackend=.*/FirewallBackend=nftables/' /etc/firewalld/firewalld.conf",
            "systemctl restart firewalld",
        )
        return
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
    )
