"""The pytest plugin against a host by ssh, whole and damaged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway
    from integration.verify.conftest import Outside

PAGE = Path(__file__).parents[2] / "src/laneway/pages/howto/verify-hosts.md"
EXAMPLE = Path(__file__).parent / "test_edge.txt"


@pytest.fixture
def edge(laneway: Laneway, outside: Outside, quickstart: Path) -> Outside:
    laneway("apply", quickstart)
    return outside


def failed(said: str) -> set[str]:
    return set(re.findall(r"(?m)^FAILED laneway\[ssh:edge1\]::(.*?) - ", said))


def test_a_host_that_holds_the_policy_passes(edge: Outside, quickstart: Path) -> None:
    done = edge.pytest(quickstart, "-v")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "laneway[ssh:edge1]::acme: published ports PASSED" in done.stdout
    assert "18 passed" in done.stdout


@pytest.mark.parametrize("variant", ["nft"], indirect=True)
@pytest.mark.parametrize(
    ("damage", "expected", "shown"),
    [
        pytest.param(
            "ip rule del pref 10589 fwmark 0x110000/0xffff0000",
            {"acme: lanes", "acme: expectations"},
            "missing: IPv4 ip rule 10589: pref 10589 fwmark 0x110000/0xffff0000 lookup 20017",
            id="a rule deleted",
        ),
        pytest.param(
            "iptables -t mangle -F LANEWAY-MARK",
            {"acme: marks", "acme: expectations", "globex: marks"},
            "different: chain LANEWAY-MARK of mangle (iptables)",
            id="a chain flushed",
        ),
        pytest.param(
            "iptables -t nat -F LANEWAY-DNAT.tcp",
            {"acme: published ports"},
            "--to-destination 10.20.0.10:80",
            id="a published port lost",
        ),
        pytest.param(
            "ip6tables -D FORWARD 1; "
            "ip route replace default via 192.0.2.99 dev eth0 onlink table lw.globex.north proto 147",
            {"acme: isolation", "globex: isolation", "globex: tables"},
            "is default via 192.0.2.99 dev eth0 onlink, should be default via 192.0.2.1 dev eth0 onlink",
            id="the walls gone, a gateway changed",
        ),
    ],
)
def test_a_damaged_host_fails_where_it_is_damaged(  # noqa: PLR0917
    edge: Outside, router: Throwaway, quickstart: Path, damage: str, expected: set[str], shown: str
) -> None:
    router.sh(damage)

    done = edge.pytest(quickstart)

    assert done.returncode == 1
    assert failed(done.stdout) == expected, done.stdout
    assert shown in done.stdout
    assert "Traceback" not in done.stdout
    assert "suite.py" not in done.stdout


def test_the_pages_example_passes_as_it_stands_there(edge: Outside, quickstart: Path) -> None:
    (edge.directory / "test_edge.py").write_text(EXAMPLE.read_text())
    shown = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)

    done = edge.pytest(quickstart, "-v")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_edge.py::test_https_goes_by_south[ssh://edge1] PASSED" in done.stdout
    assert shown == [EXAMPLE.read_text()]


def test_a_failed_assert_shows_the_packets_way(edge: Outside, quickstart: Path) -> None:
    test = """
def test_it(laneway):
    told = laneway.tenant("acme").egress("203.0.113.9", tcp=443)
    assert told.uplink == "north"
"""
    (edge.directory / "test_own.py").write_text(test)

    done = edge.pytest(quickstart, "test_own.py", "-m", "not laneway")

    assert done.returncode == 1
    assert "'south' == 'north'" in done.stdout
    assert "acme/web → 203.0.113.9 tcp/443: delivered by south, seen as 198.51.100.2" in done.stdout


def test_a_host_that_cannot_be_read_fails_in_words(edge: Outside, quickstart: Path) -> None:
    (edge.directory.parent / "bin" / "ssh").write_text("#!/bin/sh\necho no route to edge1 >&2; exit 255\n")

    done = edge.pytest(quickstart, "-m", "laneway")

    assert done.returncode == 1
    assert "no route to edge1" in done.stdout
    assert "Traceback" not in done.stdout
