"""The policy that a question is about when the command line names none: the one in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.cli.paths import is_named, policy_paths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from laneway.policy.model import PolicySet


def policy_asked_about(paths: Sequence[str | Path]) -> PolicySet:
    """Return the policy at the paths or at `$LANEWAY_POLICY`, else the one in force, else that at /etc/laneway.

    Raises NoPrivileges where one may be in force, and only root may know.
    """
    from laneway.policy.load import load

    stored = None if is_named(paths) else in_force()
    return load(policy_paths(paths)) if stored is None else stored


def in_force() -> PolicySet | None:
    """Return the policy in force, None where there is none; raises NoPrivileges, HostRefused."""
    from laneway.apply import store

    return store.applied()
