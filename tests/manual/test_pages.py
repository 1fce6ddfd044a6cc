"""Manual pages say all that `--help`, the schema and the topics say.

That they are well formed is tested in integration/install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from laneway.cli.app import VERBS
from laneway.cli.shared_files import completion, shared_files, whole_command
from laneway.errors import EXIT_STATUS, Exit
from laneway.manual import policy, roff
from laneway.manual.commands import pages
from laneway.manual.roff import About
from laneway.policy.schema import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

ABOUT = About("1.2.3", "2026-01-02")


def keys(table: Any) -> Iterator[str]:
    for key, value in table.get("properties", {}).items():
        yield key
        for inner in (value, value.get("additionalProperties"), value.get("items")):
            if isinstance(inner, dict):
                yield from keys(inner)


def test_every_command_has_its_page_with_every_option() -> None:
    whole = whole_command()
    found = {each.name: each.text for each in pages(whole, ABOUT)}

    assert set(found) == {"laneway", *(f"laneway-{verb}" for verb in VERBS)}
    for command in whole.commands:
        page = found["-".join(command.words)]
        shown = page.replace("\\-", "-")
        assert [names for names, _ in command.options if f".TP\n\\fB{names}\\fR\n" not in shown] == []


def test_every_exit_code_is_explained() -> None:
    assert set(EXIT_STATUS) == set(Exit)


def test_every_key_of_a_policy_is_in_its_page() -> None:
    text = policy.page(schema(), ABOUT).text

    missing = [key for key in keys(schema()) if f"\\fB{key}\\fR" not in text and f".{key}" not in text]
    assert [key for key in missing if f"[{key}" not in text] == []
    assert '.SH "[tenants.NAME.workloads.NAME]"' in text
    assert '.SH "[[tenants.NAME.allow]]"' in text
    shown = " ".join(text.split())
    assert 'Ids of the routing tables. (string; default: "20000\\-85535"; example: "30000\\-39999")' in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("run `laneway plan -x`", "run \\fBlaneway plan \\-x\\fR", id="code is bold"),
        pytest.param(".hidden is no request", "\\&.hidden is no request", id="a dot"),
        pytest.param("'quoted' neither", "\\&'quoted' neither", id="a quote"),
        pytest.param("a\\b", "a\\eb", id="a backslash"),
    ],
)
def test_text_stays_text(text: str, expected: str) -> None:
    assert roff.inline(text) == expected


def test_a_wrapped_line_is_no_request_either() -> None:
    wrapped = roff.inline(f"{'word ' * 15}.conf files")

    assert [line for line in wrapped.splitlines() if line.startswith(".")] == []
    assert "\\&.conf" in wrapped


def test_what_a_prefix_gets_is_read_there() -> None:
    local = {path for path, _ in shared_files("/usr/local", "/usr/local/bin/laneway")}
    system = {path for path, _ in shared_files("/usr", "/usr/bin/laneway")}

    assert system - local == {"share/zsh/vendor-completions/_laneway", "lib/NetworkManager/conf.d/laneway.conf"}
    assert local - system == {"share/zsh/site-functions/_laneway"}
    pages_of = {"man8/laneway-apply.8", "man5/laneway.toml.5", "man7/laneway-limits.7"}
    assert {f"share/man/{each}" for each in pages_of} <= local


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_asks_laneway(shell: str) -> None:
    assert f"_LANEWAY_COMPLETE=complete_{shell}" in completion(shell)


def test_a_build_of_the_same_source_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")

    pages_of = [text for path, text in shared_files("/usr", "/usr/bin/laneway") if path.endswith((".5", ".7", ".8"))]

    assert len(pages_of) > 30
    assert all(" 1970-01-02 " in text.splitlines()[0] for text in pages_of)
