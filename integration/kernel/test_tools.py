"""Other programs, commands inside a workload, and forgotten flows."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from integration.kernel.samples import NETNS, creation, linux, one_of_everything
from laneway.errors import HostRefused
from laneway.kernel.conntrack import forget
from laneway.kernel.enter import run_in_netns
from laneway.kernel.tools import run_tool
from laneway.state.marks import FwMark

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

MASK = 0xFFFF0000


def test_a_tool_answers_with_status_and_output() -> None:
    done = run_tool(["sh", "-c", "cat; echo oops >&2; exit 3"], input="hello")

    assert (done.returncode, done.stdout, done.stderr) == (3, "hello", "oops\n")


def test_a_tool_gets_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPTABLES_LIB_DIR", "/evil")
    monkeypatch.setenv("PATH", "/evil")

    assert {line.partition("=")[0] for line in run_tool(["env"]).stdout.splitlines()} == {"PATH", "LC_ALL"}


def test_a_tool_without_input_reads_nothing() -> None:
    assert run_tool(["cat"]).stdout == ""


def test_a_missing_tool_is_refused_with_the_package_that_has_it() -> None:
    with pytest.raises(HostRefused, match="this host has no program ip6tables-none-save") as caught:
        run_tool(["ip6tables-none-save"])
    assert caught.value.hint == "apt-get install iptables"


def test_a_tool_that_hangs_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(HostRefused, match=r"^sleep 30 did not end within 0.2 seconds$"):
        run_tool(["sleep", "30"], timeout=0.2)
    assert time.monotonic() - started < 5


def test_a_command_runs_inside_a_workload(throwaway: Throwaway) -> None:
    throwaway.call(lambda: linux().run(creation(one_of_everything())))

    def inside() -> bytes:
        reading, writing = os.pipe()
        if not os.fork():
            os.dup2(writing, 1)
            run_in_netns(NETNS, ["sh", "-c", "ls /sys/class/net; cat /etc/resolv.conf"])
        os.close(writing)
        os.wait()
        return os.read(reading, 4096)

    assert throwaway.call(inside).decode().split() == [
        "eth0",
        "lo",
        "#",
        "laneway",
        "tenant=acme",
        "nameserver",
        "10.20.0.53",
    ]


# Flows of the host with itself, each with a mark of its own and one of a stranger's in the lower bits.
_FLOWS = """
import socket
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    for port in range(9001, 9007):
        socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", (address, port))
"""


@pytest.mark.parametrize("others", [pytest.param(0, id="few marks"), pytest.param(500, id="many marks")])
def test_forgetting_a_mark_deletes_its_flows_and_no_others(throwaway: Throwaway, others: int) -> None:
    for iptables in ("iptables-legacy", "ip6tables-legacy"):
        for lane in range(1, 6):  # the flow to port 9006 has none
            mark = f"{lane << 16 | 7:#x}"
            throwaway.sh(f"{iptables} -t mangle -A OUTPUT -p udp --dport {9000 + lane} -j CONNMARK --set-mark {mark}")
    throwaway.run([sys.executable, "-c", _FLOWS])
    assert _ports(throwaway) == [9001, 9002, 9003, 9004, 9005, 9006] * 2

    unborne = [FwMark(lane << 16, MASK) for lane in range(9, 10 + others)]
    throwaway.call(forget, [FwMark(2 << 16, MASK), FwMark(4 << 16, MASK), *unborne])

    assert _ports(throwaway) == [9001, 9003, 9005, 9006] * 2


def test_forgetting_nothing_deletes_nothing(throwaway: Throwaway) -> None:
    throwaway.sh("iptables-legacy -A INPUT -m conntrack --ctstate NEW")
    throwaway.sh("ip6tables-legacy -A INPUT -m conntrack --ctstate NEW")
    throwaway.run([sys.executable, "-c", _FLOWS])

    throwaway.call(forget, [])
    throwaway.call(forget, [FwMark(0x90000, MASK)])

    assert len(_ports(throwaway)) == 12


def test_a_mark_without_a_mask_would_be_every_flow_and_is_refused(throwaway: Throwaway) -> None:
    with pytest.raises(AssertionError, match="a mark under an empty mask is every flow's"):
        throwaway.call(forget, [FwMark(0, 0)])


def _ports(throwaway: Throwaway) -> list[int]:
    ports = []
    for family in ("ipv4", "ipv6"):
        listed = throwaway.sh(f"conntrack -L -f {family} 2>/dev/null").splitlines()
        flows = [line.split() for line in listed if line.startswith("udp")]
        ports += sorted(int(next(word for word in flow if word.startswith("dport=90"))[6:]) for flow in flows)
    return ports
