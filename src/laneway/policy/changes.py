"""What a policy changes in the one before it, in the policy's own terms: tenants, uplinks, workloads, ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from laneway.policy.write import host_table, tenant_table, uplink_table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from laneway.policy.model import PolicySet
    from laneway.policy.write import TomlTable

Sign = Literal["+", "~", "-"]

_NAMED = {"classes": ("class", "name"), "routes": ("route", "to"), "allow": ("allow", "to")}
"""Arrays of tables in a tenant: what one of them is called, and the key that tells it from the others."""


class Change(NamedTuple):
    """One line of a difference: what comes, changes or goes."""

    sign: Sign
    text: str
    depth: int = 0  # 1: of the tenant or the uplink above it, 2: of the workload above it


def changes(before: PolicySet, after: PolicySet, *, unknown: Collection[str] = ()) -> Iterator[Change]:
    """Yield what makes `after` of `before`; tenants of `unknown` are on the host by a policy that nobody knows."""
    yield from _named("host", {"": host_table(before.host)}, {"": host_table(after.host)}, _values)
    old, new = ({each.name: uplink_table(each) for each in policy.uplinks} for policy in (before, after))
    yield from _named("uplink", old, new, _uplink_text)
    old, new = ({each.name: tenant_table(each) for each in policy.tenants} for policy in (before, after))
    lost = sorted(set(unknown) - old.keys())
    yield from (
        Change("~", f"tenant {name}: on the host by a policy that is not known") for name in lost if name in new
    )
    yield from _named("tenant", old, {name: each for name, each in new.items() if name not in lost}, _tenant_text)
    yield from (Change("-", f"tenant {name}") for name in lost if name not in new)


def _named(
    noun: str,
    before: Mapping[str, TomlTable],
    after: Mapping[str, TomlTable],
    text: Callable[[TomlTable], str],
    depth: int = 0,
) -> Iterator[Change]:
    """Yield what comes, changes and goes of things that have names."""
    for name in sorted({*before, *after}):
        title = f"{noun} {name}".rstrip()
        if name not in before:
            yield Change("+", f"{title}: {text(after[name])}", depth)
        elif name not in after:
            yield Change("-", f"{title}: {text(before[name])}", depth)
        elif before[name] != after[name]:
            yield Change("~", title, depth)
            yield from _keys(before[name], after[name], depth + 1)


def _keys(before: TomlTable, after: TomlTable, depth: int) -> Iterator[Change]:
    """Yield the keys of a table that change."""
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if key == "workloads":
            yield from _named("workload", old or {}, new or {}, _workload_text, depth)
        elif key in _NAMED:
            yield from _listed(*_NAMED[key], old or [], new or [], depth)
        elif key == "publish":
            yield from (Change("-", f"publish {each}", depth) for each in old or [] if each not in (new or []))
            yield from (Change("+", f"publish {each}", depth) for each in new or [] if each not in (old or []))
        elif old is None:
            yield Change("+", f"{key}: {_text(new)}", depth)
        elif new is None:
            yield Change("-", f"{key}: {_text(old)}", depth)
        else:
            yield Change("~", f"{key}: {_text(old)} → {_text(new)}", depth)


def _listed(
    noun: str, key: str, before: Sequence[TomlTable], after: Sequence[TomlTable], depth: int
) -> Iterator[Change]:
    """Yield what comes, changes and goes of an array of tables; of some of the same name the last counts."""
    text = _class_text if noun == "class" else lambda table: _values(table, without=key)
    old, new = ({str(each[key]): text(each) for each in tables} for tables in (before, after))
    for name in dict.fromkeys([*old, *new]):
        if name not in old:
            yield Change("+", f"{noun} {name}: {new[name]}", depth)
        elif name not in new:
            yield Change("-", f"{noun} {name}: {old[name]}", depth)
        elif old[name] != new[name]:
            yield Change("~", f"{noun} {name}: {old[name]} → {new[name]}", depth)
    kept = [[name for name in each if name in old and name in new] for each in (old, new)]
    if kept[0] != kept[1]:
        yield Change("~", f"order: {noun} {', '.join(kept[0])} → {', '.join(kept[1])}", depth)


def _tenant_text(tenant: TomlTable) -> str:
    workloads = tenant.get("workloads", {}).values()
    ports = [
        each.rpartition(":")[0] + "/" + each.rpartition("/")[2] for one in workloads for each in one.get("publish", ())
    ]
    parts = [
        _counted(len(workloads), "workload"),
        f"{_counted(len(tenant['uplinks']), 'lane')} by {_text(tenant['uplinks'])}",
    ]
    if "classes" in tenant:
        parts.append(_counted(len(tenant["classes"]), "class"))
    if ports:
        parts.append(f"publishes {_text(ports)}")
    return ", ".join(parts)


def _uplink_text(uplink: TomlTable) -> str:
    gateways = uplink["gateways"]
    return f"{uplink['interface']} via {_text(gateways)}" if gateways else f"{uplink['interface']}, point-to-point"


def _workload_text(workload: TomlTable) -> str:
    published = f"; publishes {_text(workload['publish'])}" if "publish" in workload else ""
    return f"{_text(workload['addresses'])}{published}"


def _class_text(one: TomlTable) -> str:
    fate = f"uplink {one['uplink']}" if "uplink" in one else one["action"]
    return f"{_text(one['match']) or 'all packets'}: {fate}"


def _values(table: TomlTable, *, without: str = "") -> str:
    return ", ".join(f"{key} {_text(value)}" for key, value in table.items() if key != without)


def _text(value: Any) -> str:  # noqa: ANN401  what TOML has
    if isinstance(value, dict):
        return "; ".join(f"{key} {_text(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
