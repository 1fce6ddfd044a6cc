"""Which mark bits a rule of others uses."""

from __future__ import annotations

from typing import Any

import pytest

from laneway.kernel.mark_census import extension_marks, extensions, statement_marks
from laneway.kernel.tc_marks import filter_marks, tc_marks

META, CT = {"meta": {"key": "mark"}}, {"ct": {"key": "mark"}}


@pytest.mark.parametrize(
    ("rule", "marks"),
    [
        ("-p tcp -j ACCEPT", []),
        ("-m mark --mark 0x1/0x3 -j DROP", ["0x1/0x3"]),
        ("-m mark ! --mark 5", ["0x5/0xffffffff"]),
        ("-m connmark --mark 0x80/0x80 -j MARK --set-xmark 0x40000/0xff0000", ["0x80/0x80", "0x40000/0xff0000"]),
        ("-j MARK --set-xmark 0x20/0x0", ["0x20/0x20"]),
        ("-j MARK --set-xmark 0x0/0xffffffdf", ["0x0/0xffffffdf"]),
        ("-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff00", ["0x0/0xff", "0x0/0xff00"]),
        ("-j CONNMARK --save-mark", ["0x0/0xffffffff"]),
        ("-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x40/0x40", ["0x40/0x40"]),
        ("-j HMARK --hmark-mod 10", ["0x0/0xffffffff"]),
        ("-m socket --transparent --restore-skmark -j ACCEPT", ["0x0/0xffffffff"]),
        ('-m comment --comment "about -m mark --mark 0x1" -j DROP', []),
        (r'-m comment --comment "say \"-m mark --mark 0x1\"" -m mark --mark 0x2', ["0x2/0xffffffff"]),
        ("-m string --string x --algo bm -j NFLOG --nflog-prefix mark", []),
        ("-j SET --map-set lanes src --map-mark", ["0x0/0xffffffff"]),
    ],
)
def test_the_bits_of_an_iptables_rule(rule: str, marks: list[str]) -> None:
    assert [str(used.mark) for name, options in extensions(rule) for used in extension_marks(name, options)] == marks


@pytest.mark.parametrize(
    ("rule", "writes", "masked"),
    [
        ("-m set --match-set trusted src -m mark --mark 0x1 -j ACCEPT", [False], [""]),
        ("-m connmark --mark 0x1 -j ACCEPT", [False], [""]),
        ('-m comment --comment "MARK --set-mark 1" -m mark --mark 0x1 -j asset-in', [False], [""]),
        ("-m mark --mark 0x1 -j LOG --log-prefix set-mark", [False], [""]),
        ("-j SET --add-set seen src", [], []),
        ("-j NFQUEUE --queue-num 1", [], []),
        ("-j SET --map-set lanes src --map-mark", [True], [""]),
        ("-j MARK --set-mark 1", [True], ["--set-mark 0x1/0x1"]),
        ("-j MARK --set-xmark 0x1/0xffffffff", [True], ["--set-xmark 0x1/0x1"]),
        ("-j MARK --set-xmark 0x1/0x1", [True], [""]),
        ("-j CONNMARK --set-xmark 0x5/0xffffffff", [True], ["--set-xmark 0x5/0x5"]),
        (
            "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff",
            [True],
            ["--restore-mark --nfmask OTHERS --ctmask OTHERS"],
        ),
        ("-j CONNMARK --save-mark", [True], ["--save-mark --nfmask OTHERS --ctmask OTHERS"]),
        ("-p tcp -j TPROXY --on-port 80 --tproxy-mark 0x1/0xffffffff", [True], ["--tproxy-mark 0x1/0x1"]),
    ],
)
def test_who_only_reads_a_mark_is_no_writer(rule: str, writes: list[bool], masked: list[str]) -> None:
    found = [used for name, options in extensions(rule) for used in extension_marks(name, options)]

    assert [used.writes for used in found] == writes
    assert [used.masked for used in found] == masked


@pytest.mark.parametrize(
    ("statement", "writes", "masked"),
    [
        ({"match": {"op": "==", "left": META, "right": 5}}, False, ""),
        ({"vmap": {"key": META, "data": {"set": []}}}, False, ""),
        ({"mangle": {"key": META, "value": 1}}, True, "meta mark set meta mark & 0xfffffffe | 0x1"),
        ({"mangle": {"key": CT, "value": 5}}, True, "ct mark set ct mark & 0xfffffffa | 0x5"),
        ({"mangle": {"key": META, "value": {"|": [META, 16]}}}, True, ""),
        (
            {"mangle": {"key": META, "value": CT}},
            True,
            "-j CONNMARK --restore-mark --nfmask OTHERS --ctmask OTHERS of iptables: nft(8) cannot mask that",
        ),
    ],
)
def test_nor_is_one_of_nftables(statement: dict[str, Any], writes: bool, masked: str) -> None:  # noqa: FBT001
    (used,) = statement_marks(statement)

    assert (used.writes, used.masked) == (writes, masked)


