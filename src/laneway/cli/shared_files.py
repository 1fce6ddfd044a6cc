"""The files that come with laneway: manual pages, completions and units, written below a directory.

`python -m laneway.cli.shared_files DIRECTORY --prefix /usr/local --command /usr/local/bin/laneway` is what
`./run install` and `./run deb` call. Nothing of it is kept by hand: it is made of the commands' own
help, the schema and the pages of `laneway help`.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laneway import __version__
from laneway.manual import commands, policy, topics
from laneway.manual.commands import Command
from laneway.manual.roff import About
from laneway.policy.schema import schema
from laneway.service.files import service_files

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPLETIONS = {
    "bash": "share/bash-completion/completions/laneway",
    "zsh": "share/zsh/{zsh}/_laneway",
    "fish": "share/fish/vendor_completions.d/laneway.fish",
}
"""Where each shell looks below a prefix."""


def main() -> None:
    """Write the files that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m laneway.cli.shared_files")
    parser.add_argument("directory", type=Path, help="where to write, in place of the prefix")
    parser.add_argument("--prefix", default="/usr/local", help="where the files will be")
    parser.add_argument("--command", default="/usr/local/bin/laneway", help="what units call")
    asked = parser.parse_args()
    for path, text in shared_files(asked.prefix, asked.command):
        file = asked.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def shared_files(prefix: str, command: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file below the prefix."""
    about = About(__version__, _date())
    for page in (*commands.pages(whole_command(), about), policy.page(schema(), about), *topics.pages(about)):
        yield f"share/man/{page.file}", page.text
    # /usr belongs to distributions, which have a place of their own for what packages bring.
    zsh = "vendor-completions" if prefix == "/usr" else "site-functions"
    for shell, path in COMPLETIONS.items():
        yield path.format(zsh=zsh), completion(shell)
    for each in service_files(command):
        # NetworkManager reads nothing in /usr/local (NetworkManager.conf(5)); `laneway service install` knows.
        if each.reader != "NetworkManager" or prefix == "/usr":
            yield f"lib/{each.path}", each.text


def whole_command() -> Command:
    """Return laneway with all of its commands."""
    import typer

    from laneway.cli.app import VERBS, build

    return _command(typer.main.get_command(build(VERBS)), ("laneway",))


def _command(command: Any, words: tuple[str, ...], above: Any = None) -> Command:  # noqa: ANN401  Typer's Click
    context = command.context_class(command, info_name=words[-1], parent=above, **command.context_settings)
    rows = (each.get_help_record(context) for each in command.get_params(context))
    inner = (_command(each, (*words, name), context) for name, each in getattr(command, "commands", {}).items())
    usage = " ".join(command.collect_usage_pieces(context))
    return Command(words, usage, command.help or "", tuple(filter(None, rows)), tuple(inner))


def completion(shell: str) -> str:
    """Return the script that completes laneway's command lines in a shell."""
    from typer._completion_shared import get_completion_script

    script = get_completion_script(prog_name="laneway", complete_var="_LANEWAY_COMPLETE", shell=shell)
    return f"{script.strip()}\n"


def _date() -> str:
    """Return the day of the build, or the one that https://reproducible-builds.org/specs/source-date-epoch says."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return (datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)).strftime("%Y-%m-%d")


if __name__ == "__main__":
    main()
