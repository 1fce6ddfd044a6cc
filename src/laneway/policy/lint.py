"""What a policy says that is valid and still hardly meant: warnings, each of a rule with a name that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from laneway.policy.lint_ways import lint_uplinks, lint_ways

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.policy.model import PolicySet, Tenant
    from laneway.policy.problems import Fault, Problem

RULES: Final = {
    "class-unreachable": "Classes before this one take all of its packets.",
    "class-matches-nothing": "No packet of the tenant can be of this class.",
    "class-no-effect": "The class sends packets the way they would go without it.",
    "class-family-refused": "The class sends packets of a family to an uplink that does not carry it.",
    "family-refused": "The tenant has a subnet of a family that none of its uplinks carries.",
    "family-not-by-first": "The tenant's first uplink does not carry a family of its subnets.",
    "uplink-unused": "No tenant goes by this uplink.",
    "snat-off-uplink": "Packets leave an uplink with an address that is not of its gateway's network.",
    "publish-off-uplink": "A port is published on an address that is in no uplink's gateway network.",
    "allow-matches-nothing": "The allow has no effect: the target has no address in a family that both tenants use.",
    "allow-duplicate": "Another allow of the tenant opens this already.",
    "isolate-route": "A route leads by a workload that isolate keeps the tenant's others from.",
    "dns-unreachable": "The tenant's workloads cannot ask this name server.",
    "expect-contradiction": "Two expectations want different things of the same packet.",
    "expect-duplicate": "An expectation is written twice.",
}
"""Every rule by the name that `check --ignore` and SARIF know it by, and what it finds."""


class Lint(NamedTuple):
    """One warning: the rule, and what it found where."""

    rule: str
    fault: Fault


def lint(policy: PolicySet, ignored: Iterable[str] = ()) -> list[Lint]:
    """Return the warnings about a valid policy, those of `ignored` rules left out."""
    left_out = frozenset(ignored)
    return [each for each in _found(policy) if each.rule not in left_out]


def located(lints: Iterable[Lint]) -> list[tuple[str, Problem]]:
    """Return each warning's rule, and the warning with its place; in the order in which they stand in the files."""
    from laneway.policy.locate import Atlas

    atlas = Atlas({})
    found = [(each.rule, atlas.problem(each.fault)) for each in lints]
    return sorted(dict.fromkeys(found), key=lambda pair: (pair[1].order, pair[0]))


def _found(policy: PolicySet) -> Iterator[Lint]:
    uplinks = {each.name: each for each in policy.uplinks}
    for rule, fault in lint_uplinks(policy):
        yield Lint(rule, fault)
    for tenant in policy.tenants:
        for rule, fault in lint_ways(tenant, uplinks):
            yield Lint(rule, fault)
    yield from _of_what_few_have(policy)


def _of_what_few_have(policy: PolicySet) -> Iterator[Lint]:
    """Yield warnings about parts that most policies do without; what looks at them is loaded when there are some."""
    some = policy.tenants
    if any(each.classes for each in some):
        from laneway.policy.lint_classes import lint_classes

        yield from (Lint(*each) for each in lint_classes(policy))
    if any(_has_doors(each) for each in some):
        from laneway.policy.lint_doors import lint_doors

        yield from (Lint(*each) for each in lint_doors(policy))
    if len(policy.expects) > 1:
        from laneway.policy.lint_expects import lint_expects

        yield from (Lint(*each) for each in lint_expects(policy.expects))


def _has_doors(tenant: Tenant) -> bool:
    return bool(tenant.allow or tenant.dns or any(each.publish for each in tenant.workloads))
