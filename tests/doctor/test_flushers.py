"""What takes rules of others away when it starts is found in the files it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from laneway.kernel import flushers
from laneway.state.diagnosis import Flusher
from tests.doctor.test_other_software import write

if TYPE_CHECKING:
    from pathlib import Path

WANTS = "etc/systemd/system/{}.target.wants/{}.service"


def enable(root: Path, service: str, target: str = "multi-user") -> None:
    write(root, WANTS.format(target, service), "")


def test_nftables_that_flushes(tmp_path: Path) -> None:
    write(tmp_path, "etc/nftables.conf", "#!/usr/sbin/nft -f\n\nflush ruleset\n")
    assert flushers.read(tmp_path) == ()

    enable(tmp_path, "nftables", "sysinit")

    assert flushers.read(tmp_path) == (Flusher("nftables.service", "/etc/nftables.conf", "flush ruleset"),)


def test_nftables_that_flushes_in_a_file_it_includes(tmp_path: Path) -> None:
    enable(tmp_path, "nftables")
    write(tmp_path, "etc/nftables.conf", '# flush ruleset\ninclude "/etc/nftables.d/*.nft"\n')
    assert flushers.read(tmp_path) == ()

    write(tmp_path, "etc/nftables.d/a.nft", 'include "/etc/nftables.conf"\n')  # in a circle
    write(tmp_path, "etc/nftables.d/b.nft", "flush   ruleset\n")

    assert [each.file for each in flushers.read(tmp_path)] == ["/etc/nftables.d/b.nft"]


@pytest.mark.parametrize(
    ("saved", "what"),
    [
        ("*filter\nCOMMIT\n", "rules without laneway's"),
        ("*filter\n:LANEWAY-FORWARD - [0:0]\nCOMMIT\n", "rules of laneway's as they were then"),
    ],
)
def test_saved_rules(tmp_path: Path, saved: str, what: str) -> None:
    write(tmp_path, "etc/iptables/rules.v6", saved)
    assert flushers.read(tmp_path) == ()

    enable(tmp_path, "netfilter-persistent")

    assert flushers.read(tmp_path) == (Flusher("netfilter-persistent.service", "/etc/iptables/rules.v6", what),)


def test_shorewall_and_ufw(tmp_path: Path) -> None:
    enable(tmp_path, "shorewall6")
    write(tmp_path, "etc/default/ufw", "MANAGE_BUILTINS = yes\n")

    assert [each.program for each in flushers.read(tmp_path)] == ["shorewall6.service", "ufw"]


@pytest.mark.parametrize(
    ("name", "line", "what"),
    [
        (
            "etc/systemd/system/fw.service",
            "ExecStart=/sbin/iptables-restore /etc/fw.rules",
            "iptables-restore /etc/fw.rules",
        ),
        ("etc/cron.d/fw", "@reboot root ip6tables-legacy-restore < /etc/fw6", "ip6tables-legacy-restore < /etc/fw6"),
        ("etc/network/interfaces", "  pre-up iptables-restore < /etc/fw", "iptables-restore < /etc/fw"),
        ("etc/network/if-pre-up.d/fw", "iptables -t mangle -F", "iptables -t mangle -F"),
        ("etc/rc.local", "nft flush ruleset && nft -f /etc/x", "nft flush ruleset"),
        ("etc/rc.local", "iptables -F MY-CHAIN", ""),
        ("etc/rc.local", "# iptables -F", ""),
        ("etc/rc.local", "iptables-restore --noflush < /etc/fw", ""),
        ("etc/rc.local", "iptables-restore -n /etc/fw", ""),
        ("etc/rc.local", "iptables-restore < /etc/fw; laneway apply /etc/laneway", ""),
    ],
)
def test_scripts(tmp_path: Path, name: str, line: str, what: str) -> None:
    write(tmp_path, name, f"#!/bin/sh\n{line}\n")

    assert flushers.read(tmp_path) == ((Flusher("a script", f"/{name}", what),) if what else ())
