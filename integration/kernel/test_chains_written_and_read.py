"""Rules of ours in the real iptables, both variants: written, read back the same, and told apart from others'."""

from __future__ import annotations

import re
import shlex
import socket
from typing import TYPE_CHECKING

import pytest

from integration.kernel.chain_rules import SETS, creation, every_jump, every_rule
from laneway.kernel.ports import ChainsRead
from laneway.kernel.restore_chains import IptablesChains, removal, remove_leftovers
from laneway.plan.steps import Op, Step
from laneway.state.chain_text import canonical, rule_text
from laneway.state.chains import BaseJump, Chain, ChainKey, ChainRule, ForeignRule, JumpKey, Verdict, XtTable

if TYPE_CHECKING:
    from integration.throwaway import Throwaway
    from laneway.state.facts import Variant

pytestmark = pytest.mark.parametrize("variant", ["legacy", "nft"])

FORWARD = ChainKey(4, XtTable.FILTER, "LANEWAY-FORWARD")
USER = ChainKey(4, XtTable.FILTER, "LANEWAY-USER")
JUMP = JumpKey(4, XtTable.FILTER, "FORWARD", "LANEWAY-FORWARD")
ONE = ChainRule((), Verdict.DROP, "lw:-:one")
TWO = ChainRule((), Verdict.ACCEPT, "lw:-:two")


def _run(variant: Variant, steps: list[Step]) -> ChainsRead:
    chains = IptablesChains(variant)
    chains.run(steps)
    return chains.read()


def _remove_all(variant: Variant) -> ChainsRead:
    chains = IptablesChains(variant)
    return _run(variant, list(removal(chains.read())))


def _replace(key: ChainKey, old: Chain, new: Chain) -> Step:
    return Step(Op.REPLACE, "chains", key, old, new)


def _plain(chains: dict[ChainKey, Chain]) -> dict[ChainKey, Chain]:
    return {
        key: tuple(canonical(rule) for rule in rules if isinstance(rule, ChainRule)) for key, rules in chains.items()
    }


@pytest.mark.parametrize("family", [4, 6])
def test_every_kind_of_rule_is_read_back_as_it_was_written(throwaway: Throwaway, variant: Variant, family: int) -> None:
    throwaway.sh(SETS)

    read = throwaway.call(_run, variant, creation(every_rule(family), every_jump(family)))

    assert read.chains == _plain(every_rule(family))
    assert read.jumps == every_jump(family)


@pytest.mark.parametrize("family", [4, 6])
def test_rules_are_written_just_as_iptables_save_prints_them(
    throwaway: Throwaway, variant: Variant, family: int
) -> None:
    throwaway.sh(SETS)
    throwaway.call(_run, variant, creation(every_rule(family), {}))

    program = f"ip{'6' if family == 6 else ''}tables-{variant}-save"
    printed = [line.split(" ", 2)[2] for line in throwaway.sh(program).splitlines() if line.startswith("-A LANEWAY-")]

    # By name where iptables knows one, or /etc/protocols, which a minimal host has not: versions differ.
    numbers = {"dccp": 33, "gre": 47, "pim": 103, "rohc": 142}
    for name, number in numbers.items():
        printed = [re.sub(rf"^-p {name} ", f"-p {number} ", text) for text in printed]
    ours = [rule_text(rule, family=family) for rules in every_rule(family).values() for rule in rules]
    assert sorted(ours) == sorted(printed)


def test_a_chain_is_replaced_whole_and_others_keep_their_counters(throwaway: Throwaway, variant: Variant) -> None:
    other = ChainKey(4, XtTable.FILTER, "LANEWAY-INPUT")
    out = JumpKey(4, XtTable.FILTER, "OUTPUT", "LANEWAY-INPUT")
    chains: dict[ChainKey, Chain] = {FORWARD: (ONE, TWO), other: (TWO,)}
    throwaway.call(_run, variant, creation(chains, {out: BaseJump()}))
    throwaway.call(_send_two_datagrams)

    read = throwaway.call(_run, variant, [_replace(FORWARD, (ONE, TWO), (TWO,))])

    assert read.chains[FORWARD] == (TWO,)
    ((packets, octets),) = throwaway.call(_counters, variant)[other]
    assert packets >= 2
    assert octets >= 2 * 28  # an IPv4 and a UDP header each


