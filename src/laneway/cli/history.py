"""`laneway history`: what was put in force on this host, when, and by whom."""

from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, HostRefused

if TYPE_CHECKING:
    from datetime import datetime

    from typer import Typer

    from laneway.apply.generations import Generation


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="List the applied generations, or show the policy of one.")
    def history(
        generation: Annotated[
            int | None, typer.Argument(metavar="[GENERATION]", help="Show the policy of this one.")
        ] = None,
        *,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """List the generations of this host, the newest last, or show the policy that one put in force."""
        finish(lambda: run(generation, as_json=as_json), as_json=as_json)


def run(generation: int | None, *, as_json: bool = False) -> Exit:
    """Print the generations, or the policy of one."""
    from laneway.apply import generations, store
    from laneway.apply.durable import refusals
    from laneway.cli import waiting

    if generation is not None:
        found = store.find(generation)
        with refusals("so its policy cannot be shown"):
            text = found.policy.read_text(encoding="utf-8")
        if as_json:
            output.answer({**_facts(found), "policy": text})
        else:
            output.data(text.rstrip())
        return Exit.DONE
    every = generations.every(store.history())
    change = waiting.pending_now()
    number, unknown = None, None
    try:
        present = generations.in_force(store.history())
        number = present.number if present else None
    except HostRefused as error:
        unknown = error
    if as_json:
        told: dict[str, object] = {
            "in_force": number,
            "generations": [_facts(each) for each in every],
            **waiting.as_json(change),
        }
        output.answer({**told, **(output.of_error(unknown) if unknown else {})})
    elif every:
        _print(every, number)
    else:
        output.note("nothing was applied on this host yet, or it is not remembered")
    waiting.note(change if not as_json else None)
    if unknown is not None:
        if not as_json:
            raise unknown
        output.failure(unknown)  # it is in the answer already
        return unknown.exit_code
    return Exit.DONE


def _facts(each: "Generation") -> dict[str, object]:
    return {
        "generation": each.number,
        "when": _moment(each.when),
        "who": each.who,
        "command": each.command,
        "changes": dict(each.changes),
        "restores": each.restores,
        "destroyed": each.destroyed,
        "reverted": each.reverted,
        "repairs": _repairs(each),
    }


def _repairs(each: "Generation") -> dict[str, object] | None:
    found = each.repairs
    return {**found._asdict(), "when": _moment(found.when), "changes": dict(found.changes)} if found else None


def _moment(when: "datetime") -> str:
    return when.isoformat().replace("+00:00", "Z")


def _print(every: "tuple[Generation, ...]", present: int | None) -> None:
    from laneway.cli import tell

    width = max(len(each.who) for each in every)
    for each in every:
        when = each.when.strftime("%Y-%m-%d %H:%M:%SZ")
        changed = tell.counted(each.changes) or "nothing on the host"
        words = ": ".join(word for word in (_state(each, present), changed) if word)
        output.data(f"{each.number:>4}  {when}  {each.who:<{width}}  {words}{_mended(each)}")


def _mended(each: "Generation") -> str:
    if each.repairs is None:
        return ""
    times = "once" if each.repairs.times == 1 else f"{each.repairs.times} times"
    return f"; repaired {times}, last {each.repairs.when:%Y-%m-%d %H:%M:%SZ} by {each.repairs.who}"


def _state(each: "Generation", present: int | None) -> str:
    words = [
        *(["in force"] if each.number == present else []),
        *(["not confirmed: reverted"] if each.reverted else []),
        *([f"restores {each.restores}"] if each.restores is not None else []),
        *(["destroyed"] if each.destroyed else []),
    ]
    return ", ".join(words)
