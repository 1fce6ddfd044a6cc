"""plan, for a person: what the policy changes; and the question before tenants go."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from integration.snapshot import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway

pytestmark = pytest.mark.parametrize("variant", ["nft"])  # what is asked and told is no matter of iptables

UPLINKS = [
    "+ uplink north: eth0 via 192.0.2.1, 2001:db8:a::1",
    "+ uplink south: eth1 via 198.51.100.1, 2001:db8:b::1",
]
ACME = "tenant acme: 1 workload, 2 lanes by north, south, 1 class, publishes 8080/tcp"
GLOBEX = "tenant globex: 1 workload, 2 lanes by south, north"

TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, "-m", "laneway", *sys.argv[2:]])
said = b""
answer = sys.argv[1].encode()
try:
    while more := os.read(terminal, 4096):
        said += more
        if answer and b"[y/N]" in said:
            os.write(terminal, answer)
            answer = b""
except OSError:  # EIO: the other side of the terminal is closed
    pass
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def at_a_terminal(laneway: Laneway, answer: str, *words: str | Path) -> tuple[int, str]:
    """Run laneway on a terminal, on which somebody answers its question; return the exit code and what was shown."""
    command = ["env", "NO_COLOR=1", sys.executable, "-c", TERMINAL, answer, *map(str, words)]
    done = laneway.host.run(command, check=False)
    return done.returncode, done.stdout.replace("\r\n", "\n")


def change(text: str) -> list[str]:
    """Return the lines of a plan before the one that counts the steps."""
    *lines, steps = text.splitlines()
    assert " steps: " in steps
    return lines


def test_a_plan_says_what_the_policy_changes(laneway: Laneway, quickstart: Path, tmp_path: Path) -> None:
    before = snapshot(laneway.host)
    first = laneway("plan", quickstart, code=4)
    assert change(first.stdout) == [*UPLINKS, f"+ {ACME}", f"+ {GLOBEX}"]
    assert "\n--commands shows each step as a command\n" in f"\n{first.stderr}"
    typed = laneway("plan", "--commands", quickstart, code=4)
    assert "\nip netns add acme-web && " in typed.stdout
    assert "tenant acme: " not in typed.stdout  # what is piped into a shell is commands alone
    assert f"+ {ACME}" in typed.stderr
    assert laneway("apply", "--dry-run", quickstart, code=4).stdout == first.stdout
    assert snapshot(laneway.host) == before

    laneway("apply", quickstart)
    assert laneway("plan", quickstart).stdout == ""
    edited = tmp_path / "edited.toml"
    edited.write_text(
        quickstart.read_text().replace('"8080:80/', '"8081:80/').replace('["south", "north"]', '["south"]')
    )
    expected = [
        "~ tenant acme",
        "    ~ workload web",
        "        - publish 8080:80/tcp",
        "        + publish 8081:80/tcp",
        "~ tenant globex",
        "    ~ uplinks: south, north → south",
    ]
    assert change(laneway("plan", edited, code=4).stdout) == expected
    laneway.host.run(["tee", "/run/host.json"], input=laneway("status", "--dump").stdout)
    assert change(laneway("plan", "--against", "/run/host.json", edited, code=4).stdout) == expected
    laneway.host.sh("ip route flush table lw.acme.north")
    drifted = laneway("plan", quickstart, code=4)
    assert change(drifted.stdout) == ["the policy is in force, and the host differs from it: apply repairs that"]


def test_notes_are_in_the_json(laneway: Laneway, quickstart: Path) -> None:
    assert laneway.json("plan", quickstart, code=4)["notes"] == []
    laneway.host.sh("ip route replace default via 192.0.2.9")

    (note,) = laneway.json("plan", quickstart, code=4)["notes"]

    assert "192.0.2.9" in note
    assert f"note: {note}\n" in laneway("plan", quickstart, code=4).stderr


def test_who_removes_tenants_at_a_terminal_is_asked(laneway: Laneway, quickstart: Path, tmp_path: Path) -> None:
    acme = tmp_path / "acme.toml"
    acme.write_text(quickstart.read_text().partition("# globex goes")[0])
    laneway("apply", quickstart)
    before = snapshot(laneway.host)

    for words, going in (
        (("destroy",), [ACME, GLOBEX]),
        (("destroy", "globex"), [GLOBEX]),
        (("apply", "--prune", acme), [GLOBEX]),
    ):
        for answer in ("n\n", "\n", "\x04"):
            code, shown = at_a_terminal(laneway, answer, *words)
            assert (code, "nothing was changed" in shown) == (130, True), shown
            asked, _, _ = shown.partition("Remove this from the host? [y/N]")
            assert asked.splitlines() == [f"- {each}" for each in going]
    assert change(laneway("destroy", "--dry-run", code=4).stdout) == [f"- {ACME}", f"- {GLOBEX}"]
    only = laneway("destroy", "--dry-run", "globex", code=4)
    assert (change(only.stdout), only.stderr) == ([f"- {GLOBEX}"], "")
    assert {each["op"] for each in laneway.json("destroy", "--dry-run", code=4)["steps"]} >= {"delete"}
    assert snapshot(laneway.host) == before

    code, shown = at_a_terminal(laneway, "", "apply", acme)  # nothing goes: nobody is asked
    assert (code, "[y/N]" in shown) == (0, False), shown
    code, shown = at_a_terminal(laneway, "y\n", "apply", "--prune", acme)
    assert (code, "applied, generation" in shown) == (0, True), shown
    assert "lwb-globex" not in laneway.host.sh("ip -br link")
    code, shown = at_a_terminal(laneway, "", "destroy", "--yes")
    assert (code, "[y/N]" in shown) == (0, False), shown
    code, shown = at_a_terminal(laneway, "", "destroy")  # nor is anything left
    assert (code, "nothing to do" in shown) == (0, True), shown


def test_colour_is_for_terminals(laneway: Laneway, quickstart: Path) -> None:
    command = [sys.executable, "-c", TERMINAL, "", "plan", str(quickstart)]

    assert f"\x1b[32m+ {ACME}\x1b[0m" in laneway.host.run(["env", "TERM=xterm", *command], check=False).stdout
    assert "\x1b" not in at_a_terminal(laneway, "", "plan", quickstart)[1]
    assert "\x1b" not in laneway("plan", quickstart, code=4).stdout


def test_a_saved_plan_is_applied_as_it_is_or_refused(laneway: Laneway, quickstart: Path, tmp_path: Path) -> None:
    acme = tmp_path / "acme.toml"
    acme.write_text(quickstart.read_text().partition("# globex goes")[0])
    assert change(laneway("plan", "-o", "/run/first.plan", quickstart, code=4).stdout)[0] == UPLINKS[0]
    assert change(laneway("apply", "--dry-run", "/run/first.plan", code=4).stdout)[0] == UPLINKS[0]
    assert laneway("apply", "/run/first.plan").stdout.startswith("applied, generation 1: ")
    assert laneway("plan", quickstart).stdout == ""
    assert laneway("verify").returncode == 0
    assert laneway("apply", "/run/first.plan").stdout.startswith("nothing to do")

    laneway("plan", "--prune", "-o", "/run/prune.plan", acme, code=4)
    laneway.host.sh("ip route flush table lw.acme.north")
    before = snapshot(laneway.host)
    refused = laneway("apply", "/run/prune.plan", code=7)
    assert "/run/prune.plan: the host has changed since this plan was made: ip -4 route " in refused.stderr
    assert laneway.json("apply", "/run/prune.plan", code=7)["error"]["kind"] == "conflict"
    assert "the host has changed" in laneway("plan", "/run/prune.plan", code=7).stderr
    assert snapshot(laneway.host) == before
    laneway("apply", "--in-force")
    laneway("apply", "/run/prune.plan")
    assert "lwb-globex" not in laneway.host.sh("ip -br link")

    for text in (
        "{",
        "{}",
        '{"laneway": 1, "plan": 3, "policy": ""}',
        '{"laneway": 1, "plan": [], "policy": "x = 1"}',
        '{"laneway": 9, "plan": [], "policy": ""}',
    ):
        laneway.host.run(["tee", "/run/odd.plan"], input=text)
        assert "/run/odd.plan: not a plan of this laneway" in laneway("apply", "/run/odd.plan", code=2).stderr
    laneway.host.sh("chmod o+w /run/first.plan")
    assert "others may write it" in laneway("apply", "/run/first.plan", code=2).stderr
    assert "a saved plan is applied as it is" in laneway("apply", "--prune", "/run/prune.plan", code=2).stderr
    assert "/nowhere/x.plan: No such file" in laneway("plan", "-o", "/nowhere/x.plan", acme, code=2).stderr
