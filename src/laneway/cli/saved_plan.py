"""A plan in a file: what `plan -o` saw and would do, for `apply` to do just that, or to refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from laneway.errors import Conflict, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.cli.wire import Scene
    from laneway.plan.steps import Step
    from laneway.policy.model import PolicySet

FORMAT = 1
"""The version of the file, its key `laneway`; `read` takes no other."""


class SavedPlan(NamedTuple):
    """The policy that was planned, tenants that were kept among it, and the steps, as JSON answers have them."""

    file: str
    policy: PolicySet
    steps: list[Any]


def write(file: str, scene: Scene, steps: Sequence[Step]) -> None:
    """Write the plan to a file; raises UsageError where that cannot be."""
    from laneway.cli import output
    from laneway.cli.steps_json import nobody, steps_json
    from laneway.policy.write import to_toml

    policy = scene.aim.policy
    values = {"laneway": FORMAT, "plan": steps_json(steps, nobody, policy.host), "policy": to_toml(policy)}
    try:
        Path(file).write_text(f"{output.json_text(values)}\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def read(paths: Sequence[str | Path]) -> SavedPlan | None:
    """Return the plan that the one path is, None where it is none: no TOML begins with a brace, and JSON does.

    Raises UsageError for JSON that is no plan, Untrusted for what others could have written.
    """
    from laneway.apply.trust import judge_for_root
    from laneway.policy.documents import read_bytes
    from laneway.policy.load import PolicyError, load_text

    path = Path(paths[0]) if len(paths) == 1 else None
    if path is None or not _begins_as_json(path):
        return None
    wrong: Exception | None = None
    try:
        match json.loads(read_bytes(path, judge_for_root())):
            case {"laneway": 1, "plan": list(steps), "policy": str(text)}:
                return SavedPlan(str(path), load_text(text, str(path)), steps)
    except (ValueError, RecursionError, PolicyError) as error:
        wrong = error
    raise UsageError(f"{path}: not a plan of this laneway", "write it anew: laneway plan -o FILE PATH") from wrong


def _begins_as_json(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(1) == b"{"
    except (OSError, ValueError):  # whoever reads it as a policy says what is wrong with it
        return False


def scene_of(saved: SavedPlan) -> Scene:
    """Return this host beside what the plan wants of it; raises Conflict where other steps are needed than it says."""
    from laneway.cli.steps_json import nobody, steps_json
    from laneway.cli.wire import look_at, mindful
    from laneway.plan.plan import plan

    scene = mindful(look_at(saved.policy, prune=True))
    steps = steps_json(plan(scene.aim.desired, scene.observed), nobody, scene.aim.policy.host)
    if steps and steps != saved.steps:
        differ = [each for each in steps if each not in saved.steps] or [
            each for each in saved.steps if each not in steps
        ]
        example = f": {differ[0]['summary']}" if differ and isinstance(differ[0], dict) else ""
        message = f"{saved.file}: the host has changed since this plan was made{example}"
        raise Conflict(message, "plan again: laneway plan -o FILE PATH")
    return scene
