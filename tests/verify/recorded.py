"""What the commands said on a host with the quickstart applied, and with things of others beside it.

Besides it there are an address of the operator's on a tenant's bridge, a bridge docker0, a netns, a set and a rule.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.apply.target import target
from laneway.plan.plan import plan
from laneway.policy.load import load
from laneway.state.host import HostState
from laneway.state.links import HOST, AddressKey
from laneway.state.prefix import prefix
from laneway.verify.commands import sections
from laneway.verify.judgement import Judgement, judge
from laneway.verify.remote import parse

if TYPE_CHECKING:
    from laneway.apply.target import Target
    from laneway.plan.steps import Step
    from laneway.policy.model import PolicySet
    from laneway.verify.remote import Seen

ROOT = Path(__file__).parents[2]
MARK = "@@"
STRANGE = AddressKey(HOST, "lwb-acme", prefix("10.20.0.77/24"))
TEXT = (Path(__file__).parent / "recordings" / "quickstart.txt").read_text(encoding="utf-8")


def policy() -> PolicySet:
    return load([ROOT / "policies" / "quickstart.toml"])


def seen(*damage: tuple[str, str]) -> Seen:
    """Return the host with parts of what it said replaced."""
    text = TEXT
    for old, new in damage:
        assert old in text, old
        text = text.replace(old, new)
    return parse(sections(text, MARK))


def asked() -> Target:
    """Return what the policy asked of the host when it was recorded, whatever it would ask of one today."""
    host, wanted = seen(), policy()
    aim = target(wanted, host.state, host.facts([each.interface for each in wanted.uplinks]))
    addresses = {key: None for key in host.state.addresses if key != STRANGE}
    return replace(aim, desired=HostState(**{**host.state.kinds(), "addresses": addresses}))


def steps(host: Seen) -> tuple[Step, ...]:
    aim = asked()
    return plan(aim.desired, host.comparable(aim.desired))


def judged(host: Seen) -> Judgement:
    aim = asked()
    return judge(aim, host.comparable(aim.desired), host.underlay)
