"""Which of the two iptables a host uses; each cannot see the other's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from laneway.errors import HostRefused
from laneway.kernel.tools import run_tool, tool_path
from laneway.state.prefix import IPV4, IPV6
from laneway.state.visible import complaint

if TYPE_CHECKING:
    from laneway.state.facts import Variant

PROGRAMS = {IPV4: "iptables", IPV6: "ip6tables"}


def detect_variant(wanted: Literal["auto", "legacy", "nft"] = "auto") -> Variant:
    """Return the variant to use: the `wanted` one, or what `iptables` is on this host, since all its tools see that.

    Raises HostRefused when the host has no iptables, or not the variant that is wanted.
    """
    variant = _default_variant() if wanted == "auto" else wanted
    for program in PROGRAMS.values():
        for verb in ("save", "restore"):
            tool_path(f"{program}-{variant}-{verb}")
    return variant


def other_variant(variant: Variant) -> Variant:
    """Return the variant that is not used."""
    return "nft" if variant == "legacy" else "legacy"


def has_variant(variant: Variant) -> bool:
    """Return whether the host has the programs of the variant."""
    try:
        detect_variant(variant)
    except HostRefused:
        return False
    return True


def _default_variant() -> Variant:
    shown = run_tool(["iptables", "-V"], timeout=10)
    if shown.returncode:
        msg = f"iptables -V failed: {complaint(shown.stderr) or f'exit status {shown.returncode}'}"
        raise HostRefused(msg, "apt-get install --reinstall iptables")
    return "nft" if "nf_tables" in shown.stdout else "legacy"
