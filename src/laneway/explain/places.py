"""Where in the policy files something stands, looked up when it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.state.visible import visible

if TYPE_CHECKING:
    from laneway.policy.locate import Atlas
    from laneway.policy.model import Source


class Places:
    """Turns sources into `file:line`; a file is read when the first of its places is asked for."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._atlas: Atlas | None = None

    def text(self, source: Source | None) -> str:
        """Return `file:line`, only the file when it cannot be read, or nothing for no source."""
        if source is None:
            return ""
        if self._atlas is None:
            from laneway.policy.locate import Atlas

            self._atlas = Atlas({})
        from laneway.policy.problems import Place

        note = self._atlas.note("", Place.of(source))
        file = visible(note.file)
        return f"{file}:{note.line}" if note.line else file
