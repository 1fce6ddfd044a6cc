"""CNI's reference plugins, called as a container runtime calls them, without a runtime."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from integration.beside.world import Container

if TYPE_CHECKING:
    from integration.beside.world import World

_PLUGINS = "/usr/lib/cni"


@dataclass(frozen=True)
class Cni:
    """A network of CNI's, by a bridge of any name."""

    world: World
    bridge: str
    subnets: tuple[str, ...] = ("10.99.0.0/24", "fd99::/64")

    def add(self, name: str, port: int) -> Container:
        """Connect a new network namespace, whose port 80 is the host's `port`."""
        self.world.host.sh(f"ip netns add {name}")
        plugged = json.loads(self._call("ADD", name, self._conf("bridge", **self._bridge)))
        mapped = {"hostPort": port, "containerPort": 80, "protocol": "tcp"}
        self._call("ADD", name, self._portmap(mapped, plugged))
        addresses = tuple(one["address"].partition("/")[0] for one in plugged["ips"])
        self.world.containers[name] = Container(name, f"/run/netns/{name}", addresses, port)
        return self.world.containers[name]

    @property
    def _bridge(self) -> dict[str, Any]:
        ranges = [[{"subnet": subnet}] for subnet in self.subnets]
        routes = [{"dst": "::/0" if ":" in subnet else "0.0.0.0/0"} for subnet in self.subnets]
        ipam = {"type": "host-local", "ranges": ranges, "routes": routes}
        return {"bridge": self.bridge, "isGateway": True, "ipMasq": True, "ipam": ipam}

    def _portmap(self, mapped: dict[str, Any], plugged: Any) -> dict[str, Any]:
        more = {"capabilities": {"portMappings": True}, "runtimeConfig": {"portMappings": [mapped]}}
        return self._conf("portmap", snat=True, prevResult=plugged, **more)

    @staticmethod
    def _conf(plugin: str, **more: Any) -> dict[str, Any]:
        return {"cniVersion": "1.0.0", "name": "net", "type": plugin, **more}

    def _call(self, command: str, name: str, conf: dict[str, Any]) -> str:
        """Call a plugin (https://www.cni.dev/docs/spec/#section-2-execution-protocol)."""
        words = {"COMMAND": command, "CONTAINERID": name, "NETNS": f"/run/netns/{name}", "IFNAME": "eth0"}
        environment = [f"CNI_{key}={value}" for key, value in (words | {"PATH": _PLUGINS}).items()]
        return self.world.host.run(["env", *environment, f"{_PLUGINS}/{conf['type']}"], input=json.dumps(conf)).stdout