def _send_two_datagrams() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(2):
            sender.sendto(b"", ("127.0.0.1", 9))


def _counters(variant: Variant) -> dict[ChainKey, tuple[tuple[int, int], ...]]:
    return IptablesChains(variant).counters()


def test_foreign_rules_survive_creation_and_removal(throwaway: Throwaway, variant: Variant) -> None:
    throwaway.sh(SETS)
    for program in ("iptables", "ip6tables"):
        throwaway.sh(f"""
            {program}-{variant} -N DOCKER
            {program}-{variant} -A FORWARD -m comment --comment 'not ours' -j DOCKER
            {program}-{variant} -P FORWARD DROP
            {program}-{variant} -t nat -A POSTROUTING -o eth9 -j MASQUERADE
            {program}-{variant} -t mangle -A PREROUTING -m mark --mark 0x1 -j ACCEPT
            {program}-{variant} -t raw -A PREROUTING -i eth9 -j ACCEPT""")
    before = _without_counters(throwaway, variant)

    for family in (4, 6):
        throwaway.call(_run, variant, creation(every_rule(family), every_jump(family)))
    assert _without_counters(throwaway, variant) != before
    read = throwaway.call(_remove_all, variant)

    assert read == ChainsRead({}, {}, {})
    assert _without_counters(throwaway, variant) == before


def _without_counters(throwaway: Throwaway, variant: Variant) -> str:
    return throwaway.sh(f"(iptables-{variant}-save; ip6tables-{variant}-save) | sed 's/\\[.*//; /^#/d'")


def test_a_jump_that_others_got_ahead_of_is_first_again_and_alone(throwaway: Throwaway, variant: Variant) -> None:
    iptables = f"iptables-{variant}"
    throwaway.call(_run, variant, creation({FORWARD: (ONE,)}, {JUMP: BaseJump()}))
    throwaway.sh(f"""
        {iptables} -I FORWARD 1 -j ACCEPT
        {iptables} -A FORWARD -j LANEWAY-FORWARD
        {iptables} -A FORWARD -m mark --mark 0x1 -g LANEWAY-FORWARD""")

    assert throwaway.call(_run, variant, []).jumps == {JUMP: BaseJump(first=False)}
    read = throwaway.call(_run, variant, [Step(Op.REPLACE, "jumps", JUMP, BaseJump(first=False), BaseJump())])

    assert read.jumps == {JUMP: BaseJump()}
    assert throwaway.sh(f"{iptables} -S FORWARD").splitlines()[1:] == [
        "-A FORWARD -j LANEWAY-FORWARD",
        "-A FORWARD -j ACCEPT",
    ]


def test_two_jumps_alike_are_one_too_many(throwaway: Throwaway, variant: Variant) -> None:
    throwaway.call(_run, variant, creation({FORWARD: (ONE,)}, {JUMP: BaseJump()}))
    throwaway.sh(f"iptables-{variant} -A FORWARD -j LANEWAY-FORWARD")

    assert throwaway.call(_run, variant, []).jumps == {JUMP: BaseJump(first=False)}


def test_the_operators_chain_is_made_once_and_never_emptied(throwaway: Throwaway, variant: Variant) -> None:
    create = Step(Op.CREATE, "chains", USER, None, ())
    throwaway.call(_run, variant, [create])
    throwaway.sh(f"iptables-{variant} -A LANEWAY-USER -s 192.0.2.1 -j DROP")

    read = throwaway.call(_run, variant, [create, Step(Op.CREATE, "chains", FORWARD, None, (ONE,))])
    left = throwaway.call(_remove_all, variant)

    assert [rule_text(rule, family=4) for rule in read.chains[USER]] == ["-s 192.0.2.1/32 -j DROP"]
    assert left.chains == {USER: read.chains[USER]}


