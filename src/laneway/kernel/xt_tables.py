"""What the kernel's xt_tables hold, as iptables-save prints it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import HostRefused
from laneway.kernel.iptables_variant import PROGRAMS
from laneway.kernel.reasons import refused, root_hint
from laneway.kernel.tools import run_tool
from laneway.state.chains import XtTable
from laneway.state.prefix import IPV4
from laneway.state.visible import complaint

if TYPE_CHECKING:
    from laneway.state.facts import Variant


def save_output(variant: Variant, family: int, *, counters: bool = False) -> str:
    """Return what iptables-save prints in the variant; raises HostRefused when it cannot read our xt_tables.

    It is asked for all tables: asked for one, the legacy variant makes it when it is not there yet.
    """
    if variant == "legacy" and not instantiated_tables(family):
        return ""
    program = f"{PROGRAMS[family]}-{variant}-save"
    result = run_tool([program, *(["-c"] if counters else [])])
    if result.returncode:
        said = complaint(result.stderr) or f"exit status {result.returncode}"
        msg = f"{program} failed: {said}"
        raise HostRefused(msg, root_hint() if "denied" in said or "root" in said else "")
    _check_all_shown(program, result.stdout)
    return result.stdout


def _check_all_shown(program: str, output: str) -> None:
    """Refuse output in which a table of ours is only mentioned: "# Table `mangle' is incompatible, use 'nft' tool."."""
    if "incompatible" not in output:
        return
    for line in output.splitlines():
        if line.startswith("# Table `") and line.split("`")[1].split("'")[0] in set(XtTable):
            msg = f"{program} cannot read a table of ours: {line[2:]}"
            raise HostRefused(
                msg, "somebody put rules of nft(8) into a table of iptables: move them to a table of their own"
            )


def instantiated_tables(family: int) -> tuple[str, ...]:
    """Return the xt_tables the legacy variant has in this network namespace; none of them is made by asking.

    Raises HostRefused when this process may not know.
    """
    file = Path("/proc/thread-self/net", "ip_tables_names" if family == IPV4 else "ip6_tables_names")
    try:
        return tuple(sorted(file.read_text(encoding="ascii").split()))
    except FileNotFoundError:  # this kernel has no legacy tables at all
        return ()
    except OSError as error:
        raise refused(f"cannot read {file}", error) from error
