"""What a change makes of the policy in force, in the policy's terms, and the question whether it is meant."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from laneway.cli import output
from laneway.errors import Conflict, HostRefused
from laneway.state.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from laneway.cli.output import Painted
    from laneway.cli.wire import Scene
    from laneway.policy.changes import Change

    Agreed = frozenset[str] | None  # what may go, by the lines that a person saw; None: nobody was asked

_COLOURS: Final = {"+": output.GREEN, "~": output.YELLOW, "-": output.RED}


def of_scene(scene: Scene) -> tuple[Change, ...]:
    """Return what the scene's policy changes in the one in force."""
    from laneway.lanes.rebuild import resident_tenants
    from laneway.policy.changes import changes
    from laneway.policy.model import PolicySet

    try:
        before = scene.before()
    except HostRefused:  # to remove what is there nobody needs to know it
        before = None
    unknown = set(resident_tenants(scene.observed).values())
    return tuple(changes(before or PolicySet(), scene.aim.policy, unknown=unknown))


def painted(changes: Iterable[Change]) -> Iterator[Painted]:
    """Yield a line for each change, in the colour of its sign."""
    for each in changes:
        yield output.Painted(f"{'    ' * each.depth}{each.sign} {visible(each.text)}", _COLOURS[each.sign])


def agreed(look: Callable[[], Scene]) -> Agreed:
    """Ask a person at a terminal whether what would go is meant to; raises KeyboardInterrupt when it is not."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    going = _going(look())
    if going:
        for line in painted(going):
            output.note(line)
        _demand_yes("Remove this from the host?")
    return frozenset(each.text for each in going)


def demand_agreed(scene: Scene, agreed: Agreed) -> None:
    """Raise Conflict when more would go than a person was asked about."""
    more = [] if agreed is None else [each.text for each in _going(scene) if each.text not in agreed]
    if more:
        raise Conflict(f"the host has changed since the question: {more[0]} would go as well", "run the command again")


def _going(scene: Scene) -> list[Change]:
    return [each for each in of_scene(scene) if (each.sign, each.depth) == ("-", 0)]


def _demand_yes(question: str) -> None:
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        output.note("nothing was changed")
        raise KeyboardInterrupt
