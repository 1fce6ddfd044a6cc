"""No tenant's flow leaves from a port where somebody else publishes a service."""

from __future__ import annotations

import pytest

from laneway.compile.source_ports import source_ports
from laneway.policy.load import load_text

POLICY = """
[uplinks.north]
interface = "eth0"
[tenants.acme]
subnets = ["10.20.0.0/24"]
uplinks = ["north"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10"]
publish = [{}]
"""

EVERY = tuple(f"{first}-{first + 1023}:{first}-{first + 1023}/tcp" for first in range(32768, 65536, 1024))


@pytest.mark.parametrize(
    ("published", "ports"),
    [
        pytest.param((), (32768, 65535), id="nothing"),
        pytest.param(("8080:80/tcp",), (32768, 65535), id="below"),
        pytest.param(("51820:51820/udp",), (32768, 51819), id="the larger part before it"),
        pytest.param(("40000-40010:40000-40010/tcp",), (40011, 65535), id="the larger part after it"),
        pytest.param(("32768:80/tcp", "65535:80/tcp"), (32769, 65534), id="both ends"),
        pytest.param(("50000-51000:50000-51000/tcp", "50100:50100/udp"), (32768, 49999), id="one inside another"),
        pytest.param(EVERY, None, id="all"),
    ],
)
def test_the_longest_run_that_nobody_publishes(published: tuple[str, ...], ports: tuple[int, int] | None) -> None:
    policy = load_text(POLICY.format(", ".join(f'"{each}"' for each in published)))

    assert source_ports(policy) == ports
