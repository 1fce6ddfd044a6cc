"""Where a throw-away host is not permitted, one sentence says why and what helps."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from laneway.errors import HostRefused, UsageError
from laneway.lab import sandbox

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param(errno.EPERM, "unshare: Operation not permitted", id="forbidden"),
        pytest.param(errno.ENOSPC, "unshare: no more namespaces are allowed", id="used up"),
    ],
)
def test_refusal_says_why(monkeypatch: pytest.MonkeyPatch, number: int, reason: str) -> None:
    def refuse(_flags: int) -> None:
        raise OSError(number, os.strerror(number), "unshare")

    monkeypatch.setattr(sandbox, "unshare", refuse)

    with pytest.raises(HostRefused) as refused:
        sandbox.Sandbox()
    assert str(refused.value) == f"a throw-away host cannot be made here: {reason}"
    assert refused.value.hint.startswith(("run it with sudo", "this host has "))


def test_a_working_directory_that_was_deleted_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(UsageError) as refused:
        sandbox.Sandbox()
    assert str(refused.value) == "the working directory was deleted, or cannot be reached: No such file or directory"
    assert refused.value.hint == "cd to a directory that is there, and start again"


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        pytest.param(
            "kernel/unprivileged_userns_clone",
            "0",
            "this host has kernel.unprivileged_userns_clone=0: run it with sudo, "
            "or: sudo sysctl kernel.unprivileged_userns_clone=1",
            id="Debian",
        ),
        pytest.param(
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "this host has kernel.apparmor_restrict_unprivileged_userns=1: run it with sudo, "
            "or: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
            id="Ubuntu",
        ),
        pytest.param(
            "user/max_user_namespaces",
            "0",
            "this host has user.max_user_namespaces=0: run it with sudo, "
            "or: sudo sysctl user.max_user_namespaces=10000",
            id="none",
        ),
        pytest.param(
            "user/max_user_namespaces",
            "100",
            "run it with sudo; in a container, start that with --privileged",
            id="unknown reason",
        ),
    ],
)
def test_remedy_names_the_setting(tmp_path: Path, key: str, value: str, hint: str) -> None:
    file = tmp_path / key
    file.parent.mkdir()
    file.write_text(f"{value}\n")

    assert sandbox.remedy(tmp_path) == hint