def test_a_rule_edited_in_place_is_seen(throwaway: Throwaway, variant: Variant) -> None:
    throwaway.call(_run, variant, creation({FORWARD: (ONE, TWO)}, {}))
    throwaway.sh(f"iptables-{variant} -R LANEWAY-FORWARD 1 -m comment --comment lw:-:one -j ACCEPT")
    throwaway.sh(f"iptables-{variant} -A LANEWAY-FORWARD -m limit --limit 5/sec -j LOG")

    read = throwaway.call(_run, variant, [])

    limit = ForeignRule("-m limit --limit 5/sec -j LOG")
    assert read.chains[FORWARD] == (ChainRule((), Verdict.ACCEPT, "lw:-:one"), TWO, limit)


def test_a_foreign_rule_in_a_chain_of_ours_can_be_put_back(throwaway: Throwaway, variant: Variant) -> None:
    said = shlex.quote('say "hi" \\ there')
    throwaway.call(_run, variant, creation({FORWARD: (ONE,)}, {}))
    throwaway.sh(f"iptables-{variant} -A LANEWAY-FORWARD -m comment --comment {said} -m limit --limit 5/sec -j LOG")
    before = throwaway.call(_run, variant, []).chains[FORWARD]

    throwaway.call(_run, variant, [_replace(FORWARD, before, (ONE,))])
    read = throwaway.call(_run, variant, [_replace(FORWARD, (ONE,), before)])

    assert read.chains[FORWARD] == before


def test_priors_are_kept_in_a_chain_and_go_without_a_trace(throwaway: Throwaway, variant: Variant) -> None:
    forward, other = "net/ipv4/ip_forward", "net/ipv4/conf/eth0.7/rp_filter"
    read = throwaway.call(
        _run, variant, [Step(Op.CREATE, "priors", forward, None, "0"), Step(Op.CREATE, "priors", other, None, "1")]
    )
    assert read == ChainsRead({}, {}, {forward: "0", other: "1"})

    read = throwaway.call(_run, variant, [Step(Op.REPLACE, "priors", forward, "0", "1")])
    assert read.priors == {forward: "1", other: "1"}

    gone = [Step(Op.DELETE, "priors", key, value) for key, value in read.priors.items()]
    assert throwaway.call(_run, variant, gone) == ChainsRead({}, {}, {})


def test_chains_that_lead_to_each_other_are_deleted_together(throwaway: Throwaway, variant: Variant) -> None:
    throwaway.sh(SETS)
    chains = every_rule(4)
    throwaway.call(_run, variant, creation(chains, {}))

    assert throwaway.call(_remove_all, variant) == ChainsRead({}, {}, {})


def test_leftovers_in_the_other_variant_are_removed(throwaway: Throwaway, variant: Variant) -> None:
    throwaway.call(_run, variant, creation({FORWARD: (ONE,)}, {JUMP: BaseJump()}))

    assert throwaway.call(remove_leftovers, variant) == (FORWARD,)

    assert throwaway.call(_run, variant, []) == ChainsRead({}, {}, {})


def test_reading_makes_no_table(throwaway: Throwaway, variant: Variant) -> None:
    throwaway.call(_run, variant, [])
    throwaway.call(_marks, variant)

    assert throwaway.sh("iptables-legacy-save; ip6tables-legacy-save; nft list ruleset") == ""


def _marks(variant: Variant) -> tuple[str, ...]:
    chains = IptablesChains(variant)
    found = tuple(str(use.mark) for use in chains.others().marks)
    return (*found, *chains.warnings)


def test_marks_of_others_are_found_in_both_variants_and_ours_are_not(throwaway: Throwaway, variant: Variant) -> None:
    throwaway.sh(SETS)
    throwaway.sh("""
        iptables-legacy -t mangle -A PREROUTING -m mark --mark 0x1/0x3 -j MARK --set-xmark 0x40/0x40
        iptables-nft -t mangle -A PREROUTING -p tcp -j TPROXY --on-port 80 --tproxy-mark 0x100/0x100
        ip6tables-nft -t mangle -A PREROUTING -j CONNMARK --save-mark --nfmask 0x200 --ctmask 0x200
        nft add table inet x
        nft add chain inet x c
        nft add rule inet x c meta mark set meta mark or 0x400""")
    throwaway.call(_run, variant, creation(every_rule(4), every_jump(4)))

    assert set(throwaway.call(_marks, variant)) == {"0x1/0x3", "0x40/0x40", "0x100/0x100", "0x0/0x200", "0x400/0x400"}
