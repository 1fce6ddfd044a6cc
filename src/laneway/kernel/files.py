"""Our files under /etc: names for table and protocol numbers, and resolv.conf of workloads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.kernel.reasons import failed, refused
from laneway.plan.steps import Op, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TABLE_NAMES = "/etc/iproute2/rt_tables.d/laneway.conf"
PROTOCOL_NAMES = "/etc/iproute2/rt_protos.d/laneway.conf"

_NETNS = "/etc/netns"
_RESOLV = "resolv.conf"
_OURS = "# laneway"  # the first line of a resolv.conf that we wrote begins so
_MODE = 0o644


def _at(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def read(root: Path) -> dict[str, str]:
    """Return path and content of our files."""
    try:
        return dict(_read(root))
    except OSError as error:
        raise refused(f"cannot read {error.filename}", error) from error


def _read(root: Path) -> Iterator[tuple[str, str]]:
    for path in (PROTOCOL_NAMES, TABLE_NAMES):
        for file in (_at(root, path), _aside(_at(root, path))):
            if file.is_file():
                yield str(Path(path).with_name(file.name)), _content(file)
    for file in sorted(_at(root, _NETNS).glob(f"*/{_aside(Path(_RESOLV)).name}")):
        yield f"{_NETNS}/{file.parent.name}/{file.name}", _content(file)
    for file in sorted(_at(root, _NETNS).glob(f"*/{_RESOLV}")):
        content = _content(file)
        if content.startswith(_OURS):
            yield f"{_NETNS}/{file.parent.name}/{_RESOLV}", content


def _content(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def run(root: Path, op: Op, steps: Sequence[Step]) -> None:
    """Do steps of the kind "files"; raises StepFailed."""
    for step in steps:
        path = _at(root, step.key)
        try:
            if op is Op.DELETE:
                _remove(root, path)
            else:
                _write(path, step.new)
        except OSError as error:
            raise failed(step, error.errno or 0, str(error.filename or "")) from error


def _write(path: Path, content: str) -> None:
    """Put a whole file in place at once: whoever reads it finds the old content or the new."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = _aside(path)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, _MODE)  # whatever the umask
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def _aside(path: Path) -> Path:
    """Return where a file is written before it gets its name; ours if a kill left it there.

    It does not end in .conf, so that ip(8) does not read it.
    """
    return path.with_name(f".{path.name}.laneway")


def _remove(root: Path, path: Path) -> None:
    path.unlink(missing_ok=True)
    netns = _at(root, _NETNS)
    for directory in (path.parent, netns):
        if netns in (directory, directory.parent) and directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
