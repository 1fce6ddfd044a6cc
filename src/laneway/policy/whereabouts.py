"""Where the parts of a policy were written, for checks that have the parsed policy before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.policy.problems import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from laneway.policy.model import Source
    from laneway.policy.problems import Faults


class Whereabouts:
    """Notes what is wrong between two parts of a policy, and knows which of the two came first."""

    def __init__(self, faults: Faults, order: Mapping[str, Sequence[str]]) -> None:
        """Take the faults of single values as they are: such values are not in the policy."""
        self._faults = faults
        self._order = {name: position for position, name in enumerate(order)}
        self._workloads = order
        self._left_out = faults.paths() if faults else frozenset()

    def order(self, tenant: str) -> int:
        """Return a tenant's position in the files; those already on the host come first."""
        return self._order.get(tenant, -1)

    def workload_order(self, tenant: str, workload: str) -> int:
        """Return a workload's position in its tenant's file; of a tenant already on the host they are all the same."""
        names = self._workloads.get(tenant, ())
        return list(names).index(workload) if workload in names else -1

    def element(self, source: Source, key: str, index: int) -> Place:
        """Return the place of an array's element, `index` not counting those that were wrong by themselves."""
        position = left = 0
        while True:
            if (source.file, (*source.path, key, position)) not in self._left_out:
                if left == index:
                    return Place.of(source, key, position)
                left += 1
            position += 1

    def wrong(self, message: str, place: Place, *, hint: str = "", notes: Sequence[tuple[str, Place]] = ()) -> None:
        """Note something wrong."""
        self._faults.add(message, place, hint=hint, notes=notes)
