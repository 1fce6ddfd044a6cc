"""`laneway exec`: run a command inside a workload."""

from typing import TYPE_CHECKING, Annotated

from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(
        name="exec",
        context_settings={"ignore_unknown_options": True},
        short_help="Run a command inside a workload's network namespace.",
    )
    def execute(
        workload: Annotated[str, typer.Argument(metavar="TENANT/WORKLOAD", help="Where to run it.")],
        command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.")],
    ) -> None:
        """Run a command inside a workload's network namespace, with its own resolv.conf.

        The exit code is the command's; 127: it is not found; 126: it cannot be run, as of env(1).
        """
        finish(lambda: run(workload, command))


def run(workload: str, command: list[str]) -> Exit:
    """Become the command inside the workload."""
    from laneway.kernel.enter import run_in_netns
    from laneway.kernel.privilege import demand_net_admin
    from laneway.policy.names import NAME, netns_name

    tenant, slash, name = workload.partition("/")
    if not (slash and NAME.fullmatch(tenant) and NAME.fullmatch(name)):
        message = f"{workload!r} is no TENANT/WORKLOAD"
        raise UsageError(message, "for example: laneway exec acme/web -- ip route")
    demand_net_admin()
    run_in_netns(netns_name(tenant, name), command)
