"""What a shell's completion asks laneway, by variables of its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from laneway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "_LANEWAY_COMPLETE"
_SHELLS: Final = ("bash", "zsh", "fish", "powershell", "pwsh")
_ASKED: Final = frozenset(f"{verb}_{shell}" for verb in ("complete", "source") for shell in _SHELLS)
_HINT: Final = f"unset {VARIABLE}; `laneway --install-completion` sets completion up"


def demand_shell(environ: Mapping[str, str]) -> None:
    """Raise UsageError where completion is asked for, and not as a shell's script does: Typer takes its word for it."""
    asked = environ.get(VARIABLE)
    if not asked:
        return
    if asked not in _ASKED:
        raise UsageError(f"{VARIABLE} is {asked}, which no shell asks for", _HINT)
    if asked == "complete_bash" and not ("COMP_WORDS" in environ and environ.get("COMP_CWORD", "").isdecimal()):
        raise UsageError(f"{VARIABLE} is set, and COMP_WORDS and COMP_CWORD do not say what to complete", _HINT)
