"""What of others' is in the way of the next change is told before somebody makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway
    from integration.verify.conftest import Outside

RULE = "12345: from all lookup 7"
WHAT = f"ip rule priorities 10000-19999 (host.priorities) are in use: {RULE}"
HINT = 'host.priorities = "1-10000" is free'


def test_nothing_is_in_the_way_of_what_is_applied(laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)

    assert laneway.json("verify", quickstart)["in_the_way"] == []
    assert laneway.json("status")["in_the_way"] == []


def test_verify_ends_as_plan_does_and_says_the_same(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)
    router.sh("ip rule add pref 12345 lookup 7")

    planned = laneway("plan", quickstart, code=7)
    told = laneway("verify", quickstart, code=7)
    answer = laneway.json("verify", quickstart, code=7)

    assert planned.stderr == f"laneway: {WHAT}\n  hint: {HINT}\n"
    assert told.stdout == f"conflict: {WHAT}\n   = hint: {HINT}\n"
    assert told.stderr == (
        "the host does not hold the policy: a conflict with something of others' blocks every change; "
        "3 of 3 expectations hold\n"
    )
    assert (answer["holds"], answer["drift"], answer["failed"]) == (False, [], [])
    assert answer["in_the_way"] == [{"kind": "priority-in-use", "what": WHAT, "hint": HINT}]


def test_status_names_it_beside_the_drift(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)
    router.sh("ip rule add pref 12345 lookup 7")

    told = laneway("status").stdout
    answer = laneway.json("status")

    assert told.endswith(f"no drift\nconflict: {WHAT}\n   = hint: {HINT}\n")
    assert (answer["in_sync"], answer["drift"]) == (True, [])
    assert answer["in_the_way"] == [{"kind": "priority-in-use", "what": WHAT, "hint": HINT}]


def test_one_reason_hides_no_other(router: Throwaway, laneway: Laneway, quickstart: Path, tmp_path: Path) -> None:
    laneway("apply", quickstart)
    router.sh("ip rule add pref 12345 lookup 7")
    changed = tmp_path / "changed.toml"
    changed.write_text(f'[host]\nmarks = "0x00ffff00"\n{quickstart.read_text(encoding="utf-8")}', encoding="utf-8")

    refused = laneway.json("plan", "--prune", changed, code=7)["error"]
    seen = laneway.json("doctor", changed, code=None)["findings"]

    assert [each["kind"] for each in refused["collisions"]] == ["marks-changed", "priority-in-use"]
    told = [each["what"] for each in seen if each["rule"] == "in-the-way"]
    assert told == ["host.marks is 0xffff0000 on this host, and would be 0x00ffff00", WHAT]


def test_drift_that_cannot_be_mended_is_told_as_that(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)
    router.sh("ip rule add pref 12345 lookup 7; ipset add lw-net4 203.0.113.77")

    told = laneway("verify", quickstart, code=7)

    assert "unexpected: entry 203.0.113.77" in told.stdout
    assert told.stderr == (
        f"the host does not hold the policy: drift: 1 set entry (`laneway apply {quickstart}` repairs it, once that "
        "conflict is gone); a conflict with something of others' blocks every change; 3 of 3 expectations hold\n"
    )
    assert laneway.json("status", code=4)["in_sync"] is False


def test_an_expectation_that_fails_weighs_more(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)
    router.sh("ip rule add pref 12345 lookup 7; iptables -t mangle -F LANEWAY-MARK")

    answer = laneway.json("verify", quickstart, code=8)

    assert [each["what"] for each in answer["in_the_way"]] == [WHAT]


def test_from_outside_it_is_not_looked_for(
    router: Throwaway, laneway: Laneway, outside: Outside, quickstart: Path
) -> None:
    laneway("apply", quickstart)
    router.sh("ip rule add pref 12345 lookup 7")

    assert outside.verify(quickstart)["in_the_way"] is None


def test_from_outside_whoever_keeps_tenants_packets_is_told_as_on_the_host(
    router: Throwaway, laneway: Laneway, outside: Outside, quickstart: Path, variant: str
) -> None:
    laneway("apply", quickstart)
    assert outside.verify(quickstart)["findings"] == []
    router.sh("""
        ip rule add not fwmark 0xca6c table 51820; ip route add default dev eth1 table 51820
        ip -6 rule add pref 7 from fd20::/64 iif lo ipproto tcp dport 80 prohibit
        ip -6 rule add pref 8 iif eth0 to fd00::/8 blackhole
        nft add table inet fw; nft add chain inet fw f '{ type filter hook forward priority 10; policy drop; }'
        iptables-legacy -P FORWARD DROP; ip6tables-nft -t mangle -A POSTROUTING -o eth+ -j DROP""")

    here = laneway.json("verify", quickstart, code=4)
    there = outside.verify(quickstart, code=4)

    # In the legacy variant the policy DROP is behind what laneway lets pass.
    assert len(there["findings"]) == (5 if variant == "nft" else 4)
    assert sorted(map(str, there["findings"])) == sorted(map(str, here["findings"]))
    assert (here["unseen"], len(there["unseen"])) == ([], 1)
    said = outside.pytest(quickstart, "-q").stdout
    for each in there["findings"]:
        assert (f"error: {each['what']}" in said) == (each["severity"] == "error")
    strict = outside.pytest(quickstart, "-q", "--laneway-strict").stdout
    assert all(each["what"] in strict for each in there["findings"])
