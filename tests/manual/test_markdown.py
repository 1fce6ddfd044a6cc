"""What pages are written in is read into blocks, and shown in a terminal and as a manual page."""

from __future__ import annotations

import pytest

from laneway.manual import topics
from laneway.manual.markdown import Code, Heading, Item, Paragraph, Table, blocks
from laneway.manual.roff import About
from laneway.manual.text import lines

PAGE = """# Title

A paragraph of
two lines with a [link](there.md) and **weight**.

* first
  goes on
    * inner `[a](b)`
* second
```sh
# no heading
```

![a picture](it.png)

## Part `x`

| name | meaning |
|---|---|
| a | one \\| two |
"""


def test_a_page_is_read_into_blocks() -> None:
    assert list(blocks(PAGE)) == [
        Heading(1, "Title"),
        Paragraph("A paragraph of two lines with a link and weight."),
        Item(0, "first goes on"),
        Item(1, "inner `[a](b)`"),
        Item(0, "second"),
        Code(("# no heading",)),
        Heading(2, "Part `x`"),
        Table((("name", "meaning"), ("a", "one | two"))),
    ]


def test_a_terminal_gets_lines_of_its_width() -> None:
    shown = [line.text for line in lines(PAGE, columns=24)]

    assert shown == [
        "Title",
        "",
        "A paragraph of two lines",
        "with a link and weight.",
        "",
        "* first goes on",
        "  * inner `[a](b)`",
        "* second",
        "",
        "    # no heading",
        "",
        "Part `x`",
        "",
        "name  meaning",
        "----  ---------",
        "a     one | two",
    ]


def test_a_table_without_room_is_a_list() -> None:
    table = f"| key | type | meaning |\n|---|---|---|\n| k | number | {'long ' * 8}|\n| none | | x |\n"

    assert [line.text for line in lines(table, columns=30)] == [
        "* k  type: number; meaning:",
        "  long long long long long",
        "  long long long",
        "* none  meaning: x",
    ]


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
@pytest.mark.parametrize("topic", topics.topics(), ids=lambda topic: topic.name)
def test_every_page_keeps_within_the_terminal(topic: topics.Topic, columns: int) -> None:
    indented = "    "  # code is shown as it is
    shown = [line.text for line in lines(topic.text, columns=columns)]

    assert [each for each in shown if len(each) > columns and not each.startswith(indented)] == []


def test_every_topic_has_a_manual_page_but_the_one_that_is_laneway_toml() -> None:
    pages = {each.name: each.text for each in topics.pages(About("1.2.3", "2026-01-02"))}

    assert set(pages) == {f"laneway-{each.name}" for each in topics.topics()} - {"laneway-policy"}
    limits = pages["laneway-limits"]
    assert limits.startswith('.TH LANEWAY-LIMITS 7 2026-01-02 "laneway 1.2.3" "laneway"\n.SH NAME\n')
    assert ".IP \\(bu 2\n" in limits
    assert ".SH AFTER A REBOOT\n" in limits
