"""Pages hold together: what they refer to is there, and what they show is valid."""

from __future__ import annotations

import re
import shlex
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from laneway.cli.app import VERBS
from laneway.cli.shared_files import whole_command
from laneway.manual.topics import KINDS, topics
from laneway.policy.lint import RULES
from laneway.policy.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FILES = [README, *sorted((ROOT / "src/laneway/pages").rglob("*.md"))]
NAMES = {each.name for each in topics()}


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 200


def test_the_package_has_every_page_of_the_source() -> None:
    assert {f"{each.kind}/{each.name}.md" for each in topics()} == {
        str(each.relative_to(ROOT / "src/laneway/pages")) for each in FILES[1:]
    }
    assert {each.kind for each in topics()} == set(KINDS)


def test_the_readme_leads_to_every_page() -> None:
    text = README.read_text()

    assert [each.name for each in topics() if f"(src/laneway/pages/{each.kind}/{each.name}.md)" not in text] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_links_and_topics_lead_somewhere(file: Path) -> None:
    text = file.read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    asked = re.findall(r"`laneway help ([a-z-]+)`", text)

    assert [link for link in links if not link.startswith("https:") and not (file.parent / link).exists()] == []
    assert [topic for topic in asked if topic not in {*NAMES, *VERBS}] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_policy_that_is_shown_is_valid(file: Path, tmp_path: Path) -> None:
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", file.read_text(), re.DOTALL)):
        tomllib.loads(block)
        policy = tmp_path / f"{number}.toml"
        policy.write_text(block)
        assert load([policy]).uplinks


def test_every_lint_rule_is_explained() -> None:
    page = next(each.text for each in topics() if each.name == "lint-rules")

    assert set(re.findall(r"(?m)^\| `([a-z-]+)` \|", page)) == {"invalid", *RULES}


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of laneway's that a page shows: in a block, or in a sentence."""
    fenced = re.findall(r"(?ms)^```(?:sh|console|text)\n(.*?)^```", text)
    shown = [line for block in fenced for line in re.findall(r"(?m)(?:^|[#$|] )laneway ([a-z].*)", block)]
    spoken = re.findall(r"`laneway ([a-z][^`]*)`", re.sub(r"(?ms)^```.*?^```", "", text))
    for line in (*shown, *spoken):
        words = shlex.split(line, comments=True)
        yield list(takewhile(lambda each: each not in {"--", "|", ">"}, words))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_commands_and_their_options_exist(file: Path) -> None:
    known = {each.words[1]: each for each in whole_command().commands}
    wrong = []
    for verb, *rest in commands(file.read_text()):
        options = [name for names, _ in known[verb].options for name in names.replace(",", "").split()]
        wrong += [f"{verb} {each}" for each in rest if re.fullmatch("--[a-z-]+", each) and each not in options]
    assert wrong == []
