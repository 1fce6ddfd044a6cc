"""A `PolicySet` as TOML again: what `load` reads back as the same policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laneway.policy.model import AUTO, ONLINK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toml import TomlEncoder

    from laneway.policy.model import (
        Allow,
        ClassMatch,
        Expect,
        HostSettings,
        PolicySet,
        Publish,
        Service,
        Tenant,
        TenantRoute,
        TrafficClass,
        Uplink,
        Workload,
    )

TomlTable = dict[str, Any]


def to_toml(policy: PolicySet) -> str:
    """Return the policy as a TOML document, with everything in it that has a default."""
    return document_text(to_document(policy))


def document_text(document: TomlTable) -> str:
    """Return the text of a document; the `match` of a class is one line, as people write it."""
    import toml
    from toml.decoder import InlineTableDict

    class Inline(dict[str, Any], InlineTableDict):
        """A table that the writer keeps on one line."""

    encoder = toml.TomlEncoder(preserve=True)
    encoder.dump_funcs[list] = lambda values: f"[{', '.join(str(encoder.dump_value(each)) for each in values)}]"

    def inlined(table: TomlTable) -> TomlTable:
        # The writer loses a table without keys inside an array of tables, and `match = {}` is one.
        return {key: Inline(value) if key == "match" else value for key, value in table.items()}

    tenants = {
        name: {**tenant, "classes": list(map(inlined, tenant["classes"]))} if "classes" in tenant else tenant
        for name, tenant in document.get("tenants", {}).items()
    }
    return _text({**document, "tenants": tenants} if tenants else document, encoder)


def _text(document: TomlTable, encoder: TomlEncoder[Any]) -> str:
    """Return what `toml.dumps` would, which compares each table with every other in search of a circle."""
    text, tables = encoder.dump_sections(document, "")
    while tables:
        inner: TomlTable = {}
        for name, table in tables.items():
            values, below = encoder.dump_sections(table, name)
            if values or not below:
                gap = "\n" if text and not text.endswith("\n\n") else ""
                text += f"{gap}[{name}]\n{values}"
            inner |= {f"{name}.{each}": deeper for each, deeper in below.items()}
        tables = inner
    return text


def to_document(policy: PolicySet) -> TomlTable:
    """Return the policy as the tables that a TOML document has."""
    document: TomlTable = {
        "host": host_table(policy.host),
        "uplinks": {each.name: uplink_table(each) for each in policy.uplinks},
        "tenants": {each.name: tenant_table(each) for each in policy.tenants},
        "expect": [_expect(each) for each in policy.expects],
    }
    return _filled(document)


def _filled(table: TomlTable) -> TomlTable:
    """Return the table without what is empty: in most places absent is the same, the others do without this."""
    return {key: value for key, value in table.items() if value not in (None, [], {})}


def host_table(host: HostSettings) -> TomlTable:
    """Return the `[host]` table, all of it."""
    return {
        "marks": f"{host.marks:#x}",
        "max_uplinks": host.max_uplinks,
        "tables": "{}-{}".format(*host.tables),
        "priorities": "{}-{}".format(*host.priorities),
        "iptables": host.iptables,
    }


def uplink_table(uplink: Uplink) -> TomlTable:
    """Return the table of an uplink."""
    both = (uplink.gateway4, uplink.gateway6)
    gateways = [] if ONLINK in both else list(dict.fromkeys(str(each) for each in both if each is not None))
    table: TomlTable = {
        "interface": uplink.interface,
        "gateways": AUTO if both == (AUTO, AUTO) else gateways,
    }
    if uplink.snat:
        table["snat"] = _texts(uplink.snat)
    if not uplink.masquerade:
        table["masquerade"] = False
    return table


def tenant_table(tenant: Tenant) -> TomlTable:
    """Return the table of a tenant; what is empty is left out."""
    snat: TomlTable = {}
    for uplink, address in tenant.snat:
        snat.setdefault(uplink, []).append(str(address))
    table = _filled(
        {
            "id": tenant.id,
            "subnets": _texts(tenant.subnets),
            "uplinks": list(tenant.uplinks),
            "snat": snat,
            "dns": _texts(tenant.dns),
            "isolate": tenant.isolate or None,
            "workloads": {each.name: _workload(each) for each in tenant.workloads},
            "routes": [_route(each) for each in tenant.routes],
            "classes": [_class(each) for each in tenant.classes],
            "allow": [_allow(each) for each in tenant.allow],
        }
    )
    return {**table, "host_access": [_service(each) for each in tenant.host_access]}  # [] is not the default


def _workload(workload: Workload) -> TomlTable:
    return _filled({"addresses": _texts(workload.addresses), "publish": [_publish(each) for each in workload.publish]})


def _publish(publish: Publish) -> str:
    text = f"{publish.host_ports}:{publish.ports}/{publish.protocol}"
    if publish.host is None:
        return text
    return f"[{publish.host}]:{text}" if publish.host.version == 6 else f"{publish.host}:{text}"  # noqa: PLR2004


def _route(route: TenantRoute) -> TomlTable:
    return (
        {"to": str(route.to), "type": route.kind} if route.via is None else {"to": str(route.to), "via": str(route.via)}
    )


def _class(traffic_class: TrafficClass) -> TomlTable:
    table = {"name": traffic_class.name, "uplink": traffic_class.uplink, "action": traffic_class.action}
    return {**_filled(table), "match": _match(traffic_class.match)}


def _match(match: ClassMatch) -> TomlTable:
    return _filled(
        {
            "protocol": match.protocol,
            "ports": [str(each) for each in match.ports],
            "to": _texts(match.to),
            "from": _texts(match.from_),
            "dscp": match.dscp,
        }
    )


def _allow(allow: Allow) -> TomlTable:
    to = allow.tenant if allow.workload is None else f"{allow.tenant}/{allow.workload}"
    return {"to": to, "ports": [_service(each) for each in allow.services]}


def _service(service: Service) -> str:
    return service.protocol if service.ports is None else f"{service.ports}/{service.protocol}"


def _expect(expect: Expect) -> TomlTable:
    return _filled(
        {
            "from": expect.from_,
            "to": str(expect.to),
            "protocol": expect.protocol,
            "port": expect.port,
            "arrives": expect.arrives,
            "uplink": expect.uplink,
            "result": expect.result,
        }
    )


def _texts(values: Sequence[object]) -> list[str]:
    return [str(each) for each in values]
