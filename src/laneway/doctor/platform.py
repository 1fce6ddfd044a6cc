"""Whether kernel and tools can do what laneway asks of them, and in which iptables the rules of the host are."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from laneway.doctor.finding import APPLY, error, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.doctor.finding import Finding
    from laneway.state.diagnosis import Diagnosis, StrangeRules, Trial
    from laneway.state.facts import Variant

ADDRESS_PROTOCOLS = (5, 18)
"""The kernel that began to keep IFA_PROTO."""

PROGRAMS = {4: "iptables", 6: "ip6tables"}


def judge(seen: Diagnosis) -> Iterator[Finding]:
    """Yield findings about kernel, tools and the variant of iptables."""
    for program, package in seen.missing_tools:
        why = "laneway runs it"
        yield error("tool-missing", f"this host has no program {program}", why, f"apt-get install {package}")
    for module, trials in groupby(sorted(seen.trials, key=_module), key=_module):
        yield _missing(module, list(trials))
    if (0, 0) < seen.kernel < ADDRESS_PROTOCOLS:
        yield warning(
            "kernel-old",
            f"kernel {seen.kernel[0]}.{seen.kernel[1]} is older than 5.18",
            "it does not keep whose an interface address is (IFA_PROTO), so that laneway cannot know its own",
            hint="run a newer kernel",
        )
    if not seen.nftables:
        yield warning(
            "no-second-layer",
            "this kernel has no nf_tables, or not for this process: tenants are kept apart by iptables alone",
            "who flushes laneway's rules there, or puts an ACCEPT before them, takes some of what keeps tenants apart",
            "modprobe nf_tables",
        )
    if seen.variant is not None:
        yield from _variants(seen.variant, seen.strangers)


def _module(trial: Trial) -> str:
    return trial.module


def _missing(module: str, trials: Sequence[Trial]) -> Finding:
    what = f"this kernel cannot do: {'; '.join(f'{each.what} ({each.error})' for each in trials)}"
    why = "laneway builds on it: tried just now, in a network namespace of its own, it failed"
    if not module:
        return error("kernel-feature", what, why, hint="run a kernel that has it")
    package = "on Debian and Ubuntu it may be in the package linux-modules-extra of this kernel"
    return error("kernel-feature", what, why, f"modprobe {module}", hint=package)


def _variants(variant: Variant, strangers: Sequence[StrangeRules]) -> Iterator[Finding]:
    other = "nft" if variant == "legacy" else "legacy"
    if any(each.ours for each in strangers):
        yield warning(
            "variant-leftovers",
            f"laneway has chains in the {other} iptables, and this host's iptables is {variant}",
            "packets pass both: the old chains mark and refuse them too",
            APPLY,
        )
    foreign = [each for each in strangers if each.rules or each.policies]
    if foreign:
        yield warning(
            "variant-mix",
            f"{_counted(foreign)} in the {other} iptables, and this host's iptables is {variant}",
            "packets pass both, but neither shows the other's rules: what is refused in one is refused, whatever "
            "the other says",
            *(command for each in foreign for command in _move(each, variant, other)),
        )


def _counted(strange: Sequence[StrangeRules]) -> str:
    """Return how many rules there are, and which base chains refuse what no rule decides."""
    count = sum(each.rules for each in strange)
    closed = [f"{PROGRAMS[each.family]} -t {each.table} -P {chain}" for each in strange for chain in each.policies]
    rules = f"{count} {'rule' if count == 1 else 'rules'} of others" if count else ""
    policies = (
        f"{'a policy' if len(closed) == 1 else 'policies'} other than ACCEPT ({', '.join(closed)})" if closed else ""
    )
    verb = "is" if count + len(closed) == 1 else "are"
    return f"{' and '.join(each for each in (rules, policies) if each)} {verb}"


def _move(strange: StrangeRules, variant: Variant, other: str) -> Iterator[str]:
    """Yield the commands that take one table over into the variant that is used."""
    program, table = PROGRAMS[strange.family], strange.table
    if strange.rules:
        yield (
            f"{program}-{other}-save -t {table} | {program}-{variant}-restore --noflush "
            f"&& {program}-{other} -t {table} -F && {program}-{other} -t {table} -X"
        )
    for chain in strange.policies:
        yield f"{program}-{variant} -t {table} -P {chain} DROP && {program}-{other} -t {table} -P {chain} ACCEPT"
