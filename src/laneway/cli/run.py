"""`laneway run`: follow the kernel, and repair what an event took away."""

from typing import TYPE_CHECKING, Annotated

from laneway.cli.app import finish
from laneway.errors import Exit

if TYPE_CHECKING:
    from typer import Typer


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command("run", short_help="Follow links, addresses, gateways and rules, and repair what goes.")
    def run_(
        *,
        every: Annotated[
            str, typer.Option(metavar="TIME", help="Look at everything that often: some changes have no events.")
        ] = "60s",
    ) -> None:
        """Keep the policy in force on this host, in the foreground, until a signal ends it.

        A link that went down and is back, one that was made anew, another gateway by DHCP, routes, ip rules and
        nf_tables chains that somebody deleted: each is repaired as soon as the kernel tells of it, as `laneway apply
        --in-force` would. An edited file changes nothing until it is applied. What somebody undoes three times within a
        minute is repaired less and less often. SIGTERM ends it and SIGHUP makes it look at once; the host stays as it
        is. Exit code 9: another `laneway run` follows this host; 10: root is needed.
        """
        finish(lambda: run(every=every))


def run(*, every: str) -> Exit:
    """Follow this host until a signal ends it."""
    from laneway.cli.durations import seconds_of
    from laneway.cli.follower import follow
    from laneway.kernel.privilege import demand_net_admin

    seconds = seconds_of(every)
    demand_net_admin()
    follow(every=seconds)
    return Exit.DONE
