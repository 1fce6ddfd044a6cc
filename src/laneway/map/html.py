"""The drawing as one HTML page that asks no network: with a search, and with what is told on hover or focus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from laneway.map.details import details
from laneway.map.escape import escaped
from laneway.map.svg import about, body, opening, style
from laneway.state.visible import visible_throughout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from laneway.map.details import Detail
    from laneway.map.parts import Layout
    from laneway.map.subject import Subject

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""The browser itself holds the page to using no network."""

SEARCH: Final = (
    '<input type="search" placeholder="Find tenants: name, address, port   /" aria-label="Find tenants" '
    'autocomplete="off" spellcheck="false">'
)

NOT_IN_SCRIPTS: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
"""With these escaped no text inside a script can end it (HTML, 4.12.1.3)."""


def html(drawn: Subject, placed: Layout, title: str) -> str:
    """Return the page; `title` is what it is called, the packet asked about if there is one."""
    told = details(drawn, placed)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escaped(POLICY)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escaped(title)}</title>",
            f"<style>{style('page.css')}</style>",
            "</head>",
            "<body>",
            "<header>",
            f"<h1>{escaped(drawn.title)}</h1>",
            f'<p id="count" aria-live="polite">{escaped(about(drawn))}</p>',
            SEARCH,
            "</header>",
            "<main>",
            *opening(drawn, placed, role="group"),
            *body(placed, told, live=True),
            "</svg>",
            "</main>",
            '<aside aria-live="polite" hidden></aside>',
            f'<script type="application/json" id="told">{_data(told)}</script>',
            f"<script>{style('page.js')}</script>",
            "</body>",
            "</html>",
        ]
    )


def _data(told: Mapping[str, Detail]) -> str:
    """Return what is told as JSON that may stand inside a script."""
    text = json.dumps(visible_throughout({key: each._asdict() for key, each in told.items()}), ensure_ascii=False)
    return text.translate(NOT_IN_SCRIPTS)
