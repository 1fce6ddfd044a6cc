from __future__ import annotations

import pytest

from laneway.cli.explain import answer
from laneway.cli.map import asked_of
from laneway.explain.assume import assumed_host
from laneway.explain.places import Places
from laneway.map.layout import layout
from laneway.map.mermaid import mermaid
from laneway.map.subject import subject
from laneway.map.svg import svg
from laneway.map.way import Way, with_way
from laneway.policy.load import load
from tests.map.drawings import POLICIES


def asked(name: str, packet: str) -> tuple[set[str], Way, str]:
    """Return, by name, what is lit, the way, and the drawing."""
    ground = assumed_host(load([POLICIES / name]))
    places = Places()
    origins = ground.origins
    drawn = subject(name, origins.policy, lanes=origins.lanes, state=ground.terrain.state, place_of=places.text)
    drawn, way = with_way(drawn, answer(ground, asked_of(packet), live=False), places)
    names = {each.id: each.name for each in drawn.tenants} | {each.id: each.name for each in drawn.uplinks}
    for tenant in drawn.tenants:
        names |= {each.id: f"{tenant.name}/{each.name}" for each in tenant.workloads}
        names |= {each.id: f"{tenant.name}.{each.uplink}" for each in tenant.lanes}
        names |= {tenant.refusal.id: f"{tenant.name}.refused"} if tenant.refusal else {}
    names |= {each.id: f"{each.tenant} → {each.other} {each.services}" for each in drawn.crossings}
    mermaid(drawn, way)
    return {names[each] for each in way.lit}, way, svg(drawn, layout(drawn, way))


@pytest.mark.parametrize(
    ("packet", "lit"),
    [
        pytest.param(
            "--from games/lobby --to 203.0.113.10 --udp 27015",
            {"games", "games/lobby", "games.fibre", "fibre"},
            id="first-choice",
        ),
        pytest.param(
            "--from shop/db --to 203.0.113.10 --tcp 873", {"shop", "shop/db", "shop.cable", "cable"}, id="class"
        ),
        pytest.param(
            "--from games/lobby --to 203.0.113.10 --tcp 25", {"games", "games/lobby", "games.refused"}, id="rejected"
        ),
        pytest.param(
            "--from games/lobby --to 203.0.113.10 --udp 1900", {"games", "games/lobby", "games.refused"}, id="dropped"
        ),
        pytest.param(
            "--from blog/web --to shop/db --tcp 5432",
            {"blog", "blog/web", "shop", "shop/db", "blog → shop 5432/tcp"},
            id="allowed",
        ),
        pytest.param("--from blog/web --to shop/db --tcp 22", {"blog", "blog/web"}, id="wall"),
        pytest.param(
            "--from blog/web --to 192.0.2.2 --tcp 28000",
            {"blog", "blog/web", "games", "games/arena", "blog → games published"},
            id="published",
        ),
        pytest.param(
            "--from 203.0.113.5 --in fibre --to 192.0.2.2 --tcp 8081",
            {"blog", "blog/web", "blog.fibre", "fibre"},
            id="inbound",
        ),
    ],
)
def test_what_is_on_the_way_is_lit(packet: str, lit: set[str]) -> None:
    found, _, _ = asked("hosting", packet)

    assert found == lit


def test_drawing_says_what_becomes_of_the_packet() -> None:
    _, way, text = asked("quickstart.toml", "--from acme/web --to 203.0.113.10 --tcp 443")

    assert way.title.startswith("acme/web → 203.0.113.10 tcp/443: delivered by south")
    assert ">delivered by south</text>" in text
    assert 'id="t0l1" class="part lane u1 other lit"' in text
