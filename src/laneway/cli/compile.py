"""`laneway compile`: what a policy asks of a host, as files for the plain tools."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer

    from laneway.lanes.allocate import Lanes
    from laneway.policy.model import PolicySet
    from laneway.state.host import HostState


class Format(StrEnum):
    """What to write."""

    TEXT = "text"
    JSON = "json"
    IPTABLES = "iptables"
    IP6TABLES = "ip6tables"
    IP = "ip"
    IP6 = "ip6"
    IPSET = "ipset"
    RT_TABLES = "rt_tables"
    NFT = "nft"


FILE_OF = {
    Format.IPTABLES: "iptables.restore",
    Format.IP6TABLES: "ip6tables.restore",
    Format.IP: "ip.batch",
    Format.IP6: "ip6.batch",
    Format.IPSET: "ipset.restore",
    Format.RT_TABLES: "rt_tables.conf",
    Format.NFT: "nftables.nft",
}


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(name="compile", short_help="Print what apply would program on a host without laneway.")
    def compile_(
        paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or directories.")] = None,
        *,
        form: Annotated[Format, typer.Option("--format", help="What to write to standard output.")] = Format.TEXT,
        directory: Annotated[
            Path | None, typer.Option("--output", "-o", help="Write a file per tool into this directory.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="As --format json.")] = False,
    ) -> None:
        """Write what would be programmed on a host that has nothing of it yet, without looking at any host.

        The files are accepted as they are by ip -batch, ip -6 -batch, ipset restore, sysctl -p, iptables-restore
        --noflush, ip6tables-restore --noflush and nft -f, in this order.
        """
        chosen = Format.JSON if as_json else form
        finish(lambda: run(paths or [], form=chosen, directory=directory), as_json=chosen is Format.JSON)


def run(paths: Sequence[str | Path], *, form: Format, directory: Path | None) -> Exit:
    """Compile the policy at `paths` and write it out."""
    from laneway.cli import tell
    from laneway.cli.steps_json import steps_json, tenants_by
    from laneway.plan.files import files
    from laneway.plan.plan import plan
    from laneway.state.host import HostState

    policy, lanes, desired = _desired(paths)
    if directory is not None:
        _write(directory, files(desired))
    elif form in FILE_OF:
        output.data(files(desired)[FILE_OF[form]].removesuffix("\n"))
    else:
        steps = plan(desired, HostState())
        if form == Format.JSON:
            output.answer({"steps": steps_json(steps, tenants_by(lanes, "", [policy]), policy.host)})
        else:
            output.data(tell.plan_text(steps, policy.host))
    return Exit.DONE


def _desired(paths: Sequence[str | Path]) -> "tuple[PolicySet, Lanes, HostState]":
    from laneway.cli.paths import policy_paths
    from laneway.compile.assume import assumed_facts
    from laneway.compile.host import compile_host
    from laneway.lanes.allocate import allocate
    from laneway.lanes.leases import Leases
    from laneway.policy.load import load

    policy = load(policy_paths(paths))
    lanes = allocate(policy, Leases())
    return policy, lanes, compile_host(policy, lanes, assumed_facts(policy))


def _write(directory: Path, contents: dict[str, str]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            (directory / name).write_text(text)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}"
        raise UsageError(message, "give -o a directory that can be written") from error
    output.note(f"{directory}: {', '.join(contents)}")
