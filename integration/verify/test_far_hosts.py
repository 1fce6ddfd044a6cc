"""A host that is down, silent, endless or hostile: told in a line, within limits, and never as a bug."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.verify.conftest import Outside

pytestmark = pytest.mark.parametrize("variant", ["nft"], indirect=True)


def reached_by(outside: Outside, script: str) -> None:
    """Have this in place of ssh(1), which counts how often it is called."""
    program = outside.directory.parent / "bin" / "ssh"
    program.write_text(f'#!/bin/sh\nfor command; do :; done\necho >>"$0.called"\n{script}\n')


def test_no_answer_is_a_bug(outside: Outside, quickstart: Path) -> None:
    unit = outside.directory.parent / "bin" / "ssh.called"
    for script, words in (
        ("exec yes", "the host's answer was cut off after 64 MiB"),
        ("exec sleep 100", "the host said nothing for 0.7 seconds"),
        ("echo down >&2; exit 255", "the host could not be reached: down"),
        (r"printf '\033[31m\r\302\233own\nlaneway: well' >&2; exit 255", r"\x1b[31m; \x9bown; laneway: well"),
        (
            r'mark=$(echo "$command" | grep -o "@[0-9a-f]*@" | head -n1); printf "\n$mark link\n[\033"',
            "it stopped within its answer to `ip",
        ),
        (
            r'mark=$(echo "$command" | grep -o "@[0-9a-f]*@" | head -n1); printf "\n$mark end\n"',
            "an answer to `ip -N -d -j link` is missing",
        ),
    ):
        reached_by(outside, script)
        unit.unlink(missing_ok=True)

        done = outside.run(
            *("-m", "laneway", "verify", str(quickstart), "--host", "ssh://root@edge1", "--timeout", "0.7")
        )

        assert (script, done.returncode, done.stdout) == (script, 11, "")
        assert done.stderr.startswith("laneway: ssh://root@edge1: ")
        assert words in done.stderr
        assert not [each for each in done.stderr if each != "\n" and unicodedata.category(each) in {"Cc", "Cf"}]
        assert done.stderr.count("\n") == 2, done.stderr  # what, and a hint
        assert unit.read_text() == "\n"


def test_a_suite_asks_a_host_that_is_down_once(outside: Outside, quickstart: Path) -> None:
    reached_by(outside, r"printf '\033[2Jdown\n' >&2; exit 255")

    done = outside.pytest(quickstart, "-q")

    assert (outside.directory.parent / "bin" / "ssh.called").read_text() == "\n"
    assert "the host could not be reached: \\x1b[2Jdown" in done.stdout
    assert "Traceback" not in done.stdout
    assert "\x1b[2J" not in done.stdout
    assert " failed" not in done.stdout
    assert " errors in " in done.stdout


def test_a_host_without_grep(laneway: Laneway, outside: Outside, quickstart: Path) -> None:
    laneway("apply", quickstart)
    enter = " ".join(laneway.host.prefix)
    laneway.host.sh(
        "mkdir /run/few; for name in ip ipset cat head iptables iptables-nft-save ip6tables-nft-save sh; do "
        'ln -s "$(command -v $name)" /run/few/$name; done'
    )
    few = f"""exec {enter} env PATH=/run/few sh -c "$(echo "$command" | sed 's,:/usr/sbin:/sbin:/usr/local/sbin,,')" """
    reached_by(outside, few)

    assert outside.verify(quickstart)["drift"] == []
