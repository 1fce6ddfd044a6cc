from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laneway.map.html import html
from laneway.map.layout import layout
from laneway.map.mermaid import label, mermaid
from laneway.map.subject import Subject, UplinkView
from laneway.map.svg import svg
from tests.map.drawings import drawn, example
from tests.strategies import policies
from tests.worlds import crowd

if TYPE_CHECKING:
    from laneway.policy.model import PolicySet

NASTY = "</script><script>alert(1)</script>'\"&<!--]]>\x00\x1b\udc80.toml"


class Page(HTMLParser):
    """Notes the elements, their attributes, and what the scripts hold."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    return page


@settings(max_examples=30)
@given(policy=policies(), dense=st.booleans())
def test_svg_is_xml_and_names_everybody(policy: PolicySet, *, dense: bool) -> None:
    subject = drawn(policy)

    root = ET.fromstring(svg(subject, layout(subject, is_dense=dense)))  # noqa: S314  our own

    ids = {each.get("id") for each in root.iter()}
    assert {each.id for each in subject.tenants} | {each.id for each in subject.uplinks} <= ids
    titles = "\n".join(each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}title"))
    for tenant in subject.tenants:
        assert f"tenant {tenant.name}\n" in titles
        for lane in tenant.lanes:
            assert f"mark: {lane.mark}\ntable: {lane.table} {lane.table_name}\nip rule: {lane.rule}" in titles


@pytest.mark.parametrize("count", [3, 300])
def test_names_are_to_be_read(count: int) -> None:
    subject = drawn(crowd(count))

    text = svg(subject, layout(subject))

    assert [each.name for each in subject.tenants if f">{each.name}</text>" not in text] == []
    assert [each.name for each in subject.uplinks if f">{each.name}</text>" not in text] == []


def test_lane_is_told_with_its_policy_line() -> None:
    subject = example("quickstart.toml")

    (lane,) = [each for each in subject.tenants[0].lanes if each.uplink == "south"]

    assert lane.carries == ("bulk: tcp 443",)
    assert [each.rpartition(":")[2] for each in lane.place.split(", ")] == ["18", "26"]
    assert (lane.mark, lane.table, lane.table_name) == ("0x120000/0xffff0000", 20018, "lw.acme.south")
    assert lane.rule.endswith(": fwmark 0x120000/0xffff0000 lookup lw.acme.south")


@pytest.mark.parametrize("dense", [False, True])
def test_names_of_files_never_become_markup(*, dense: bool) -> None:
    subject = drawn(crowd(3), NASTY)
    subject = replace(subject, tenants=tuple(replace(each, place=f"{NASTY}:3") for each in subject.tenants))
    placed = layout(subject, is_dense=dense)

    root = ET.fromstring(svg(subject, placed))  # noqa: S314  our own
    page = parsed(html(subject, placed, NASTY))

    assert not [each for each in root.iter() if each.tag.endswith("script")]
    assert page.tags.count("script") == 2
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert json.loads(page.scripts[0])["t0"]["rows"][-1][1].startswith("</script>")


def test_page_needs_no_other_file() -> None:
    page = parsed(html(example("hosting"), layout(example("hosting")), "hosting"))

    links = [value for name, value in page.attributes if name in {"src", "href", "xlink:href", "action"}]
    assert links == []
    assert {"link", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert "url(" not in "".join(page.scripts)


def test_everything_told_is_in_the_page_and_everything_it_names() -> None:
    subject = example("hosting")

    page = parsed(html(subject, layout(subject), "hosting"))

    told = json.loads(page.scripts[0])
    ids = {value for name, value in page.attributes if name == "id"}
    assert told.keys() <= ids
    assert {light for each in told.values() for light in each["lights"]} <= ids
    assert told["t3"]["find"].split()[:2] == ["watch", "10.13.0.0/24"]


def test_everything_named_in_a_dense_page_is_there() -> None:
    subject = drawn(crowd(40))

    page = parsed(html(subject, layout(subject), "many"))

    ids = {value for name, value in page.attributes if name == "id"}
    lights = {light for each in json.loads(page.scripts[0]).values() for light in each["lights"]}
    # A dense drawing has no boxes for workloads.
    assert {each for each in lights - ids if "w" not in each} == set()


@pytest.mark.parametrize("dense", [False, True])
def test_same_policy_is_the_same_bytes(*, dense: bool) -> None:
    one, other = example("hosting"), example("hosting")

    assert svg(one, layout(one, is_dense=dense)) == svg(other, layout(other, is_dense=dense))
    assert html(one, layout(one, is_dense=dense), "a") == html(other, layout(other, is_dense=dense), "a")
    assert mermaid(one) == mermaid(other)


def test_mermaid_of_the_quickstart() -> None:
    assert mermaid(example("quickstart.toml")).splitlines() == [
        "flowchart LR",
        '  subgraph t0["acme"]',
        '    t0w0["web<br/>10.20.0.10<br/>fd20::10<br/>publishes 8080→80/tcp"]',
        "  end",
        '  subgraph t1["globex"]',
        '    t1w0["app<br/>10.30.0.10<br/>fd30::10"]',
        "  end",
        '  u0(["north: eth0<br/>192.0.2.1<br/>2001:db8:a::1"])',
        '  u1(["south: eth1<br/>198.51.100.1<br/>2001:db8:b::1"])',
        '  t0 == "everything else" ==> u0',
        '  t0 -. "bulk: tcp 443" .-> u1',
        '  t1 == "everything" ==> u1',
        '  t1 -. "unused: no class names it" .-> u0',
        "  linkStyle 0,3 stroke:#0969da,stroke-width:2px",
        "  linkStyle 1,2 stroke:#bc4c00,stroke-width:2px",
    ]


@settings(max_examples=30)
@given(policies())
def test_mermaid_ids_are_letters_and_digits_and_no_words(policy: PolicySet) -> None:
    lines = mermaid(drawn(policy)).splitlines()

    names = [re.match(r"  (?:  )?(?:subgraph )?([^ \[\](){}]+)", line) for line in lines[1:]]
    words = {each[1] for each in names if each} - {"end", "linkStyle"}
    assert all(re.fullmatch(r"[tu]\d+(w\d*|x)?", each) for each in words)


@given(st.text(max_size=40))
def test_mermaid_labels_cannot_end_before_their_end(text: str) -> None:
    made = label(text)

    assert re.fullmatch(r'"([^"<>&`\\]|<br/>)*"', made)
    assert len(made.splitlines()) == 1


def test_mermaid_keeps_what_an_interface_is_called() -> None:
    uplink = UplinkView("u0", "north", 'eth"0;#<', (), "", "")

    assert 'u0(["north: eth#quot;0#59;#35;#lt;"])' in mermaid(Subject("", (uplink,), (), ()))
