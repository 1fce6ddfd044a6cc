"""How other software is set up, read from its files as it reads them itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.kernel import other_software
from laneway.state.diagnosis import Firewalld, Networkd

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_networkd_manages_all_unless_told_not_to(tmp_path: Path) -> None:
    assert other_software.networkd(tmp_path) == Networkd(manages_rules=True, manages_routes=True)


def test_the_last_drop_in_counts(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/networkd.conf", "[Network]\n#ManageForeignRoutes=yes\nManageForeignRoutes=no\n")
    write(tmp_path, "usr/lib/systemd/networkd.conf.d/20-all.conf", "[Network]\nManageForeignRoutes=yes\n")
    write(tmp_path, "etc/systemd/networkd.conf.d/10-laneway.conf", "[Network]\nManageForeignRoutingPolicyRules = no\n")

    assert other_software.networkd(tmp_path) == Networkd(manages_rules=False, manages_routes=True)


def test_a_drop_in_of_the_same_name_takes_the_place_of_the_vendors(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/systemd/networkd.conf.d/a.conf", "[Network]\nManageForeignRoutes=no\n")
    write(tmp_path, "etc/systemd/networkd.conf.d/a.conf", "[Network]\n")

    assert other_software.networkd(tmp_path).manages_routes


def test_a_file_that_is_no_file_of_settings_says_nothing(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/networkd.conf", "ManageForeignRoutes=no\n\0[[[\n")

    assert other_software.networkd(tmp_path).manages_routes


def test_ufw(tmp_path: Path) -> None:
    assert not other_software.ufw_enabled(tmp_path)

    write(tmp_path, "etc/ufw/ufw.conf", "# comment\nENABLED=yes\nLOGLEVEL=low\n")

    assert other_software.ufw_enabled(tmp_path)


def test_firewalld(tmp_path: Path) -> None:
    assert other_software.firewalld(tmp_path) == Firewalld("nftables")

    write(tmp_path, "etc/firewalld/firewalld.conf", "# FirewallBackend=x\nFirewallBackend=iptables\n")
    write(tmp_path, "etc/firewalld/zones/trusted.xml", '<zone><interface name="lwb-acme"/></zone>')

    assert other_software.firewalld(tmp_path) == Firewalld("iptables", frozenset({"lwb-acme"}))


def test_networkmanager(tmp_path: Path) -> None:
    write(
        tmp_path,
        "etc/NetworkManager/conf.d/90-laneway.conf",
        "[keyfile]\nunmanaged-devices+=interface-name:lwb-*;interface-name:lwv*\n",
    )

    assert other_software.left_by_networkmanager(tmp_path) == {"lwb-*", "lwv*"}
