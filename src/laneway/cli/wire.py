"""The real parts, put together: the one place where commands get their host from."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from laneway.apply import store
from laneway.apply.target import Target, refuse_unknown_tenants, target
from laneway.apply.trust import judge_for_root
from laneway.cli.paths import policy_paths
from laneway.errors import UsageError
from laneway.plan.workloads import lacking, named, names_of, unchanged
from laneway.policy.load import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from laneway.apply.memory import Memory
    from laneway.apply.ports import Kernel, Ledger
    from laneway.apply.saved import SavedHost
    from laneway.apply.transaction import Outcome
    from laneway.plan.conflicts.collision import Collision
    from laneway.plan.steps import Step
    from laneway.policy.model import PolicySet
    from laneway.state.facts import Networks
    from laneway.state.host import HostState
    from laneway.state.sessions import Session

    Progress = Callable[[int, int], None]

LARGEST_DUMP = 1 << 28
"""Characters of a host written down, more than any has: what is longer has no end."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A host as it is, and what a policy asks of it."""

    kernel: Kernel
    observed: HostState
    aim: Target
    kept: tuple[str, ...]  # tenants of the host that the files do not name
    sessions: Callable[[], Sequence[Session]] = tuple  # logins to this host that a change must not cut off
    before: Callable[[], PolicySet | None] = lambda: None  # in force there until now

    @property
    def standing(self) -> frozenset[str]:
        """Return the network namespaces of the workloads that the host has, or had until somebody took one away."""
        before = self.before()
        return frozenset(self.observed.netns) | frozenset(names_of(before) if before else ())

    def notes(self) -> tuple[str, ...]:
        """Return what works on this host and is probably a mistake; raises HostRefused."""
        from laneway.cli.health import refused_by_others
        from laneway.plan.answers import unheard
        from laneway.plan.taken import forwarded_ports, taken_ports

        policy, facts, host = self.aim.policy, self.aim.facts, self.aim.policy.host
        foreign = self.kernel.foreign(host.tables, host.priorities)
        taken = [each.text for each in taken_ports(policy, facts.listeners)]
        taken += [each.text for each in forwarded_ports(policy, foreign)]
        lost = [each.text for each in unheard(policy, foreign, facts.gateways)]
        refused = [f"{each.what}: {each.why}" for each in refused_by_others(policy, foreign, facts.variant)]
        return (*taken, *lost, *refused)


def linux_host(iptables: Literal["auto", "legacy", "nft"] = "auto") -> Kernel:
    """Return the host this process runs on; raises UsageError without the rights, HostRefused without the tools."""
    from laneway.kernel.host import LinuxHost
    from laneway.kernel.iptables_variant import detect_variant, has_variant, other_variant
    from laneway.kernel.privilege import demand_net_admin
    from laneway.kernel.restore_chains import IptablesChains

    demand_net_admin()
    variant = detect_variant(iptables)
    other = other_variant(variant)
    others = IptablesChains(other) if has_variant(other) else None
    return LinuxHost(chains=IptablesChains(variant), others=others, memory=lambda: remembered().priors)


def remembered() -> Memory:
    """Return what is remembered on disk of the host before laneway."""
    from laneway.apply.memory import Memory, recall
    from laneway.kernel.netns import here

    return recall(store.memory(), here()) or Memory(here())


def to_remember(scene: Scene) -> Memory:
    """Return what is to be remembered of the host once it holds what the policy asks; raises HostRefused."""
    from laneway.apply.forwarding import FORWARDS

    priors, facts = scene.aim.desired.priors, scene.aim.facts
    begins = [key for key in FORWARDS.values() if key in priors and facts.present.get(key) == priors[key]]
    known = remembered()
    before = known.before
    if begins and not facts.turned.intersection(FORWARDS.values()):
        before = scene.kernel.networks()
    return known._replace(
        priors=priors, before=before if facts.turned.union(priors).intersection(FORWARDS.values()) else None
    )


def carry_out(
    scene: Scene,
    progress: Progress = lambda _done, _total: None,
    ledger: Ledger | None = None,
    before: Networks | None = None,
) -> Outcome:
    """Make the host hold what the policy asks, or leave it as it is; raises Conflict when something is in the way."""
    from laneway.apply.transaction import transact
    from laneway.plan.conflicts.collision import refuse

    aim = scene.aim
    refuse(in_the_way(scene))
    inner = scene.kernel.foreign(aim.policy.host.tables, aim.policy.host.priorities).inner
    outcome = transact(
        scene.kernel,
        desired=aim.desired,
        observed=scene.observed,
        field=aim.lanes.field,
        progress=progress,
        ledger=ledger,
        variant=aim.facts.variant,
        best_effort=scene.standing,
        before=before,
    )
    told = [*outcome.workloads.items(), *inner]
    return replace(outcome, workloads=named([each for each in told if each[0] in aim.desired.netns], aim.policy))


