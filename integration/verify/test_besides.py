"""A tenant that another file brought to a host keeps nobody from verifying the rest from outside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway
    from integration.verify.conftest import Outside

THIRD = """
[tenants.third]
subnets = ["10.77.0.0/24", "fd77::/64"]
uplinks = ["north"]
[tenants.third.workloads.web]
addresses = ["10.77.0.10", "fd77::10"]
publish = ["8077:80/tcp"]
"""


@pytest.fixture
def variant() -> str:
    """One variant of iptables: what is judged is the same with the other."""
    return "nft"


def test_one_more_tenant_is_told_once_and_the_rest_is_judged(
    router: Throwaway, laneway: Laneway, outside: Outside, quickstart: Path, tmp_path: Path
) -> None:
    third = tmp_path / "third.toml"
    third.write_text(THIRD, encoding="utf-8")
    laneway("apply", quickstart)
    laneway("apply", third)

    answer = outside.verify(quickstart)
    tests = outside.pytest(quickstart)

    assert (answer["holds"], answer["drift"], answer["besides"]) == (True, [], ["third"])
    assert tests.returncode == 0, tests.stdout
    assert re.search(r"\d+ passed", tests.stdout)
    router.sh("ip addr del 10.77.0.1/24 dev lwb-third")
    drift = [each["object"] for each in outside.verify(quickstart, code=4)["drift"]]
    assert "address 10.77.0.1/24 on lwb-third" in drift
    failed = outside.pytest(quickstart)
    assert (failed.returncode, "address 10.77.0.1/24 on lwb-third" in failed.stdout) == (1, True)
    router.sh("rm -r /var/lib/laneway")
    done = outside.run("-m", "laneway", "verify", "--host", "ssh://root@edge1", str(quickstart))
    assert done.returncode == 7
    assert "in no policy that laneway knows of: third" in done.stderr
    assert done.stderr.index("name the files of these tenants") < done.stderr.index("--prune")
