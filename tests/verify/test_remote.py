"""A host read with plain commands, from recorded output."""

from __future__ import annotations

import pytest

from laneway.errors import HostRefused
from laneway.state.links import HOST, AddressKey, LinkKey, LinkKind
from laneway.state.prefix import prefix
from laneway.state.underlay import HostAddress
from laneway.verify.commands import sections
from laneway.verify.drift import differences, text
from laneway.verify.remote import CommandResult, parse, read
from tests.verify.recorded import MARK, STRANGE, TEXT, seen, steps

RULE = '{"priority":10589,"src":"all","fwmark":"0x110000","fwmask":"0xffff0000","table":"20017","protocol":"147"},'


def test_a_host_that_is_as_it_was_has_no_drift() -> None:
    assert steps(seen()) == ()


def test_what_is_of_others_is_not_laneways() -> None:
    state = seen().state

    assert LinkKey(HOST, "docker0") not in state.links
    assert "stranger" not in state.netns
    assert "blocklist" not in state.sets
    assert {rule.priority for rule in state.fib_rules} <= set(range(10000, 20000))


def test_a_veth_knows_its_far_end() -> None:
    state = seen().state

    ports = {key.name: link for key, link in state.links.items() if link.kind is LinkKind.VETH}
    assert sorted((link.master, link.peer) for link in ports.values()) == [
        ("lwb-acme", LinkKey("acme-web", "eth0")),
        ("lwb-globex", LinkKey("globex-app", "eth0")),
    ]


def test_an_address_that_may_be_anybodys_is_left_out_unless_it_is_asked_for() -> None:
    host = seen()

    assert STRANGE in host.state.addresses
    assert STRANGE in host.uncertain
    assert not [step for step in steps(host) if step.kind == "addresses"]


def test_where_protocols_are_shown_a_strangers_address_is_known_as_such() -> None:
    mine = '{"family":"inet","local":"10.20.0.1",'
    strangers = '{"family":"inet","local":"10.20.0.77",'

    host = seen((mine, f'{mine}"protocol":"0x93",'), (strangers, f'{strangers}"protocol":"static",'))

    assert STRANGE not in host.state.addresses
    assert AddressKey(HOST, "lwb-acme", prefix("10.20.0.1/24")) not in host.uncertain


def test_facts_are_those_that_compiling_needs() -> None:
    facts = seen().facts(["eth0", "eth1"])

    assert facts.variant == "nft"
    assert {"eth0", "eth1"} <= facts.interfaces
    assert "lwb-acme" not in facts.interfaces
    assert facts.gateways == {("eth0", 4): bytes((192, 0, 2, 1)), ("eth0", 6): prefix("2001:db8:a::1").address}
    assert [str(each.to) for each in facts.uplink_routes if each.interface == "eth1"] == [
        "2001:db8:b::/64",
        "198.51.100.0/24",
    ]


def test_a_fact_that_laneway_changed_is_the_one_before() -> None:
    host = seen()

    assert host.state.priors["net/ipv4/ip_forward"] == "0"
    assert host.state.sysctls["net/ipv4/ip_forward"] == "1"
    assert host.facts(["eth0"]).sysctls["net/ipv4/ip_forward"] == "0"


