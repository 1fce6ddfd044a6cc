"""Where the parts of a policy were written, for checks that have the parsed policy before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.policy.fields import suggestion
from laneway.policy.problems import MANY, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from laneway.policy.model import Path, Source, Tenant, Workload
    from laneway.policy.problems import Faults


class Whereabouts:
    """Notes what is wrong between two parts of a policy, and knows which of the two came first."""

    def __init__(self, faults: Faults, order: Mapping[str, Sequence[str]]) -> None:
        """Take the faults of single values as they are: such values are not in the policy."""
        self._faults = faults
        self._order = {name: position for position, name in enumerate(order)}
        self._workloads = order
        self._places: dict[str, dict[str, int]] = {}  # of workloads, by tenant; each is looked at once
        self._elements: dict[tuple[str, Path], list[int]] = {}  # positions of what is right, by array
        self._residents: dict[str, dict[str, Workload]] = {}
        self._left_out = faults.paths() if faults else frozenset()

    def order(self, tenant: str) -> int:
        """Return a tenant's position in the files; those already on the host come first."""
        return self._order.get(tenant, -1)

    def workload_order(self, tenant: str, workload: str) -> int:
        """Return a workload's position in its tenant's file; of a tenant already on the host they are all the same."""
        if tenant not in self._places:
            self._places[tenant] = {name: place for place, name in enumerate(self._workloads.get(tenant, ()))}
        return self._places[tenant].get(workload, -1)

    def element(self, source: Source, key: str, index: int) -> Place:
        """Return the place of an array's element, `index` not counting those that were wrong by themselves."""
        array = (*source.path, key)
        right = self._elements.setdefault((source.file, array), [])
        while len(right) <= index:
            position = right[-1] + 1 if right else 0
            while (source.file, (*array, position)) in self._left_out:
                position += 1
            right.append(position)
        return Place.of(source, key, right[index])

    def suggestion(self, word: str, known: Mapping[str, object], *, besides: str = "") -> str:
        """Return a hint at the likeliest of the known words; of thousands nobody asks, and each look is at them all."""
        if len(self._faults) >= MANY:
            return ""
        return suggestion(word, known.keys() - {besides} if besides else known.keys())

    def workloads(self, tenant: Tenant) -> Mapping[str, Workload]:
        """Return a tenant's workloads by their names."""
        if tenant.name not in self._residents:
            self._residents[tenant.name] = {each.name: each for each in tenant.workloads}
        return self._residents[tenant.name]

    def wrong(self, message: str, place: Place, *, hint: str = "", notes: Sequence[tuple[str, Place]] = ()) -> None:
        """Note something wrong."""
        self._faults.add(message, place, hint=hint, notes=notes)
