"""What a tenant calls the things in its namespace tells the operator's terminal nothing."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway

LINK = "\x1b[2J\u202ex\x1f"  # 10 bytes: of what the kernel takes for white space \x1f is the one that it allows
ALIAS = "\x1b[31m\nthe host holds the policy"
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def acts(shown: str) -> list[str]:
    """Return what of a text a terminal would act on, or not show."""
    return [each for each in shown if each not in "\n\t" and unicodedata.category(each) in HIDDEN]


@pytest.mark.parametrize("variant", ["nft"], indirect=True)
def test_a_link_with_an_escape_in_its_name(laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)
    inside = ["ip", "-n", "acme-web"]
    for words in (
        ["link", "add", LINK, "type", "bridge"],
        ["link", "set", LINK, "up", "alias", ALIAS],
        ["route", "add", "203.0.113.0/24", "dev", LINK, "proto", "147"],
    ):
        laneway.host.run([*inside, *words])
    ask = ("--from", "acme/web", "--to", "203.0.113.9", "--tcp", "80")

    for argv, code in (
        (("plan", quickstart), 4),
        (("plan", "--commands", quickstart), 4),
        (("plan", "--json", quickstart), 4),
        (("verify", quickstart), 8),
        (("verify", "--json", quickstart), 8),
        (("status",), 4),
        (("status", "--json"), 4),
        (("status", "--dump"), 0),
        (("doctor", quickstart), None),
        (("explain", "--live", *ask), 0),
        (("explain", "--live", "--full", "--json", *ask), 0),
    ):
        if code is None:
            done = laneway.host.run(["python3", "-m", "laneway", *map(str, argv)], check=False)
        else:
            done = laneway(*argv, code=code)
        assert (argv, acts(done.stdout), acts(done.stderr)) == (argv, [], [])
        assert "\nthe host holds" not in done.stdout

    # What is printed still does, typed into dash, what it says.
    laneway.host.sh(laneway("plan", "--commands", quickstart, code=4).stdout)
    assert laneway.host.sh("ip -n acme-web route show 203.0.113.0/24") == ""
    assert laneway("plan", quickstart).stdout == ""
