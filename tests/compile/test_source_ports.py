"""No tenant's flow leaves from a port where somebody else publishes a service."""

from __future__ import annotations

import pytest

from laneway.compile.source_ports import shared_addresses, source_ports
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


SHARED = """
[uplinks.north]
interface = "eth0"
snat = ["192.0.2.2"]
[tenants.acme]
subnets = ["10.20.0.0/24"]
uplinks = ["north"]
snat = ["{own}"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10"]
publish = ["192.0.2.21:80:80"]
[tenants.globex]
subnets = ["10.30.0.0/24"]
uplinks = ["north"]
snat = ["192.0.2.30"]
[tenants.globex.workloads.web]
addresses = ["10.30.0.10"]
publish = ["192.0.2.31:80:80", "8080:80"]
"""


@pytest.mark.parametrize(
    ("own", "shared"),
    [
        pytest.param("192.0.2.20", False, id="its alone"),
        pytest.param("192.0.2.21", False, id="where it publishes itself"),
        pytest.param("192.0.2.30", True, id="another's source"),
        pytest.param("192.0.2.31", True, id="where another publishes"),
        pytest.param("192.0.2.2", True, id="an uplink's"),
    ],
)
def test_an_own_address_is_shared_with_whom_the_policy_gives_it_as_well(own: str, *, shared: bool) -> None:
    assert {str(each) for each in shared_addresses(load_text(SHARED.format(own=own)))} == ({own} if shared else set())
