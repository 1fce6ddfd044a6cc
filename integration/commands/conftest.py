"""A host with two uplinks, and laneway on it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess

    from integration.throwaway import Throwaway

POLICIES = Path(__file__).parents[2] / "policies"

_UPLINKS = """
for n in 0 1; do
    ip link add eth$n type veth peer name provider$n
    ip link set provider$n up
    ip link set eth$n up
done
ip addr add 192.0.2.2/24 dev eth0; ip addr add 2001:db8:a::2/64 dev eth0 nodad
ip addr add 198.51.100.2/24 dev eth1; ip addr add 2001:db8:b::2/64 dev eth1 nodad
ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:a::1
"""


@dataclass(frozen=True)
class Laneway:
    """The command, run on a throw-away host."""

    host: Throwaway

    def __call__(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run laneway, which must exit with `code`, and never with a traceback."""
        done = self.host.run([sys.executable, "-m", "laneway", *map(str, arguments)], check=False)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        """Run laneway with --json and return its answer."""
        return json.loads(self(*arguments, "--json", code=code).stdout)


@pytest.fixture(params=["nft", "legacy"])
def variant(request: pytest.FixtureRequest) -> str:
    """Each variant of iptables."""
    return str(request.param)


@pytest.fixture
def router(throwaway: Throwaway, variant: str) -> Throwaway:
    """A host with two uplinks, whose `iptables` is of the variant."""
    throwaway.sh(_UPLINKS)
    for tool in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            throwaway.sh(f"ln -sf /usr/sbin/{tool}-{variant}{suffix} /etc/alternatives/{tool}{suffix}")
    return throwaway


@pytest.fixture
def laneway(router: Throwaway) -> Laneway:
    """The command on the host."""
    return Laneway(router)


@pytest.fixture
def quickstart() -> Path:
    """The smallest example."""
    return POLICIES / "quickstart.toml"


@pytest.fixture
def hosting() -> Path:
    """The example of many files."""
    return POLICIES / "hosting"