def not_as_asked(scene: Scene, steps: Sequence[Step]) -> dict[str, str]:
    """Return, in words, what keeps workloads from being as the policy in force has them already, by their names."""
    aim, before = scene.aim, scene.before()
    host = aim.policy.host
    foreign = scene.kernel.foreign(host.tables, host.priorities)
    settled = scene.aim.desired.netns.keys() & (unchanged(before, aim.policy) if before else scene.observed.netns)
    told = [*lacking(steps, scene.observed, aim.desired).items(), *foreign.inner]
    return named([each for each in told if each[0] in settled], aim.policy)


def in_the_way(scene: Scene) -> tuple[Collision, ...]:
    """Return all that a change of this host would be refused for."""
    from laneway.plan.conflicts.foreign import collisions, outside_lanes
    from laneway.plan.conflicts.handovers import handovers
    from laneway.plan.conflicts.shadowed_networks import shadowed_networks
    from laneway.plan.conflicts.ssh_ports import ssh_port_conflicts

    aim, host = scene.aim, scene.aim.policy.host
    foreign = scene.kernel.foreign(host.tables, host.priorities)
    foreign = foreign._replace(netns=foreign.netns - scene.standing)  # that one is taken is that workload's trouble
    return (
        *handovers(scene.observed, aim.desired, aim.lanes),
        *collisions(aim.desired, outside_lanes(foreign, scene.observed), host, aim.lanes.field),
        *shadowed_networks(aim.desired, scene.observed, foreign, scene.sessions),
        *ssh_port_conflicts(aim.policy, scene.before, foreign, scene.sessions),
    )


def look(paths: Sequence[str | Path], *, prune: bool = False) -> Scene:
    """Return this host beside what the policy at `paths` asks of it, the tenants it has besides kept unless `prune`."""
    chosen = policy_paths(paths)
    policy = load(
        chosen, base=lambda named: store.ground(store.applied_besides(named), prune=prune), judge=judge_for_root()
    )
    return mindful(look_at(policy, prune=prune))


def mindful(scene: Scene) -> Scene:
    """Return the scene with what a change of the policy in force must leave alone: every login to this host."""
    from laneway.kernel.logins import sessions

    return replace(scene, sessions=partial(sessions, os.environ))


def look_at(policy: PolicySet, *, prune: bool = False) -> Scene:
    """Return this host beside what `policy` asks of it."""
    scene = _scene(policy, linux_host(policy.host.iptables), memory=str(store.path()), prune=prune)
    return replace(scene, before=cache(store.applied))


def look_back(file: str, paths: Sequence[str | Path], *, prune: bool = False) -> Scene:
    """Return the host that `file`, "-" for standard input, tells of beside what the policy asks of it."""
    from laneway.apply.saved import MEMORY

    host = _read_back(file)
    policy = load(policy_paths(paths), base=lambda _: store.ground(host.policy, prune=prune))
    if policy.host.iptables not in ("auto", host.known.variant):
        message = f"{file} tells of a host on which laneway uses the {host.known.variant} variant of iptables"
        raise UsageError(f"{message}, the policy asks for {policy.host.iptables}", "apply that there first")
    return replace(_scene(policy, host, memory=MEMORY, prune=prune), before=lambda: host.policy)


def _read_back(file: str) -> SavedHost:
    from laneway.apply.saved import saved_host

    try:
        text = _told(file)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from error
    return saved_host(text, file)


def _told(file: str) -> str:
    """Return what a file or a pipe tells; raises OSError, and ValueError for what has no end."""
    with nullcontext(sys.stdin) if file == "-" else Path(file).open(encoding="utf-8") as stream:
        text = stream.read(LARGEST_DUMP + 1)
    if len(text) > LARGEST_DUMP:
        raise ValueError(f"larger than {LARGEST_DUMP >> 20} MiB")
    return text


def _scene(policy: PolicySet, kernel: Kernel, *, memory: str, prune: bool) -> Scene:
    observed = kernel.read()
    if not prune:
        refuse_unknown_tenants(policy, observed)
    facts = kernel.facts([uplink.interface for uplink in policy.uplinks])
    kept = tuple(tenant.name for tenant in policy.tenants if tenant.source.file == memory)
    return Scene(kernel, observed, target(policy, observed, facts), kept)


def dump() -> str:
    """Return this host as a text that `look_back` reads."""
    from laneway.apply.saved import save
    from laneway.policy.model import HostSettings

    stored = store.applied()
    host = stored.host if stored else HostSettings()
    return save(linux_host(host.iptables), host, stored)
