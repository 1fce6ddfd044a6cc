"""What iptables-restore says when it fails, as the failure of one step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import StepFailed
from laneway.kernel.reasons import ROOT_HINT, root_hint
from laneway.state.visible import complaint, visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import CompletedProcess

    from laneway.kernel.restore_input import Line

LOCK_FILE = Path("/run/xtables.lock")

RESOURCE_PROBLEM = 4
"""Exit status of iptables for a held lock, and for a table that changed while it was being rewritten."""

_LINE = re.compile(r"line:? (\d+)")
_CHAIN = re.compile(r"[Cc]hain '?([\w.-]+)")
_PROGRAM = re.compile(r"^\S*tables\S*(?: v[\d.]+ \(\S+\))?: *")
_POSITION = re.compile(r"^line \d+(?: failed)?(?:: )?")
_NOISE = ("Try `", "Error occurred at", "Another app is currently holding", "# Warning")
_WITHOUT_REASON = {
    "COMMIT": "the kernel refused the new contents of this xt_table; its log (dmesg) may say why",
    "-X": "the chain is not empty, or a rule that is not laneway's leads to it",
    "-D": "there is no such rule any more",
}
"""What a line's failure means when the tool says no more than its number."""


def lock_was_held(result: CompletedProcess[str]) -> bool:
    """Return whether it gave up waiting for the lock."""
    return result.returncode == RESOURCE_PROBLEM and "xtables lock" in result.stderr


def restore_failed(result: CompletedProcess[str], lines: Sequence[Line]) -> StepFailed:
    """Return the failure, of the step whose line the tool names."""
    if lock_was_held(result):
        return StepFailed(
            lines[0].step, f"the xtables lock is held by {lock_holder()}", "wait for it to end, or stop it"
        )
    number = _LINE.search(result.stderr)
    line = lines[int(number[1]) - 1] if number and 0 < int(number[1]) <= len(lines) else lines[0]
    said = _sentence(result.stderr)
    if line.text == "COMMIT":
        line = _named_in(said, lines) or line
    said = said or _WITHOUT_REASON.get(line.text.split()[0], f"exit status {result.returncode}")
    return StepFailed(line.step, f"{said} [{line.text}]", _hint(said))


def _hint(said: str) -> str:
    if "Permission denied" in said or "you must be root" in said:
        return root_hint()
    if "unable to initialize table" in said:
        return f'{ROOT_HINT}; if you are, this kernel has no legacy iptables: use iptables = "nft"'
    return ""


def _sentence(stderr: str) -> str:
    """Return what the tool says, less its own name and the line's number."""
    lines = (_PROGRAM.sub("", line.strip()) for line in stderr.splitlines() if not line.startswith(_NOISE))
    return complaint("\n".join(_POSITION.sub("", line) for line in lines))


def _named_in(said: str, lines: Sequence[Line]) -> Line | None:
    """Return the last line about the chain that the tool names: the rule that leads to it, if there is one."""
    chain = _CHAIN.search(said)
    if chain is None:
        return None
    return next((line for line in reversed(lines) if chain[1] in line.text.replace(":", " ").split()), None)


def lock_holder() -> str:
    """Return who holds the xtables lock, as well as /proc/locks can tell."""
    try:
        inode = LOCK_FILE.stat().st_ino
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
                name = Path("/proc", fields[4], "comm").read_text(encoding="utf-8", errors="surrogateescape")
                # A process names itself as it likes (PR_SET_NAME).
                return f"{visible(name.removesuffix(chr(10)))} (pid {fields[4]})"
    except (OSError, IndexError):
        pass
    return "another program"
