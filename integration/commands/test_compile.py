"""The files of compile, fed to the tools they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

FEED = """
cd /run/compiled
cp rt_tables.conf /etc/iproute2/rt_tables.d/laneway.conf
echo 147 laneway > /etc/iproute2/rt_protos.d/laneway.conf
ip -batch ip.batch
ip -6 -batch ip6.batch
sysctl -q -p sysctl.conf
ipset restore < ipset.restore
iptables-restore -w 5 --noflush < iptables.restore
ip6tables-restore -w 5 --noflush < ip6tables.restore
nft -f nftables.nft
"""


def test_the_plain_tools_take_the_files_and_make_of_them_what_apply_makes(
    router: Throwaway, laneway: Laneway, hosting: Path
) -> None:
    laneway("apply", hosting)
    applied = {name: router.sh(command) for name, command in LOOK.items()}
    laneway("destroy")
    laneway("compile", hosting, "-o", "/run/compiled")

    router.sh(FEED)

    for name, command in LOOK.items():
        assert router.sh(command).splitlines() == applied[name].splitlines()


# What main knows by an uplink, and what a sysctl was before, no file can know.
LOOK = {
    "rules": "(ip rule; ip -6 rule) | grep -v ^32768:",
    "routes": "for f in -4 -6; do ip $f route show table all proto 147 | grep -vE 'lw._host|^[0-9].* eth. table' |"
    " sort; done",
    "sets": "ipset save | sed 's/ initval [^ ]*//; s/ hashsize [0-9]*//' | sort",
    "native": "nft list table inet laneway",
    "chains": "(iptables-save; ip6tables-save) | grep '^-A LANEWAY-' | grep -v PRIOR | sort",
}
