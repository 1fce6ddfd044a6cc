"""A progress bar on standard error, when a person is watching."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEW = 500
"""Plans shorter than this are done before a bar could be read."""


@contextmanager
def shown() -> Iterator[Callable[[int, int], None]]:
    """Yield what takes (done, all) steps: a bar for long plans on a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = None

        def advance(done: int, total: int) -> None:
            nonlocal task
            if total < FEW:
                return
            if task is None:
                task = bar.add_task("applying", total=total)
            bar.update(task, completed=done)

        yield advance
