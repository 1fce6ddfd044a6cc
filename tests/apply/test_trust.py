"""Root applies nobody else's word."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from laneway.apply import trust
from laneway.apply.trust import demand_trusted, judge_for_root
from laneway.errors import Exit, UsageError
from laneway.policy.documents import read_bytes
from laneway.policy.load import load


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy of this user's, who is taken for root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(trust, "_is_real_root", lambda: True)
    monkeypatch.setenv("SUDO_UID", str(os.getuid()))
    path = tmp_path / "policy.toml"
    path.write_text("")
    path.chmod(0o644)
    return path


def refusal(path: Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        demand_trusted([path])
    assert caught.value.exit_code == Exit.USAGE
    return caught.value


def test_a_file_of_ones_own_is_trusted(policy: Path) -> None:
    demand_trusted([policy])

    assert policy.stat().st_mode & 0o022 == 0


@pytest.mark.parametrize("mode", [0o646, 0o664, 0o666])
def test_a_file_others_may_write_is_not(policy: Path, mode: int) -> None:
    policy.chmod(mode)

    error = refusal(policy)

    assert str(error) == f"{policy}: others may write it, so what it says may not be yours"
    assert error.hint == f"chmod go-w {policy}"


def test_a_file_in_a_directory_others_may_write_is_not(policy: Path) -> None:
    policy.parent.chmod(0o777)

    assert str(policy.parent) in str(refusal(policy))


def test_a_file_in_a_directory_given_is_looked_at(policy: Path) -> None:
    policy.chmod(0o666)

    assert str(policy) in str(refusal(policy.parent))


def test_a_link_is_judged_by_what_it_leads_to(policy: Path) -> None:
    link = policy.with_name("link.toml")
    link.symlink_to(policy)
    policy.chmod(0o666)

    assert str(policy) in str(refusal(link))


def test_somebody_elses_file_is_not_trusted(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(os.getuid() + 1))
    if os.getuid() == 0:
        os.chown(policy, 12345, 0)

    assert "not to root" in str(refusal(policy))


def test_nobody_else_is_asked_for_anything(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy.chmod(0o666)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    demand_trusted([policy])

    assert policy.stat().st_mode & 0o022


@pytest.mark.parametrize("user", ["", "root", "-1", "٣", "1" * 5000, "0x0", " 0"])
def test_who_called_sudo_is_nobody_when_it_is_no_number(
    policy: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("SUDO_UID", user)
    os.chown(policy, 12345, 0)

    assert str(refusal(policy)) == f"{policy}: belongs to user 12345, not to root"


def test_somebody_elses_link_is_not_trusted(policy: Path) -> None:
    link = policy.with_name("link.toml")
    link.symlink_to(policy)
    os.chown(link, 12345, 0, follow_symlinks=False)

    assert str(refusal(link)) == f"{link}: belongs to user 12345, not to root"


def test_what_is_judged_is_what_is_read(policy: Path) -> None:
    """The name leads elsewhere as soon as it was looked at: what is read is what was judged, and no other."""
    other = policy.with_name("other.toml")
    other.write_text("nonsense = 1")
    policy.write_text("# mine")
    seen: list[Path] = []

    def judge(path: Path, _status: os.stat_result) -> None:
        seen.append(path)
        if path == policy:
            policy.unlink()
            policy.symlink_to(other)

    assert read_bytes(policy, judge) == b"# mine"
    assert seen[-1] == policy
    assert seen[:2] == [Path("/"), Path("/", policy.parts[1])]


def test_a_link_flipped_all_the_time_never_lends_its_name(policy: Path) -> None:
    """Whatever moment it is, somebody else's text is refused or not met."""
    theirs = policy.with_name("theirs")
    theirs.write_text('[tenants.theirs]\nsubnets = ["10.0.0.0/8"]\n')
    theirs.chmod(0o666)
    link = policy.with_name("link.toml")
    link.symlink_to(policy)
    flip = f"import os\nwhile True:\n  for t in ({str(theirs)!r}, {str(policy)!r}):\n"
    flip += f"    os.symlink(t, {str(link)!r} + '~'); os.replace({str(link)!r} + '~', {str(link)!r})"
    read = refused = 0
    with subprocess.Popen([sys.executable, "-c", flip]) as flipping:
        try:
            deadline = time.monotonic() + 30
            while (read < 50 or refused < 50) and time.monotonic() < deadline:
                try:
                    assert load([link], judge=judge_for_root()).tenants == ()
                    read += 1
                except UsageError as error:
                    assert str(theirs) in str(error)  # noqa: PT017
                    refused += 1
        finally:
            flipping.kill()

    assert read >= 50
    assert refused >= 50


def test_a_file_that_changes_while_it_is_read_is_refused(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy.write_text("# old")
    real = os.fstat
    looks: list[int] = []

    def fstat(descriptor: int) -> os.stat_result:
        looks.append(descriptor)
        if len(looks) == 2:
            policy.write_text("# new, and longer")
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", fstat)

    with pytest.raises(ValueError, match="changed while it was read"):
        read_bytes(policy)
