"""Root applies nobody else's word."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from laneway.apply import trust
from laneway.apply.trust import demand_trusted
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from pathlib import Path


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
