"""Which mark bits a rule of others uses."""

from __future__ import annotations

from typing import Any

import pytest

from laneway.kernel.mark_census import extension_marks, extensions, statement_marks

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
    ],
)
def test_the_bits_of_an_iptables_rule(rule: str, marks: list[str]) -> None:
    assert [str(mark) for name, options in extensions(rule) for mark in extension_marks(name, options)] == marks


@pytest.mark.parametrize(
    ("statement", "marks"),
    [
        ({"accept": None}, []),
        ({"match": {"op": "==", "left": META, "right": 5}}, ["0x5/0xffffffff"]),
        ({"match": {"op": "==", "left": {"&": [META, 255]}, "right": 5}}, ["0x5/0xff"]),
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
    assert [str(mark) for mark in statement_marks(statement)] == marks
