"""The Ansible collection, by a real ansible-core over a real sshd."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import NORTH

if TYPE_CHECKING:
    from integration.managed.conftest import Managed

COLLECTION = Path(__file__).parents[1] / "ansible"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
PAGE = Path(__file__).parents[2] / "src/laneway/pages/howto/ansible.md"
HERE = ["-e", "laneway_executable=/run/laneway laneway_retries=300 laneway_delay=1"]
INVENTORY = """
[all:vars]
ansible_user=root
ansible_ssh_private_key_file=/run/ssh/user
ansible_python_interpreter={python}
[all]
edge1 ansible_host=192.0.2.2
{more}
"""
TIMEOUT = 300  # seconds, for a play on a machine that is busy
DOWN = "down ansible_host=192.0.2.77 ansible_ssh_timeout=2"
TENANT = """
[tenants.{name}]
subnets = ["10.{net}.0.0/24", "fd{net}::/64"]
uplinks = ["north"]
[tenants.{name}.workloads.web]
addresses = ["10.{net}.0.10", "fd{net}::10"]
publish = [{publish}]
"""


@dataclass(frozen=True)
class Ansible:
    """Playbooks run on the machine from which the host is managed."""

    managed: Managed
    environment: dict[str, str]
    directory: Path

    def argv(self, policy: str, *options: str, name: str = "play", more: str = "") -> list[str]:
        """Return what makes the host hold a policy."""
        (self.directory / name).mkdir(exist_ok=True)
        for file, text in (
            (f"{name}/play.toml", policy),
            (f"{name}.yml", play_of_the_page().replace("policies/edge.toml", str(self.directory / name / "play.toml"))),
            (f"{name}.ini", INVENTORY.format(python=sys.executable, more=more)),
        ):
            (self.directory / file).write_text(text, encoding="utf-8")
        play, inventory = self.directory / f"{name}.yml", self.directory / f"{name}.ini"
        return self.managed.argv(PLAYBOOK, "-i", inventory, *HERE, *options, play)

    def __call__(self, policy: str, *options: str, code: int = 0, more: str = "") -> str:
        """Return what Ansible says of it, which must end with `code`."""
        done = subprocess.run(
            self.argv(policy, *options, more=more),
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "WARNING" not in said, said
        return said

    def state(self) -> tuple[str, ...]:
        """Return all that a change could touch of the host, and what is remembered of it."""
        commands = (
            "ip -j rule",
            "ip -6 -j rule",
            "ip -4 -j route show table all",
            "ip -6 -j route show table all proto 147",  # the kernel's own come when an address is no longer tentative
            "ip -br link | awk '{print $1, $3}'",  # not their states, which follow a carrier that comes late
            "iptables-save -t filter",
        )
        shown = [self.managed.host.sh(each) for each in commands]
        files = self.managed.host.sh("find /etc/laneway /run/laneway-staged.* -type f 2>/dev/null | xargs -r sha256sum")
        return (re.sub(r"^#.*|\[\d+:\d+\]", "", "\n".join(shown), flags=re.MULTILINE), files)


@pytest.fixture(scope="module")
def ansible(managed: Managed, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """Ansible with the collection."""
    there = ["-p", environment["ANSIBLE_COLLECTIONS_PATH"]]
    argv = [str(PLAYBOOK.with_name("ansible-galaxy")), "collection", "install", "--offline", str(COLLECTION), *there]
    done = subprocess.run(argv, env=environment, check=False, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    return Ansible(managed, environment, tmp_path_factory.mktemp("plays"))


def play_of_the_page() -> str:
    """Return the playbook that people are shown."""
    (play,) = re.findall(r"```yaml\n(- hosts:.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(play)


def policy(*names: str, publish: str = "") -> str:
    return NORTH + "".join(TENANT.format(name=name, net=20 + at, publish=publish) for at, name in enumerate(names))


def recap(said: str, host: str = "edge1") -> dict[str, int]:
    (line,) = re.findall(rf"(?m)^{host} +: (.*)$", said)
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}


def tenants(ansible: Ansible) -> list[str]:
    return [each["name"] for each in ansible.managed.laneway.json("status")["tenants"]]


def test_a_host_is_managed(ansible: Ansible) -> None:
    laneway = ansible.managed.laneway
    acme = policy("acme")
    nothing = ansible.state()

    said = ansible(acme, "--check", "--diff")
    assert recap(said)["changed"] > 0
    assert "+link lwb-acme: bridge" in said
    assert ansible.state() == nothing

    said = ansible(acme, more=DOWN, code=4)
    assert (recap(said)["failed"], recap(said)["changed"]) == (0, 3), said  # applied, the directory and its file
    assert recap(said, "down")["unreachable"] == 1
    assert tenants(ansible) == ["acme"]
    history = laneway.json("history")
    assert (history["in_force"], history["pending"]) == (1, None)
    assert laneway.json("verify", "/etc/laneway")["holds"]

    said = ansible(acme)
    assert (recap(said)["failed"], recap(said)["changed"]) == (0, 0), said
    assert laneway.json("history")["in_force"] == 1

    held = ansible.state()
    broken = acme + '[tenants.globex]\nsubnets = ["10.30.0.5/24"]\nuplinks = ["north"]\n'
    said = ansible(broken, code=2)
    assert re.search(rf"play\.toml:{acme.count(chr(10)) + 2}:\d+: ", said), said
    assert ansible.state() == held

    said = ansible(policy("acme", publish='"22:22/tcp"'), code=2)
    assert "logged in at 192.0.2.2 port 22" in said
    assert ansible.state() == held

    ansible.managed.host.sh("ip link set lwb-acme down")
    said = ansible(acme, "--check", "--diff")
    assert recap(said)["changed"] == 1
    assert re.search(r"(?m)^-link lwb-acme: bridge, down", said), said
    assert recap(ansible(acme))["changed"] == 1


def test_two_plays_at_once_come_one_after_the_other(ansible: Ansible) -> None:
    ansible(policy("acme"))
    before = ansible.managed.laneway.json("history")["in_force"]
    both = policy("acme", "globex")
    plays = [
        subprocess.Popen(
            ansible.argv(both, name=name),
            env=ansible.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("play", "other")
    ]
    said = [each.communicate(timeout=TIMEOUT)[0] for each in plays]

    assert [each.returncode for each in plays] == [0, 0], said
    assert tenants(ansible) == ["acme", "globex"]
    history = ansible.managed.laneway.json("history")
    assert (history["in_force"], history["pending"]) == (before + 1, None)
