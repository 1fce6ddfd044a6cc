"""A host with an sshd, and a machine at its provider from which it is managed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.beside.software import unpacked
from integration.commands.conftest import PROVIDER, PROVIDER6, UPLINKS, Laneway
from integration.throwaway import Throwaway

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "192.0.2.2"
_SSHD = """
Port 22
HostKey /run/ssh/host
AuthorizedKeysFile /run/ssh/user.pub
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
"""
_PREPARE = """
mkdir -p /run/sshd /run/ssh
grep -q ^sshd: /etc/passwd || echo sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin >> /etc/passwd
sed -i 's/^root:[^:]*/root:*/' /etc/shadow
ssh-keygen -q -t ed25519 -N '' -f /run/ssh/host
ssh-keygen -q -t ed25519 -N '' -f /run/ssh/user
printf '#!/bin/sh\\nexec %s -m laneway "$@"\\n' {python} > /run/laneway
chmod +x /run/laneway
ip -n provider link set lo up
"""


@dataclass(frozen=True)
class Managed:
    """The host, and the machine at its provider."""

    host: Throwaway
    laneway: Laneway

    def argv(self, *command: str | Path) -> list[str]:
        """Return what runs a command on the machine from which the host is managed."""
        return [*self.host.prefix, "ip", "netns", "exec", "provider", *map(str, command)]

    def run(self, *command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        argv = self.argv(*command)
        return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def managed(pytestconfig: pytest.Config) -> Iterator[Managed]:
    """A host that is managed by ssh."""
    assert pytestconfig.cache is not None
    host = Throwaway()
    if not Path("/usr/sbin/sshd").exists():
        host.unpacked = [unpacked("sshd", pytestconfig.cache.mkdir("debian"))]
    with host:
        host.sh(UPLINKS + PROVIDER + PROVIDER6 + _PREPARE.format(python=sys.executable))
        host.run(["tee", "/run/ssh/config"], input=_SSHD)
        sshd = subprocess.Popen([*host.prefix, "/usr/sbin/sshd", "-D", "-e", "-f", "/run/ssh/config"])
        try:
            managed = Managed(host, Laneway(host))
            _wait_for(managed)
            yield managed
        finally:
            sshd.kill()
            sshd.wait()


def _wait_for(managed: Managed) -> None:
    deadline = time.monotonic() + 30
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", "/run/ssh/user"]
    while (done := managed.run("ssh", *options, f"root@{HOST}", "true")).returncode:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What Ansible is to know, and that nothing of it is kept in anybody's home."""
    home = tmp_path_factory.mktemp("ansible")
    return {
        **os.environ,
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_HOME": str(home / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(home / "collections"),
        "ANSIBLE_REMOTE_TEMP": "/run/ansible",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=10s -o UserKnownHostsFile=/dev/null",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": "/run/control",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "True",
    }
