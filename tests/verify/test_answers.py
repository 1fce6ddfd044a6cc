"""An answer that is cut, garbled or forged is told as that: it is no bug, no drift, and never a host that holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laneway.errors import Exit, HostRefused
from laneway.kernel.outside import Limits
from laneway.verify.commands import Said, command_of, sections
from laneway.verify.judgement import judge_remote
from laneway.verify.reaching import by_hand, said_by
from laneway.verify.remote import parse
from tests.verify.recorded import MARK, TEXT, policy, steps

SAID = sections(TEXT, MARK)
JSON = sorted(each for each in SAID if re.match(r"(link|addr|rule|route|main|netns (acme|globex))", each))
OTHERS = ("set", "variant", "save nft 4", "save nft 6", "sysctl")
NONSENSE = {
    "null": "null\n",
    "a number": "7\n",
    "a text": '"ok"\n',
    "an object": "{}\n",
    "numbers": "[1,2]\n",
    "arrays": "[[]]\n",
    "a page": "<html><body>502 Bad Gateway</body></html>\n",
    "a prompt": "Password:\n",
    "a localised error": "Objekt „nonsens“ ist unbekannt, versuchen Sie „ip help“.\n",
    "half of an object": '[{"ifname":"lo"\n',
    "deep": "[" * 100_000 + "\n",
    "not of its type": '[{"ifname":5,"dst":5,"local":5,"priority":"x","group":[],"addr_info":[{"family":"inet"}]}]\n',
    "without its keys": '[{"a":1}]\n',
    "bytes": "\udc80\x00\x1b[31m\n",
    "NaN": "[NaN]\n",
    "a boolean for a number": '[{"ifname":"lo","ifindex":true,"metric":true,"priority":true,"prefixlen":true}]\n',
}


@pytest.mark.parametrize("garbage", NONSENSE)
@pytest.mark.parametrize("name", [*JSON, *OTHERS])
def test_nonsense_is_no_answer(name: str, garbage: str) -> None:
    with pytest.raises(HostRefused) as refusal:
        steps(parse({**SAID, name: Said(NONSENSE[garbage])}))

    assert refusal.value.exit_code == Exit.REFUSED
    assert str(refusal.value).startswith("the host could not be read: its answer to `")
    assert command_of(name) in str(refusal.value)


@pytest.mark.parametrize("name", [*JSON, *OTHERS])
def test_of_a_missing_answer_the_command_is_named(name: str) -> None:
    with pytest.raises(HostRefused) as refusal:
        parse({key: value for key, value in SAID.items() if key != name})

    assert str(refusal.value) == f"the host could not be read: an answer to `{command_of(name)}` is missing"


@pytest.mark.parametrize("name", [*JSON, "save nft 4", "save nft 6", "set", "sysctl"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_half_an_answer_is_none(name: str, share: float) -> None:
    text = SAID[name].text
    cut = text[: min(int(len(text) * share), len(text) - 3)]
    if len(text) < 10:
        pytest.skip("there is nothing to cut off")

    with pytest.raises(HostRefused, match="is not understood"):
        parse({**SAID, name: Said(cut)})


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.6, 0.99])
def test_where_all_stops_is_told(share: float) -> None:
    with pytest.raises(HostRefused, match=r"the host could not be read: it stopped (at once|within its answer to `)"):
        sections(TEXT[: int(len(TEXT) * share)], MARK)


def test_names_may_have_what_json_forbids() -> None:
    alias = '"ifalias":"laneway tenant=acme'
    assert alias in SAID["link"].text

    host = parse({**SAID, "link": Said(SAID["link"].text.replace(alias, f"{alias}\x1b[31m\x7f\udc80"))})

    assert any("\x1b" in link.alias for link in host.state.links.values())


INSERTED = ('"', "}", "[", "\n", "\x00", "-1", "1e999", "null", "COMMIT\n", f"\n{MARK} set\n", "ä", "*x\n")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cut", "double", "insert", "swap"]),
            st.integers(0, len(TEXT)),
            st.integers(1, 400),
            st.sampled_from(INSERTED),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_comes_is_a_host_or_is_refused(damage: list[tuple[str, int, int, str]]) -> None:
    text = TEXT
    for kind, at, length, what in damage:
        piece = text[at : at + length]
        replaced = {"cut": "", "double": piece * 2, "insert": what + piece, "swap": piece[::-1]}[kind]
        text = text[:at] + replaced + text[at + length :]

    try:
        host = parse(sections(text, MARK))
    except HostRefused as refusal:
        assert str(refusal).startswith("the host could not be read")  # noqa: PT017
    else:
        host.facts(["eth0", "eth1"])
        steps(host)


class Backend:
    NAME = "podman"
    hostname = "edge1"


class Broken:
    """A host that says one thing, whatever it is asked, or raises it."""

    backend = Backend()

    def __init__(self, stdout: str | Exception, stderr: str = "") -> None:
        self._stdout = stdout
        self.stderr = stderr

    @property
    def stdout(self) -> str:
        return str(self._stdout)

    def run(self, command: str) -> Broken:
        if isinstance(self._stdout, Exception):
            raise self._stdout
        return self


@pytest.mark.parametrize(
    ("host", "words"),
    [
        pytest.param(Broken("", "\x1b[31mno\nroute"), r"\x1b[31mno; route", id="escapes"),
        pytest.param(Broken("x" * 100_000), "it said nothing", id="another answer"),
        pytest.param(Broken(ConnectionRefusedError(111, "refused")), "[Errno 111] refused", id="refused"),
        pytest.param(Broken(EOFError()), "EOFError:", id="the end of a channel"),
        pytest.param(Broken(RuntimeError("timed out")), "timed out", id="testinfra's own"),
    ],
)
def test_a_host_that_cannot_be_reached_is_told_in_one_line(host: Broken, words: str) -> None:
    with pytest.raises(HostRefused) as refusal:
        judge_remote(host, policy())

    assert str(refusal.value) == f"the host could not be reached: {words}"
    assert refusal.value.hint == "try by hand: podman exec edge1 true"


def test_the_hint_is_of_the_way_that_was_taken() -> None:
    hosts = {}
    for kind in ("ssh", "paramiko", "docker", "podman", "kubectl", "lxc", "local"):
        host = Broken("")
        host.backend = type("Other", (Backend,), {"NAME": kind})()
        hosts[kind] = by_hand(host)

    assert hosts == {
        "ssh": "try by hand: ssh edge1 true",
        "paramiko": "try by hand: ssh edge1 true",
        "docker": "try by hand: docker exec edge1 true",
        "podman": "try by hand: podman exec edge1 true",
        "kubectl": "try by hand: kubectl exec edge1 -- true",
        "lxc": "try by hand: lxc exec edge1 -- true",
        "local": "is that program here, and does it know the host?",
    }


@pytest.mark.parametrize(
    ("command", "limits", "words"),
    [
        pytest.param("exec yes", Limits(size=1 << 20), "the host's answer was cut off after 1 MiB", id="endless"),
        pytest.param(
            "exec yes >&2", Limits(size=1 << 20), "the host's answer was cut off after 1 MiB", id="complaints"
        ),
        pytest.param("exec sleep 60", Limits(silence=0.2), "the host said nothing for 0.2 seconds", id="silent"),
        pytest.param(
            "while :; do echo; sleep 0.05; done",
            Limits(silence=5, whole=0.5),
            "the host's answer had not ended after 0.5 seconds",
            id="slow",
        ),
    ],
)
def test_no_answer_is_waited_for_or_read_without_end(command: str, limits: Limits, words: str) -> None:
    testinfra = pytest.importorskip("testinfra")
    host = testinfra.get_host("local://")

    with pytest.raises(HostRefused) as refusal:
        said_by(host, command, limits)

    assert str(refusal.value) == words
    assert host.run("echo after").stdout == "after\n"


def test_an_answer_within_limits_is_whole() -> None:
    testinfra = pytest.importorskip("testinfra")

    said = said_by(testinfra.get_host("local://"), "seq 100000; echo \\\\377 >&2; printf '\\200'", Limits())

    assert said[0].count("\n") == 100_000
    assert said[0].endswith("\udc80")
