"""Whether programs that set up links would set up laneway's, read from their files as they read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from laneway.kernel.link_managers import connman_takes, dhcpcd_takes, networkd_takes
from tests.doctor.test_other_software import write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("match", "takes"),
    [
        ("Type=ether", True),
        ("Name=*", True),
        ("", True),
        ("Kind=veth", True),
        ("Driver=bridge", True),
        ("Name=eth* en*", False),
        ("Name=!lwb-* lwv*", False),
        ("Name=!eth0", True),
        ("Type=ether\nMACAddress=02:00:00:00:00:01", False),
        ("Type=wlan", False),
        ("Type=ether\nKind=!veth bridge", False),
    ],
)
def test_a_file_of_networkd(tmp_path: Path, match: str, takes: bool) -> None:  # noqa: FBT001
    write(tmp_path, "usr/lib/systemd/network/80-all.network", f"[Match]\n{match}\n\n[Network]\nDHCP=yes\n")

    assert networkd_takes(tmp_path) == ("/usr/lib/systemd/network/80-all.network" if takes else "")


def test_the_first_file_that_matches_counts(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/network/20-all.network", "[Match]\nType=ether\n[Network]\nDHCP=yes\n")
    write(tmp_path, "run/systemd/network/05-laneway.network", "[Match]\nName=lwb-* lwv*\n[Link]\nUnmanaged=yes\n")

    assert networkd_takes(tmp_path) == ""


def test_what_lets_the_bridges_be_alone_is_not_enough(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/network/20-all.network", "[Match]\nType=ether\n[Network]\nDHCP=yes\n")
    write(tmp_path, "etc/systemd/network/05-laneway.network", "[Match]\nName=lwb-*\n[Link]\nUnmanaged=yes\n")

    assert networkd_takes(tmp_path) == "/etc/systemd/network/20-all.network"


def test_a_file_that_is_masked_is_none(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/systemd/network/80-all.network", "[Match]\nType=ether\n")
    write(tmp_path, "etc/systemd/network/80-all.network", "")

    assert networkd_takes(tmp_path) == ""


@pytest.mark.parametrize(
    ("settings", "command", "takes"),
    [
        ("", "/usr/sbin/dhcpcd -q -b ", True),
        ("", "dhcpcd: [manager] [ip4] [ip6] ", True),
        ("", "dhcpcd: eth0 [ip4] ", False),
        ("", "/usr/sbin/dhcpcd -4 eth0 ", False),
        ("denyinterfaces lwv* lwb-*", "dhcpcd ", False),
        ("denyinterfaces veth*,lwv*", "dhcpcd ", True),
        ("allowinterfaces eth0 eth1", "dhcpcd ", False),
        ("#denyinterfaces lwv* lwb-*", "dhcpcd ", True),
        ("interface eth0\ndenyinterfaces lwv* lwb-*", "dhcpcd ", True),
    ],
)
def test_dhcpcd(tmp_path: Path, settings: str, command: str, takes: bool) -> None:  # noqa: FBT001
    write(tmp_path, "etc/dhcpcd.conf", f"duid\n{settings}\n")
    links = frozenset({"lo", "eth0", "lwb-acme"})

    assert dhcpcd_takes(tmp_path, {"dhcpcd": (command,)}, links) is takes
    assert not dhcpcd_takes(tmp_path, {}, links)


def test_connman(tmp_path: Path) -> None:
    assert connman_takes(tmp_path)

    write(tmp_path, "etc/connman/main.conf", "[General]\nNetworkInterfaceBlacklist=vmnet,lwv, lwb-\n")

    assert not connman_takes(tmp_path)
