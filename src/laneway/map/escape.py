"""Text for XML and HTML: what a policy or a file is called must never become markup, or hide what is drawn."""

from __future__ import annotations

import html

from laneway.state.visible import visible_lines


def escaped(text: str) -> str:
    """Return the text for an element's content or a quoted attribute.

    What no XML document may hold, not even escaped (XML 1.0, 2.2), is among what is made visible.
    """
    return html.escape(visible_lines(text), quote=True)
