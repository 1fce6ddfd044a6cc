"""Text for XML and HTML: what a policy or a file is called must never become markup."""

from __future__ import annotations

import html
import re
from typing import Final

_NOT_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, not even escaped (XML 1.0, 2.2)."""


def printable(text: str) -> str:
    """Return the text without what no document may hold."""
    return _NOT_XML.sub("\ufffd", text)


def escaped(text: str) -> str:
    """Return the text for an element's content or a quoted attribute."""
    return html.escape(printable(text), quote=True)