def test_the_network_under_it() -> None:
    underlay = seen().underlay

    assert HostAddress("eth0", prefix("192.0.2.2/24")) in underlay.addresses
    assert underlay.forwards == {4, 6}
    assert any(route.via == bytes((192, 0, 2, 1)) and not route.to.length for route in underlay.routes)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            RULE,
            "",
            "missing: IPv{} ip rule 10589: pref 10589 fwmark 0x110000/0xffff0000 lookup 20017 protocol 147",
            id="a rule deleted",
        ),
        pytest.param(
            "add lw-src4 10.20.0.0/24,lwb-acme skbmark 0x110000/0xffff0000\n",
            "",
            "missing: entry 10.20.0.0/24,lwb-acme of set lw-src4: mark 0x110000/0xffff0000",
            id="an entry deleted",
        ),
        pytest.param(
            "add lw-src4 10.20.0.0/24,lwb-acme skbmark 0x110000/0xffff0000\n",
            "add lw-src4 10.20.0.0/24,lwb-acme skbmark 0x120000/0xffff0000\n",
            "different: entry 10.20.0.0/24,lwb-acme of set lw-src4: "
            "is mark 0x120000/0xffff0000, should be mark 0x110000/0xffff0000",
            id="a mark changed",
        ),
        pytest.param(
            "/proc/sys/net/ipv4/conf/lwb-acme/rp_filter:2",
            "/proc/sys/net/ipv4/conf/lwb-acme/rp_filter:1",
            "different: sysctl net/ipv4/conf/lwb-acme/rp_filter: is 1, should be 2",
            id="a sysctl changed",
        ),
        pytest.param(
            '{"type":"7","dst":"default","table":"20017","metric":4294967294,"flags":[]},',
            "",
            "missing: IPv4 route default metric 4294967294 in table 20017: unreachable default metric 4294967294",
            id="a terminator deleted",
        ),
        pytest.param(
            '"group":"27767","txqlen":1000,"link_type":"[1]","address":"02:c2',
            '"group":"0","txqlen":1000,"link_type":"[1]","address":"02:c2',
            "missing: link lwb-acme: bridge, up, group 27767, address 02:c2:31:d9:66:67, 'laneway tenant=acme'",
            id="a group lost",
        ),
    ],
)
def test_damage_is_told(old: str, new: str, expected: str) -> None:
    told = [text(each) for each in differences(steps(seen((old, new))))]

    assert {expected.format(4), expected.format(6)} & set(told)


def test_of_a_chain_the_lines_that_are_not_alike() -> None:
    rule = '-A LANEWAY-OUT -m connmark ! --mark 0x0/0xffff0000 -m comment --comment "lw:-:answer" '
    restore = "-j CONNMARK --restore-mark --nfmask 0xffff0000 --ctmask 0xffff0000\n"

    (first, *_) = differences(steps(seen((rule + restore, "-A LANEWAY-OUT -j ACCEPT\n"))))

    assert text(first) == (
        "different: chain LANEWAY-OUT of mangle (iptables)\n"
        f"    missing:    {rule.removeprefix('-A LANEWAY-OUT ')}{restore.rstrip()}\n"
        "    unexpected: -j ACCEPT"
    )


def test_a_command_that_failed_is_told_with_what_it_said() -> None:
    said = TEXT.replace(f"\n{MARK} variant\n", f"\n{MARK} !127 set\nsh: ipset: not found\n\n{MARK} variant\n")

    with pytest.raises(HostRefused, match=r"\(set\): sh: ipset: not found") as raised:
        parse(sections(said, MARK))

    assert "apt-get install ipset" in raised.value.hint


def test_an_output_cut_short_is_no_host() -> None:
    with pytest.raises(HostRefused, match="could not be read"):
        sections(TEXT[: len(TEXT) // 2], MARK)


def test_a_file_is_read_to_the_byte() -> None:
    said = sections(f"\n{MARK} file a\none\n\n{MARK} file b\nno end\n{MARK} file c\n\n{MARK} end\n", MARK)

    assert (said["file a"].text, said["file b"].text, said["file c"].text) == ("one\n", "no end", "")


class Unreached:
    """A host whose backend fails before it gets there."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, command: str) -> CommandResult:
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            AssertionError(
                "Unexpected exit code 127 for CommandResult(command=b'ansible-inventory --list', _stdout=b'', "
                "_stderr=b'/bin/sh: 1: ansible-inventory: not found\\n')"
            ),
            "/bin/sh: 1: ansible-inventory: not found",
            id="a program that is not there",
        ),
        pytest.param(KeyError("edge1"), "KeyError: 'edge1'", id="a host that it does not know"),
    ],
)
def test_a_backend_that_finds_no_host_is_told_in_words(error: Exception, words: str) -> None:
    with pytest.raises(HostRefused) as refusal:
        read(Unreached(error))

    assert str(refusal.value) == f"the host could not be reached: {words}"
