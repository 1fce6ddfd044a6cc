"""`laneway service`: hold the policy after a reboot, and after another service has flushed the host's rules."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Conflict, Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer

    from laneway.service.files import ServiceFile

OUR_LINKS = ("lwb-*", "lwv*")


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    service = typer.Typer(
        help="Hold the policy after a reboot: systemd units.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    app.add_typer(service, name="service")

    @service.command(short_help="Install and enable units that apply the policy at every boot.")
    def install(*, as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False) -> None:
        """Have systemd apply the policy in force at every start of the host, and `laneway run` keep it from then on.

        Files go to /etc, unless a package has put them where systemd finds them: drop-ins for services that flush
        rules of others (nftables, firewalld, netfilter-persistent, ufw, iptables), and for systemd-networkd and
        NetworkManager where the host has them. What is there already stays as it is.
        """
        finish(lambda: run_install(as_json=as_json), as_json=as_json)

    @service.command(short_help="Disable and delete these units; the running network stays.")
    def remove(*, as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False) -> None:
        """Disable the units, and delete the files that `laneway service install` wrote.

        The policy stays in force until the host is started anew.
        """
        finish(lambda: run_remove(as_json=as_json), as_json=as_json)

    @service.command(short_help="Print the files that `laneway service install` writes.")
    def show(*, as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False) -> None:
        """Print the files that `laneway service install` writes. Nothing is changed."""
        finish(lambda: run_show(as_json=as_json), as_json=as_json)


def run_install(*, as_json: bool = False) -> Exit:
    """Write what is missing and enable the units."""
    from laneway.apply.trust import demand_trusted
    from laneway.kernel import service
    from laneway.service.files import MARK, UNITS

    _demand_root()
    command = _command()
    demand_trusted([Path(command)])  # root runs it at every start
    wanted = list(_wanted(command))
    foreign = [f"/etc/{each.path}" for each in wanted if service.is_foreign(each.path, MARK)]
    if foreign:
        raise Conflict(f"somebody else wrote {', '.join(foreign)}", "move it away, or compare `laneway service show`")
    written = [f"/etc/{each.path}" for each in wanted if service.write(each.path, each.marked)]
    service.reload()
    service.enable(UNITS)
    if as_json:
        output.answer({"written": written, "enabled": list(UNITS)})
    else:
        for path in written:
            output.data(f"written: {path}")
        output.data(f"enabled: {', '.join(UNITS)}")
        for line in _notes(written):
            output.note(line)
    return Exit.DONE


def run_remove(*, as_json: bool = False) -> Exit:
    """Disable the units and delete what `install` wrote."""
    from laneway.kernel import service
    from laneway.service.files import MARK, UNITS, service_files

    _demand_root()
    disabled = [unit for unit in UNITS if service.enabled(unit)]
    if disabled:
        service.disable(disabled)
    ours = [each.path for each in service_files("laneway") if service.begins_with(each.path, MARK)]
    for path in ours:
        service.delete(path)
    service.reload()
    deleted = [f"/etc/{path}" for path in ours]
    if as_json:
        output.answer({"deleted": deleted, "disabled": disabled})
        return Exit.DONE
    for path in deleted:
        output.data(f"deleted: {path}")
    output.data(f"disabled: {', '.join(disabled)}" if disabled else "no unit was enabled")
    return Exit.DONE


def run_show(*, as_json: bool = False) -> Exit:
    """Print the files."""
    from laneway.service.files import service_files

    found = service_files(_command())
    if as_json:
        output.answer({"files": {f"/etc/{each.path}": each.marked for each in found}})
    else:
        output.data("\n".join(f"# /etc/{each.path}\n{each.text}" for each in found).rstrip())
    return Exit.DONE


def _demand_root() -> None:
    if os.geteuid():
        raise UsageError("this changes how the host starts", "run it as root; `laneway service show` needs no rights")


def _command() -> str:
    """Return the absolute path of this laneway, as the units call it; raises UsageError when it is no program."""
    called = Path(sys.argv[0])
    if called.name == "laneway" and os.access(called, os.X_OK):
        return str(called.absolute())
    beside = Path(sys.executable).with_name("laneway")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("laneway")
    if found is None:
        raise UsageError("laneway is not installed as a program", "install it: ./run install")
    return found


def _wanted(command: str) -> Iterator["ServiceFile"]:
    """Yield the files that this host needs in /etc."""
    from laneway.kernel import service
    from laneway.service.files import service_files

    for each in service_files(command):
        if not service.is_packaged(each.path) and (not each.reader or service.has_reader(each.reader)):
            yield each


def _notes(written: list[str]) -> Iterator[str]:
    from laneway.kernel import service

    if any(path.endswith("/laneway.service") for path in written):
        yield "links and gateways are followed from the next start of the host on, or now: systemctl start laneway"
    if any("/systemd/network" in path for path in written):
        yield "systemd-networkd reads its file when it is restarted: systemctl restart systemd-networkd"
    if any("NetworkManager" in path for path in written):
        yield "NetworkManager reads its file when it is reloaded: systemctl reload NetworkManager"
    if not service.dhcpcd_denies(OUR_LINKS):
        yield f"dhcpcd has no drop-ins; add to /etc/dhcpcd.conf: denyinterfaces {' '.join(OUR_LINKS)}"
