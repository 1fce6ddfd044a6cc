"""laneway status: what is counted, and what a change that does not concern it leaves alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laneway.lab.run import Lab
from laneway.policy.load import load

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

ROOT = Path(__file__).parents[2]

THIRD = """
[tenants.initech]
subnets = ["10.40.0.0/24"]
uplinks = ["south"]

[tenants.initech.workloads.box]
addresses = ["10.40.0.10"]
"""


def statuses(script: str) -> list[Any]:
    """Return what `laneway status --json` says wherever the script calls `look`, on a lab's host."""
    functions = f"""
cd {ROOT}; laneway() {{ {sys.executable} -m laneway "$@"; }}
look() {{ laneway status --json; echo; echo ----; }}
sysctl -qw net.netfilter.nf_conntrack_acct=1
laneway apply policies/quickstart.toml >/dev/null 2>&1
"""
    with Lab(load([ROOT / "policies/quickstart.toml"])) as lab:
        said = str(lab.run("sh", "-ec", functions + script))
    return [json.loads(each) for each in said.split("----")[:-1]]


def only(rows: list[Any], **wanted: str) -> Any:
    (found,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return found


TRAFFIC = """
ip netns exec acme-web ping -q -c 5 -i 0.05 -s 1000 203.0.113.10 >/dev/null
! ip netns exec globex-app ping -q -c 3 -i 0.05 -W 1 10.20.0.10 >/dev/null
"""


def test_what_was_sent_is_counted_where_it_went() -> None:
    before, after = statuses(f"look; {TRAFFIC} look")

    def sent(look: Any) -> int:
        return int(only(look["tenants"], name="acme")["sent"]["bytes"])

    lane = only(after["lanes"], tenant="acme", uplink="north")
    assert 5 * 1028 <= sent(after) - sent(before) < 6000 + 1000
    assert lane["flows"] == 1
    assert lane["carried"] == {"packets": 10, "bytes": 10 * 1028}
    assert only(after["lanes"], tenant="acme", uplink="south")["flows"] == 0
    assert only(after["uplinks"], name="north")["carrier"] is True
    assert after["refused"]["between-tenants"] + after["refused"]["not-here"] + after["refused"]["elsewhere"] == 3


def test_counters_survive_an_apply_that_does_not_change_their_object() -> None:
    again = "laneway apply policies/quickstart.toml >/dev/null 2>&1; look;"
    more = f"cat policies/quickstart.toml - > /run/more.toml <<'END'\n{THIRD}\nEND\n"
    first, second, third = statuses(
        f"{TRAFFIC} look; {again} {more} laneway apply /run/more.toml >/dev/null 2>&1; look"
    )

    for look in (second, third):
        for name in ("acme", "globex"):
            old, new = only(first["tenants"], name=name), only(look["tenants"], name=name)
            assert new["sent"]["bytes"] >= old["sent"]["bytes"] > 0
            assert new["received"]["packets"] >= old["received"]["packets"] > 0
        assert only(look["lanes"], tenant="acme", uplink="north")["carried"]["packets"] == 10
        assert look["refused"] == first["refused"]
    assert only(third["tenants"], name="initech")["workloads"] == ["box"]
    assert [first["in_sync"], second["in_sync"], third["in_sync"]] == [True] * 3


def test_watch_shows_rates(laneway: Laneway, router: Throwaway, quickstart: Path) -> None:
    laneway("apply", quickstart)

    done = laneway("status", "acme", "--watch", "--times", "2", "--interval", "0.2")

    first, _, second = done.stdout.partition("no drift")
    assert "B/s" not in first
    assert "B/s (" in second
    assert "globex" not in done.stdout
    assert "8080/tcp → web 80" in first
    assert "what lanes carry is not counted here" in first


def test_an_uplink_without_a_carrier_and_one_that_is_gone(
    laneway: Laneway, router: Throwaway, quickstart: Path
) -> None:
    laneway("apply", quickstart)
    router.sh("ip link set provider0 down; ip link del eth1")

    answer = laneway.json("status", code=4)

    assert [(each["name"], each["present"], each["carrier"]) for each in answer["uplinks"]] == [
        ("north", True, False),
        ("south", False, False),
    ]
    shown = laneway("status", code=4).stdout
    assert "no carrier" in shown
    assert "not there" in shown
    assert "closed: the interface is not up" in shown


def test_on_a_terminal_watch_is_shown_in_place(laneway: Laneway, router: Throwaway, quickstart: Path) -> None:
    laneway("apply", quickstart)

    command = f"{sys.executable} -m laneway status --watch --times 2 --interval 0.1"
    said = router.sh(f"TERM=xterm-256color script -qec '{command}' /dev/null")

    assert "\x1b[?1049h" in said  # the alternate screen, and back
    assert "\x1b[?1049l" in said
    assert "B/s" in said
