"""Time a tenant beside other tools that give a container its network, where they are installed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from integration.bench.results import Result
from integration.bench.waiting import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Say = Callable[[str], None]

TENANTS = 20
"""Of each other tool: what they take grows with every tenant."""

CROWD = 200
"""Of laneway: it takes half a second to begin, however many tenants."""

_CNI_PLACES = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
_NETAVARK_PLACES = "/usr/lib/podman:/usr/libexec/podman"


def other_tools(*, rounds: int, variant: str, crowd: int, say: Say) -> Iterator[Result]:
    """Compare the time that laneway takes for a tenant with that of CNI's bridge and portmap, and of netavark."""
    scripts = {"CNI bridge and portmap": _cni(), "netavark": _netavark()}
    for name, script in scripts.items():
        if script is None:
            say(f"{name}: not installed here, not measured")
            continue
        say(f"{name}: {TENANTS} tenants")
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(_laneway(crowd, variant))
            theirs.append(_script(script))
        each = tuple(value * 1000 / TENANTS for value in theirs)
        beside = tuple(value * 1000 / crowd for value in ours)
        yield Result("other tools, a tenant", name, f"laneway, of {crowd}", "ms", each, beside, at_least=7)


def _laneway(crowd: int, variant: str) -> float:
    with TemporaryDirectory() as directory, Operator(Path(directory)) as operator:
        return operator.laneway("apply", operator.policy(crowd, variant=variant)).seconds


def _script(text: str) -> float:
    with TemporaryDirectory() as directory, Operator(Path(directory)) as operator:
        return operator.script(text).seconds


def _cni() -> str | None:
    places = [*os.environ.get("CNI_PATH", "").split(":"), *_CNI_PLACES]
    place = next((each for each in places if each and Path(each, "portmap").exists()), None)
    if place is None:
        return None
    common = f"export CNI_COMMAND=ADD CNI_IFNAME=eth0 CNI_PATH={place}\n"
    return common + "".join(_cni_tenant(place, number) for number in range(TENANTS))


def _cni_tenant(place: str, number: int) -> str:
    ipam: dict[str, Any] = {"type": "host-local", "dataDir": "/run/cni", "routes": [{"dst": "0.0.0.0/0"}]}
    ipam["ranges"] = [[{"subnet": f"10.77.{number}.0/24"}]]
    base: dict[str, Any] = {"cniVersion": "0.4.0", "name": f"net{number}"}
    bridge = base | {"type": "bridge", "bridge": f"cni{number}", "isGateway": True, "ipMasq": True, "ipam": ipam}
    ports = [{"hostPort": 10000 + number, "containerPort": 80, "protocol": "tcp"}]
    portmap = base | {"type": "portmap", "runtimeConfig": {"portMappings": ports}}
    head = json.dumps(portmap)[:-1]
    return f"""
ip netns add c{number}
export CNI_CONTAINERID=c{number} CNI_NETNS=/run/netns/c{number}
result=$(printf '%s' '{json.dumps(bridge)}' | {place}/bridge)
printf '%s, "prevResult": %s}}' '{head}' "$result" | {place}/portmap > /dev/null
"""


def _netavark() -> str | None:
    found = shutil.which("netavark", path=f"{os.environ.get('PATH', '')}:{_NETAVARK_PLACES}")
    if found is None:
        return None
    return "mkdir -p /run/netavark\n" + "".join(_netavark_tenant(found, number) for number in range(TENANTS))


def _netavark_tenant(program: str, number: int) -> str:
    name, identity = f"net{number}", f"{number:064x}"
    network = {
        "name": name,
        "id": identity,
        "driver": "bridge",
        "network_interface": f"podman{number}",
        "subnets": [{"subnet": f"10.88.{number}.0/24", "gateway": f"10.88.{number}.1"}],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }
    options = {
        "container_id": identity,
        "container_name": f"c{number}",
        "port_mappings": [
            {"container_port": 80, "host_ip": "", "host_port": 10000 + number, "protocol": "tcp", "range": 1}
        ],
        "networks": {name: {"static_ips": [f"10.88.{number}.2"], "interface_name": "eth0"}},
        "network_info": {name: network},
    }
    return f"""
ip netns add c{number}
printf '%s' '{json.dumps(options)}' | {program} --config /run/netavark setup /run/netns/c{number} > /dev/null
"""
