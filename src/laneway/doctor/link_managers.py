"""Programs that set up links by themselves, laneway's among them, and the settings by which they leave those alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import APPLY, error, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.doctor.finding import Finding
    from laneway.state.diagnosis import Diagnosis

NETWORKD_DROP_IN = "/etc/systemd/networkd.conf.d/laneway.conf"
NETWORKD_FILE = "/etc/systemd/network/05-laneway.network"
NETWORKMANAGER_DROP_IN = "/etc/NetworkManager/conf.d/90-laneway.conf"
OUR_LINKS = ("lwb-*", "lwv*")


def judge(seen: Diagnosis) -> Iterator[Finding]:
    """Yield findings about those that run here."""
    if "systemd-networkd" in seen.running:
        yield from _foreign(seen)
        yield from _takes(seen)
    if "NetworkManager" in seen.running:
        yield from _networkmanager(seen)
    if seen.dhcpcd_takes:
        yield error(
            "dhcpcd-takes-links",
            "dhcpcd runs here for every link, tenants' too (/etc/dhcpcd.conf denies none of them)",
            "it asks for leases on them: a workload that answers gives this host an address and routes",
            "sed -i '1i denyinterfaces lwv* lwb-*' /etc/dhcpcd.conf",
            "systemctl restart dhcpcd",
        )
    if seen.connman_takes:
        yield warning(
            "connman-takes-links",
            "connman runs here and is not told to leave laneway's links alone",
            "it sets them up as it does others: addresses and routes of its own come to tenants' links",
            hint="add lwb-,lwv to NetworkInterfaceBlacklist of [General] in /etc/connman/main.conf; restart connman",
        )


def _foreign(seen: Diagnosis) -> Iterator[Finding]:
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
        *([APPLY] if seen.in_force else []),
    )


def _takes(seen: Diagnosis) -> Iterator[Finding]:
    if not seen.networkd_file:
        return
    yield error(
        "networkd-takes-links",
        f"systemd-networkd sets up laneway's links by {seen.networkd_file}",
        "it takes workloads' links out of their bridges, and gives them addresses and routes of its own",
        f"mkdir -p {NETWORKD_FILE.rpartition('/')[0]}",
        rf"printf '[Match]\nName=lwb-* lwv*\n\n[Link]\nUnmanaged=yes\n' > {NETWORKD_FILE}",
        "networkctl reload",
        *([APPLY] if seen.in_force else []),
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
