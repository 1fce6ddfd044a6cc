"""Container software: podman, Docker, and CNI plugins without anybody in between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from integration.beside.world import Container

if TYPE_CHECKING:
    from integration.beside.world import World

# One binary that needs nothing else is all there is in the image.
_IMAGE = """
mkdir -p /run/image/bin
cp /usr/bin/busybox /run/image/bin/
ln -s busybox /run/image/bin/sleep
tar -cf /run/image.tar -C /run/image .
/usr/bin/{engine} import /run/image.tar {image}
"""
_STORAGE = """
[storage]
driver = "vfs"
runroot = "/run/containers/run"
graphroot = "/run/containers/graph"
"""
_CONTAINERS = """
[containers]
cgroups = "disabled"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[network]
network_backend = "{backend}"
"""
_DOCKERD = (
    "/usr/sbin/dockerd --data-root /run/docker-data --exec-root /run/docker --storage-driver vfs"
    " --experimental --ip6tables"
)


@dataclass(frozen=True)
class Engine:
    """What runs containers: Docker and podman take the same words."""

    world: World
    name: str
    options: tuple[str, ...] = ()  # of its daemon

    def __call__(self, *words: str) -> str:
        """Run the engine's command."""
        return self.world.host.run([f"/usr/bin/{self.name}", *words]).stdout.strip()

    def make_image(self) -> None:
        """Make the one image that there is."""
        self.world.host.sh(_IMAGE.format(engine=self.name, image="localhost/sleeper"))

    def network(self, name: str, *subnets: str, options: tuple[str, ...] = ()) -> None:
        """Make a network of both families."""
        self("network", "create", "--ipv6", *(word for one in subnets for word in ("--subnet", one)), *options, name)

    def run(self, name: str, *options: str, port: int = 0) -> Container:
        """Start a container, whose port 80 is the host's `port`."""
        publish = ("--publish", f"{port}:80") if port else ()
        options = (*options, *publish, "--stop-signal", "KILL")  # a shell's or sleep's init hears no other
        self("run", "--detach", "--name", name, *options, "localhost/sleeper", "/bin/sleep", "3600")
        return self.look(name, port)

    def look(self, name: str, port: int) -> Container:
        """Note where a container is: it has a new network namespace whenever it is started."""
        netns = f"/proc/{self('inspect', '--format', '{{.State.Pid}}', name)}/ns/net"
        links = self.world.host.json(f"nsenter --net={netns} ip -j address show dev eth0")
        addresses = [one["local"] for one in links[0]["addr_info"] if one["scope"] == "global"]
        self.world.containers[name] = Container(name, netns, tuple(addresses), port)
        return self.world.containers[name]

    def restart(self) -> None:
        """Restart Docker's daemon, which ends all containers and starts again those that are to be `always` there."""
        self.world.host.stop("dockerd")
        start_dockerd(self.world, *self.options)
        for one in [*self.world.containers.values()]:
            self.world.host.until(partial(self._runs, one.name), f"{one.name} does not come back")
            self.look(one.name, one.port)

    def _runs(self, name: str) -> bool:
        return self("inspect", "--format", "{{.State.Running}}", name) == "true"

    def remove(self, name: str) -> None:
        """Remove a container that runs."""
        self("rm", "--force", name)
        del self.world.containers[name]


def podman(world: World, backend: str) -> Engine:
    """Return podman with networks by `backend`: netavark or cni."""
    world.host.run(["tee", "/etc/containers/storage.conf"], input=_STORAGE)
    world.host.run(["tee", "/etc/containers/containers.conf"], input=_CONTAINERS.format(backend=backend))
    engine = Engine(world, "podman")
    engine.make_image()
    return engine


def docker(world: World, *options: str) -> Engine:
    """Start dockerd and return Docker."""
    start_dockerd(world, *options)
    engine = Engine(world, "docker", options)
    engine.make_image()
    return engine


def start_dockerd(world: World, *options: str) -> None:
    """Start dockerd, which is given networks in both families."""
    world.host.start("dockerd", " ".join((_DOCKERD, *options)), ready="/usr/bin/docker version")
