"""Firewalls of others': firewalld with its bus, netfilter-persistent, nftables.service's file, ufw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from integration.beside.machine import Machine

# Packages' scripts would have made the user. Without polkit firewalld obeys root.
_BUS = """
mkdir -p /run/dbus
rm -f /usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service
grep -q ^messagebus: /etc/passwd || echo messagebus:x:64999:65534::/nonexistent:/usr/sbin/nologin >> /etc/passwd
sed -i 's/^FirewallBackend=.*/FirewallBackend={backend}/' /etc/firewalld/firewalld.conf
"""


@dataclass(frozen=True)
class Firewalld:
    """firewalld as its unit starts it."""

    host: Machine
    backend: str  # nftables or iptables

    def prepare(self) -> None:
        """Start the bus that firewalld is asked by."""
        self.host.sh(_BUS.format(backend=self.backend))
        self.host.start(
            "dbus", "dbus-daemon --system --nofork --nopidfile", ready="test -S /run/dbus/system_bus_socket"
        )

    def start(self) -> None:
        """Start it."""
        self.host.start("firewalld", "/usr/sbin/firewalld --nofork --nopid", ready="firewall-cmd --state")

    def stop(self) -> None:
        """Stop it."""
        self.host.stop("firewalld")

    def command(self, *words: str) -> None:
        """Run firewall-cmd."""
        self.host.run(["firewall-cmd", *words])


# What the package's script does when it is installed.
_UFW = """
for rules in before after user; do
    cp /usr/share/ufw/iptables/$rules.rules /usr/share/ufw/iptables/${rules}6.rules /etc/ufw/
done
cp /usr/share/ufw/before.init /usr/share/ufw/after.init /usr/share/ufw/ufw.conf /etc/ufw/
"""


def install_ufw(host: Machine) -> None:
    """Give ufw the files that it begins with, and have it enabled: all forwarding is dropped, pings pass."""
    host.sh(_UFW)
    host.sh("ufw --force enable")