@pytest.mark.parametrize(
    ("statement", "marks"),
    [
        ({"accept": None}, []),
        ({"match": {"op": "==", "left": META, "right": 5}}, ["0x5/0xffffffff"]),
        ({"match": {"op": "==", "left": {"&": [META, 255]}, "right": 5}}, ["0x5/0xff"]),
        # The same mask, as nft(8) 1.0.6 prints it and as 1.1.3 does.
        (
            {"match": {"op": "==", "left": META, "right": {"prefix": {"addr": 0x10000, "len": 16}}}},
            ["0x10000/0xffff0000"],
        ),
        ({"match": {"op": "==", "left": {"&": [META, 0xFFFF0000]}, "right": 0x10000}}, ["0x10000/0xffff0000"]),
        ({"match": {"op": "==", "left": CT, "right": {"set": [1, {"range": [2, 5]}]}}}, ["0x0/0xffffffff"]),
        ({"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 5}}, []),
        ({"mangle": {"key": META, "value": 16}}, ["0x10/0xffffffff"]),
        ({"mangle": {"key": META, "value": {"|": [META, 16]}}}, ["0x10/0x10"]),
        ({"mangle": {"key": META, "value": {"|": [{"&": [META, 0xFFFFFF00]}, 5]}}}, ["0x5/0xff"]),
        ({"mangle": {"key": META, "value": {"^": [META, 4]}}}, ["0x4/0x4"]),
        ({"mangle": {"key": CT, "value": META}}, ["0x0/0xffffffff"]),
        ({"mangle": {"key": META, "value": {"map": {"key": {"meta": {"key": "l4proto"}}}}}}, ["0x0/0xffffffff"]),
        ({"vmap": {"key": META, "data": {"set": []}}}, ["0x0/0xffffffff"]),
        ({"mangle": {"key": {"meta": {"key": "priority"}}, "value": 1}}, []),
    ],
)
def test_the_bits_of_an_nftables_statement(statement: dict[str, Any], marks: list[str]) -> None:
    assert [str(used.mark) for used in statement_marks(statement)] == marks


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("filter protocol ip pref 1 fw chain 0 handle 0x6 classid 1:1", ["0x6/0xffffffff"]),
        ("filter protocol ip pref 1 fw chain 0 handle 0x60000/0xff0000 classid 1:1", ["0x60000/0xff0000"]),
        (
            (
                "filter protocol ip pref 2 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 flowid 1:2 not_in_hw\n"
                "  mark 0x00070000 0x00ff0000 (success 0)\n  match 00000000/00000000 at 0"
            ),
            ["0x70000/0xff0000"],
        ),
        (
            (
                "filter protocol ip pref 9 matchall chain 0 handle 0x1\n"
                "\taction order 1: skbedit  mark 327680/0xff0000 pipe\n\t index 1 ref 1 bind 1"
            ),
            ["0x50000/0xff0000"],
        ),
        ("\taction order 1: skbedit mark 5 pipe", ["0x5/0xffffffff"]),
        ("\taction order 1: skbedit  priority :10 pipe", []),
        (
            "filter pref 3 basic chain 0 handle 0x1\n  meta(nf_mark mask 0xff0000 eq 0x80000)",
            ["0x80000/0xff0000"],
        ),
        ("\taction order 1: connmark zone 0 pipe", ["0x0/0xffffffff"]),
        ("filter protocol ip pref 1 flower chain 0 handle 0x1\n  eth_type ipv4", []),
    ],
)
def test_the_bits_of_a_filter_of_traffic_control(text: str, marks: list[str]) -> None:
    assert [str(used.mark) for used in filter_marks(text)] == marks


def test_filters_are_looked_for_where_one_can_be() -> None:
    said = {
        ("qdisc", "show"): "qdisc noqueue 0: dev lo root refcnt 2 \n"
        "qdisc fq_codel 0: dev eth0 root refcnt 2 limit 10240p flows 1024\n"
        "qdisc clsact ffff: dev eth0 parent ffff:fff1 \n"
        "qdisc htb 1: dev eth1 root refcnt 2 r2q 10 default 0x20\n",
        ("filter", "show", "dev", "eth0", "ingress"): "",
        ("filter", "show", "dev", "eth0", "egress"): "filter pref 1 fw chain 0 handle 0x1/0xff classid 1:1 \n",
        ("filter", "show", "dev", "eth1", "parent", "1:"): "filter pref 1 fw chain 0 handle 0x2 classid 1:1 \n",
    }

    found = [(str(each.mark), each.where) for each in tc_marks(lambda _, *words: said[words])]

    assert found == [
        ("0x1/0xff", "mark 0x1/0xff in `tc filter show dev eth0 egress`"),
        ("0x2/0xffffffff", "mark 0x2/0xffffffff in `tc filter show dev eth1 parent 1:`"),
    ]
