"""What takes laneway's rules away when it starts: it works now, and not after the next start of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import APPLY, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.doctor.finding import Finding
    from laneway.state.diagnosis import Diagnosis, Flusher

_AFTER = (
    "whenever it starts, is restarted or reloaded, laneway's rules go too: tenants reach each other, or nobody, until "
    "the next apply"
)
_SERVICE = "`laneway service install` has systemd apply the policy again after it"
_ELSE = "add a drop-in with ExecStartPost= and ExecReload= that run `laneway apply --in-force`"
_HINTS = {
    "nftables.service": f"replace `flush ruleset` by `destroy table` of the tables that the file makes; or {_SERVICE}",
    "netfilter-persistent.service": _SERVICE,
    "iptables.service": _SERVICE,
    "ufw": "set MANAGE_BUILTINS=no: ufw then keeps to chains of its own",
    "a script": "give iptables-restore --noflush, name the chains to flush, or run `laneway apply --in-force` after it",
}


def judge(seen: Diagnosis) -> Iterator[Finding]:
    """Yield a warning for each, with the step that must follow whenever it has started."""
    yield from map(_finding, seen.flushers)


def _finding(flusher: Flusher) -> Finding:
    who = f"{flusher.program} ({flusher.file}: {flusher.what})"
    what = f"{who} takes away what is not its own in iptables"
    return warning("flushes", what, _AFTER, hint=f"{_HINTS.get(flusher.program, _ELSE)}; after each start: {APPLY}")
