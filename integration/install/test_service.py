"""`laneway service`: files and links below /etc, as systemd itself judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import Laneway

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

UNITS = ("laneway-pending.service", "laneway-boot.service", "laneway-uplinks.service", "laneway.service")
FOUND = "find /etc -newer /run/before \\( -type f -o -type l \\) | sort"


@pytest.fixture
def plain(throwaway: Throwaway) -> Laneway:
    """A host with laneway in /opt, without network managers of its own."""
    throwaway.sh("mkdir -p /run/bin; touch /run/before; sleep 0.02")
    return Laneway(throwaway)


def test_install_and_remove_leave_the_host_as_it_was(plain: Laneway) -> None:
    host = plain.host
    before = host.sh("find /etc | sort")

    first = plain("service", "install")
    assert f"enabled: {', '.join(UNITS)}" in first.stdout
    wanted = host.sh("ls -l /etc/systemd/system/multi-user.target.wants")
    assert all(f"/etc/systemd/system/{unit}" in wanted for unit in UNITS)
    host.sh("systemd-analyze verify --man=no " + " ".join(f"/etc/systemd/system/{unit}" for unit in UNITS))
    assert "written" not in plain("service", "install").stdout

    shown = plain("service", "show").stdout
    assert "# /etc/systemd/system/nftables.service.d/laneway.conf" in shown

    plain("service", "remove")
    assert host.sh("find /etc | sort") == before
    assert "no unit was enabled" in plain("service", "remove").stdout


def test_a_file_of_somebody_else_stays(plain: Laneway) -> None:
    host = plain.host
    host.sh("mkdir -p /etc/systemd/system; echo '# mine' > /etc/systemd/system/laneway-boot.service")

    refused = plain("service", "install", code=7)

    assert "somebody else wrote /etc/systemd/system/laneway-boot.service" in refused.stderr
    plain("service", "remove")
    assert host.sh("cat /etc/systemd/system/laneway-boot.service") == "# mine\n"
