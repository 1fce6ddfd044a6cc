"""Whatever others call their things, a terminal is told nothing by it."""

from __future__ import annotations

import io
import json
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.cli import output
from laneway.errors import LanewayError
from laneway.map.escape import escaped
from laneway.map.mermaid import label
from laneway.plan.shell import quoted
from laneway.plan.steps import Op, Step
from laneway.plan.words import command, describe
from laneway.state.links import GROUP, HOST, AddressKey, Link, LinkKey, LinkKind, Netns
from laneway.state.prefix import prefix
from laneway.state.routing import Route, RouteKey, RouteKind
from laneway.state.visible import complaint, visible, visible_throughout
from laneway.verify.drift import differences, text

ATTACKS = (
    *("\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\x7f\x08\x08", "\r", "\x00", "\x1f", "\x85", "\u2028"),
    *("\u202e", "\u2066", "\u200b", "\u2060", "\ufeff", "\ufe0f", "\u3164", "\U000e0041", "\ud800", "\udc9b"),
)
NAMES = st.lists(
    st.sampled_from(
        [*(each for each in ATTACKS if each != "\ud800"), "eth0", " ", "'", '"', "$(id)", "\\", "%s", "é", "北"]
    ),
    min_size=1,
).map("".join)
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def acts(shown: str) -> list[str]:
    """Return what of a text a terminal would act on, or not show."""
    return [each for each in shown if each not in "\n\t" and unicodedata.category(each) in HIDDEN]


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_seen(attack: str) -> None:
    assert visible(attack).isascii()
    assert visible(attack).isprintable()


@given(NAMES)
def test_nothing_that_is_printed_acts(name: str) -> None:
    plain = io.StringIO()

    shown = [output.shown(plain, f"link {name}: ", output.Painted(name, output.RED)), complaint(name), escaped(name)]
    answer = output.json_text({"name": name})

    assert [acts(each) for each in (*shown, label(name), str(visible_throughout([name])), answer)] == [[]] * 6
    assert json.loads(answer) == {"name": name}


@given(NAMES.map(lambda name: name.replace("\x00", "")), st.sampled_from(["acme-web", HOST]))
def test_no_command_that_is_printed_acts(name: str, netns: str) -> None:
    link = Link(LinkKind.VETH, GROUP, alias=name, up=True)
    address = AddressKey(netns, name, prefix("10.20.0.9/32"))
    route = RouteKey(netns, 254, prefix("203.0.113.0/24"), 0)
    steps = (
        Step(Op.DELETE, "links", LinkKey(netns, name), link, None),
        Step(Op.REPLACE, "links", LinkKey(netns, name), link, link._replace(up=False)),
        Step(Op.DELETE, "addresses", address, None, None),
        Step(Op.DELETE, "routes", route, Route(RouteKind.UNICAST, name, b""), None),
        Step(Op.CREATE, "netns", name, None, Netns(name, up=True)),
        Step(Op.CREATE, "sysctls", f"net/ipv4/conf/{name}/rp_filter", None, "2"),
        Step(Op.DELETE, "files", f"/etc/netns/{name}/resolv.conf", "", None),
        Step(Op.CREATE, "files", "/etc/netns/a/resolv.conf", None, f"# {name}\n"),
    )

    for step in steps:
        lines = (command(step), describe(step))
        assert [acts(each) for each in lines] == [[], []]
        assert "\n" not in describe(step)
    for difference in differences(steps[:4]):
        assert acts(text(difference)) == []
        assert "\n" not in text(difference)


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("attack", [each for each in ATTACKS if each not in "\x00\ud800"])
def test_a_printed_word_is_typed_as_it_was(shell: str, attack: str) -> None:
    word = f"a {attack}'\"$\\%{attack}\n"

    done = subprocess.run([shell, "-c", f"printf %s {quoted(word)}"], stdout=subprocess.PIPE, check=True)

    assert done.stdout == word.encode("utf-8", "surrogateescape")


def test_an_error_cannot_speak_for_laneway(capsys: pytest.CaptureFixture[str]) -> None:
    output.failure(LanewayError("link \x1b[1A\x1b[2K is in the way", "ip link del '\x9b'"))

    assert capsys.readouterr().err == "laneway: link \\x1b[1A\\x1b[2K is in the way\n  hint: ip link del '\\x9b'\n"


def test_what_a_program_says_is_one_line_and_not_endless() -> None:
    assert (
        complaint("Warning: \x1b[31mnew key\r\nlaneway: all is well\n")
        == "Warning: \\x1b[31mnew key; laneway: all is well"
    )
    assert len(complaint("x" * 100_000)) == 501
