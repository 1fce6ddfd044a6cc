"""What `laneway status` knows of a host, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.cli.health import closed
from laneway.lanes.leases import table_name
from laneway.policy.names import bridge_name
from laneway.verify.figures import LaneFigures, Traffic, by_lane, lane_rates, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from laneway.cli.wire import Scene
    from laneway.policy.model import Publish, Tenant, Uplink
    from laneway.state.underlay import HostAddress
    from laneway.verify.figures import Figures


class _Carried(NamedTuple):
    """What lanes carry, by their marks."""

    lanes: Mapping[int, LaneFigures]
    rates: Mapping[int, Traffic] | None  # None: there was no earlier look
    accounting: bool

    def of(self, mark: int) -> dict[str, object]:
        """Return a lane's living flows and, where that is counted, what they carry."""
        lane = self.lanes.get(mark, LaneFigures())
        found: dict[str, object] = {"flows": lane.flows, "carried": _json(lane.traffic) if self.accounting else None}
        if self.rates is not None:
            found["carried_per_second"] = _json(self.rates.get(mark, Traffic())) if self.accounting else None
        return found


def status_data(scene: Scene, tenant: str | None, now: Figures, before: Figures | None) -> dict[str, object]:
    """Return all that is shown of the host, with rates since `before`; of one tenant alone when it is named."""
    from laneway.kernel import underlay

    tenants = [each for each in scene.aim.policy.tenants if tenant in (None, each.name)]
    carried = _Carried(by_lane(now), lane_rates(before, now) if before else None, now.accounting)
    addresses = underlay.read().addresses
    return {
        "accounting": now.accounting,
        "uplinks": [
            {**_uplink(scene, each, now, addresses), **_moved(each.interface, now, before)}
            for each in scene.aim.policy.uplinks
        ],
        "tenants": [_tenant(each, now, before) for each in tenants],
        "lanes": [each for one in tenants for each in _lanes(scene, one, carried)],
        "crossing": carried.of(scene.aim.lanes.field.crossing.value),
        "refused": _refused(scene),
    }


def _uplink(scene: Scene, uplink: Uplink, now: Figures, addresses: Iterable[HostAddress]) -> dict[str, object]:
    link = now.links.get(uplink.interface)
    return {
        "name": uplink.name,
        "interface": uplink.interface,
        "present": link is not None,
        "up": bool(link and link.up),
        "carrier": bool(link and link.carrier),
        "open": uplink.interface in scene.aim.facts.interfaces,
        "addresses": [str(each.address) for each in addresses if each.link == uplink.interface],
    }


def _moved(link: str, now: Figures, before: Figures | None) -> dict[str, object]:
    found: dict[str, object] = {"received": _json(now.received(link)), "sent": _json(now.sent(link))}
    if before is not None:
        seconds = max(now.moment - before.moment, 1e-3)
        found["received_per_second"] = _json(now.received(link).since(before.received(link), seconds))
        found["sent_per_second"] = _json(now.sent(link).since(before.sent(link), seconds))
    return found


def _json(traffic: Traffic) -> dict[str, int]:
    return {"packets": round(traffic.packets), "bytes": round(traffic.bytes)}


def _tenant(tenant: Tenant, now: Figures, before: Figures | None) -> dict[str, object]:
    """Return a tenant: what its workloads received and sent is the other way round for its bridge."""
    bridge = bridge_name(tenant.name)
    moved = _moved(bridge, now, before)
    return {
        "name": tenant.name,
        "bridge": bridge,
        "workloads": [each.name for each in tenant.workloads],
        "published": [_published(each.name, one) for each in tenant.workloads for one in each.publish],
        **{_SWAPPED[key]: value for key, value in moved.items()},
    }


_SWAPPED = {
    "received": "sent",
    "sent": "received",
    "received_per_second": "sent_per_second",
    "sent_per_second": "received_per_second",
}


def _published(workload: str, publish: Publish) -> dict[str, object]:
    return {
        "address": str(publish.host) if publish.host else None,
        "ports": str(publish.host_ports),
        "protocol": publish.protocol,
        "workload": workload,
        "to_ports": str(publish.ports),
    }


def _lanes(scene: Scene, tenant: Tenant, carried: _Carried) -> list[dict[str, object]]:
    aim = scene.aim
    interfaces = {uplink.name: uplink.interface for uplink in aim.policy.uplinks}
    shut: dict[str, dict[str, str]] = {}
    for each in closed(scene):
        if each.tenant == tenant.name:
            shut.setdefault(each.uplink, {})[f"IPv{each.family}"] = each.why.value
    return [
        {
            "tenant": tenant.name,
            "uplink": name,
            "preferred": name == tenant.uplinks[0],
            "interface": interfaces[name],
            "open": name not in shut,
            "closed": shut.get(name, {}),
            "mark": str(aim.lanes.mark(tenant.name, name)),
            "table": aim.lanes.table(aim.lanes.mark(tenant.name, name)),
            "table_name": table_name(tenant.name, name),
            **carried.of(aim.lanes.mark(tenant.name, name).value),
        }
        for name in tenant.uplinks
    ]


def _refused(scene: Scene) -> dict[str, int]:
    from laneway.kernel.restore_chains import IptablesChains

    return refused(scene.observed.chains, IptablesChains(scene.aim.facts.variant).counters())
