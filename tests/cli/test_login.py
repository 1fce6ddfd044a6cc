"""The login that a command is typed in."""

from __future__ import annotations

import pytest

from laneway.cli.login import session_in
from laneway.plan.cut_off import Session
from laneway.state.prefix import prefix


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            "198.51.100.7 50000 192.0.2.2 2222", Session(prefix("198.51.100.7"), prefix("192.0.2.2"), 2222), id="IPv4"
        ),
        pytest.param("fe80::7%eth0 50000 fe80::2%eth0 22", Session(prefix("fe80::7"), prefix("fe80::2"), 22), id="v6"),
        pytest.param("", None, id="none"),
        pytest.param("UNKNOWN 65535 UNKNOWN 65535", None, id="over no network"),
        pytest.param("198.51.100.7 50000", None, id="something else"),
    ],
)
def test_it_is_what_sshd_says(value: str, expected: Session | None) -> None:
    assert session_in({"SSH_CONNECTION": value}) == expected


def test_without_ssh_there_is_none() -> None:
    assert session_in({}) is None
