"""A host without laneway, read with plain commands by way of testinfra.

What they cannot show: an address's protocol before iproute2 6.3, so that any address on a link of laneway's may be
laneway's. Those are told apart in `comparable`. What they show of a multipath route is its first way.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from laneway.compile.plumbing import SYSCTLS
from laneway.errors import HostRefused
from laneway.kernel.outside import Limits
from laneway.kernel.save_text import ours, saved_tables
from laneway.kernel.sysctls import HOST_KEYS, UPLINK_KEYS
from laneway.state.facts import Foreign, HostFacts, MainWay, uplink_routes
from laneway.state.gateways import DefaultRoute, LookUp, gateways
from laneway.state.host import HostState, recorded_keys, recorded_priors
from laneway.state.leftovers import LeftoverKey
from laneway.state.links import GROUP, HOST, Netns
from laneway.state.prefix import FAMILIES, IPV4, IPV6
from laneway.state.routing import ROUTED, RouteKind, add_routes, add_rules
from laneway.state.underlay import HostAddress, MainRoute, Underlay
from laneway.state.visible import complaint
from laneway.verify import answers, others, parse_ip, parse_ipset, parse_nft
from laneway.verify.answers import taken
from laneway.verify.commands import BRIDGED, script, sections
from laneway.verify.reaching import by_hand, said_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal

    from laneway.kernel.ports import ChainsRead
    from laneway.state.facts import Variant
    from laneway.state.links import AddressKey, Link, LinkKey
    from laneway.state.nft import NftElement, NftTable
    from laneway.state.routing import FibRule
    from laneway.verify.commands import Said
    from laneway.verify.parse_ip import SeenAddress, SeenRoute

    Said_ = Mapping[str, Said]

USUAL_LIMITS = Limits()
_CLAIMED = "laneway\n"
_HALF_MADE = Netns(alias="", up=False)
_REVERSE_FILTER = "net/ipv4/conf/{}/rp_filter"
_FORWARDING = {IPV4: "net/ipv4/ip_forward", IPV6: "net/ipv6/conf/all/forwarding"}


class CommandResult(Protocol):
    """What testinfra returns of a command."""

    @property
    def stdout(self) -> str:
        """Return the output."""

    @property
    def stderr(self) -> str:
        """Return the complaints."""


class RemoteHost(Protocol):
    """What of testinfra's host is used."""

    def run(self, command: str) -> CommandResult:
        """Run a shell command there."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A host as plain commands show it."""

    state: HostState
    underlay: Underlay
    variant: Variant
    links_up: frozenset[str]
    main: tuple[SeenRoute, ...]
    defaults: tuple[DefaultRoute, ...]
    look_ups: tuple[LookUp, ...]  # of others
    sysctls: Mapping[str, str]
    uncertain: frozenset[AddressKey]  # addresses on laneway's links that may be somebody else's
    in_force: str = ""  # the policy that was applied there last, as far as it can be read
    foreign: Foreign = field(default_factory=Foreign)  # what of others' may keep tenants' packets
    nftables: bool = True  # the host has nft(8): without it nobody can say whether the second layer is there

    def facts(self, interfaces: Sequence[str]) -> HostFacts:
        """Return the facts that compiling needs."""
        priors = recorded_priors(self.state)
        keys = [*HOST_KEYS, *(key.format(each) for each in sorted(set(interfaces)) for key in UPLINK_KEYS), *priors]
        present = {key: self.sysctls[key] for key in keys if key in self.sysctls}
        bridges = {key.name for key in self.state.links if key.netns == HOST}
        addresses = sorted((each.link, each.address) for each in self.underlay.addresses if each.link not in bridges)
        return HostFacts(
            self.variant,
            self.links_up,
            gateways([each for each in self.defaults if each.link in interfaces], self.look_ups, addresses),
            uplink_routes(_ways(self.main, interfaces)),
            tuple(addresses),
            present | {key: priors[key] for key in keys if key in priors},
            present=present,
            nftables=self.nftables,
        )

    def comparable(self, desired: HostState) -> HostState:
        """Return the state without the addresses that are not asked for and that nobody can say are laneway's."""
        strangers = self.uncertain - desired.addresses.keys()
        kept = {key: None for key in self.state.addresses if key not in strangers}
        return HostState(**{**self.state.kinds(), "addresses": kept})


def read(host: RemoteHost, wanted: Literal["auto", "legacy", "nft"] = "auto", *, limits: Limits = USUAL_LIMITS) -> Seen:
    """Return what of laneway's a host holds, and what it stands on; raises HostRefused when that cannot be read."""
    mark = f"@{secrets.token_hex(8)}@"
    stdout, stderr = said_by(host, script(mark, limits.size), limits)
    if mark not in stdout:
        message = f"the host could not be reached: {complaint(stderr) or 'it said nothing'}"
        raise HostRefused(message, by_hand(host))
    return parse(sections(stdout, mark), wanted)


def parse(said: Said_, wanted: Literal["auto", "legacy", "nft"] = "auto") -> Seen:
    """Return the host that the commands' outputs show; raises HostRefused where one is not what it should be."""
    state = HostState()
    links = taken(said, "link", answers.links)
    peers: dict[int, LinkKey] = {}
    uncertain = set(_namespaces(said, state, peers))
    state.links.update(taken(said, "link", lambda text: dict(parse_ip.host_links(answers.links(text), peers))))
    addresses = _seen_addresses(said, "addr")
    uncertain |= set(_addresses(HOST, addresses, state))
    for family in FAMILIES:
        add_routes(state.routes, parse_ip.owned_routes(HOST, _routes(said, f"route{family}", family)))
        add_rules(state.fib_rules, _rules(said, family))
    state.sets, state.entries = taken(said, "set", lambda text: parse_ipset.parse(answers.sets(text)))
    if nftables := "nft" in said and not said["nft"].code:
        state.nft_tables, state.nft_elements = _layer(said)
    state.files = dict(_files(said))
    variant = _variant(said, wanted)
    state.chains, state.jumps, state.priors = _chains(said, variant)
    _leftovers(said, variant, state)
    sysctls = taken(said, "sysctl", answers.sysctls)
    state.sysctls = dict(_own_sysctls(state, sysctls))
    main = tuple(each for family in FAMILIES for each in _routes(said, f"main{family}", family))
    up = frozenset(each["ifname"] for each in links if parse_ip.is_up(each) and parse_ip.group_of(each) != GROUP)
    underlay = taken(said, "sysctl", lambda _: _underlay(addresses, main, sysctls))
    theirs = others.foreign(said, variant)
    in_force = said["in-force"].text if "in-force" in said and not said["in-force"].code else ""
    ways_out = tuple(_defaults(said, main))
    look_ups = tuple(each for family in FAMILIES for each in _look_ups(said, family))
    return Seen(
        state,
        underlay,
        variant,
        up,
        main,
        ways_out,
        look_ups,
        sysctls,
        frozenset(uncertain),
        in_force,
        theirs,
        nftables,
    )


def _seen_addresses(said: Said_, name: str) -> list[SeenAddress]:
    return taken(said, name, lambda text: list(parse_ip.addresses(answers.objects(text))))


def _routes(said: Said_, name: str, family: int) -> list[SeenRoute]:
    return taken(said, name, lambda text: list(parse_ip.routes(answers.routes(text), family)))


def _rules(said: Said_, family: int) -> list[FibRule]:
    read_as = answers.rules4 if family == IPV4 else answers.rules
    return taken(said, f"rule{family}", lambda text: list(parse_ip.rules(read_as(text), family)))


def _namespaces(said: Said_, state: HostState, peers: dict[int, LinkKey]) -> Iterator[AddressKey]:
    """Add what is inside laneway's namespaces; yield the addresses there that may be somebody else's."""
    names = {each.rpartition(" ")[0].removeprefix("netns ") for each in said if each.startswith("netns ")}
    for name in sorted(names):
        title = f"netns {name} link"
        links = taken(said, title, answers.links)
        ours_ = parse_ip.loopback(links)
        if ours_ is None:
            continue
        state.netns[name] = ours_
        for key, link, far in taken(said, title, partial(_inner_links, name)):
            state.links[key] = link
            peers[far] = key
        yield from _addresses(name, _seen_addresses(said, f"netns {name} addr"), state)
        for family in FAMILIES:
            add_routes(state.routes, parse_ip.owned_routes(name, _routes(said, f"netns {name} route{family}", family)))
    for name, result in said.items():
        if name.startswith("file /run/netns/") and result.text == _CLAIMED:
            state.netns[name.rpartition("/")[2]] = _HALF_MADE


def _inner_links(netns: str, text: str) -> list[tuple[LinkKey, Link, int]]:
    return list(parse_ip.inner_links(netns, answers.links(text)))


def _addresses(netns: str, seen: Iterator[SeenAddress] | list[SeenAddress], state: HostState) -> Iterator[AddressKey]:
    links = frozenset(key.name for key in state.links if key.netns == netns)
    for key, certain in parse_ip.owned_addresses(netns, seen, links):
        state.addresses[key] = None
        if not certain:
            yield key


def _files(said: Said_) -> Iterator[tuple[str, str]]:
    for name, result in said.items():
        path = name.removeprefix("file ")
        if path == name or path.startswith("/run/") or result.code:
            continue
        if not path.startswith("/etc/netns/") or result.text.startswith("# laneway"):
            yield path, result.text


def _layer(said: Said_) -> tuple[dict[str, NftTable], dict[NftElement, None]]:
    """Return laneway's native table; where there is none the command fails."""
    if "layer" not in said or said["layer"].code:
        return {}, {}
    return taken(said, "layer", parse_nft.parse)


def _variant(said: Said_, wanted: Literal["auto", "legacy", "nft"]) -> Variant:
    if wanted != "auto":
        return wanted
    return "nft" if "nf_tables" in taken(said, "variant", answers.variant) else "legacy"


def _chains(said: Said_, variant: Variant) -> ChainsRead:
    names = {family: f"save {variant} {family}" for family in FAMILIES}
    if variant == "legacy":  # it was not asked where it has no tables
        names = {family: name for family, name in names.items() if name in said}
    return _ours(said, names)


def _leftovers(said: Said_, variant: Variant, state: HostState) -> None:
    other: Variant = "nft" if variant == "legacy" else "legacy"
    names = {family: f"save {other} {family}" for family in FAMILIES}
    found = _ours(said, {family: name for family, name in names.items() if name in said and not said[name].code})
    for kind, mapping in (("priors", found.priors), ("chains", found.chains), ("jumps", found.jumps)):
        for key, value in mapping.items():
            state.leftovers[LeftoverKey(other, kind, key)] = value


def _ours(said: Said_, names: Mapping[int, str]) -> ChainsRead:
    tables = {
        family: taken(said, name, lambda text: saved_tables(answers.saved(text))) for family, name in names.items()
    }
    last = max(names.values(), default="")
    return taken(said, last, lambda _: ours(tables)) if last else ours({})


def _own_sysctls(state: HostState, present: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the present values of laneway's bridges and ports, and of what it remembers an earlier value of."""
    links = [(key.name, link.kind) for key, link in state.links.items() if key.netns == HOST]
    keys = [key.format(name) for name, kind in links for key, _ in SYSCTLS.get(kind, ())]
    for key in (*keys, *sorted(recorded_keys(state))):
        if key in present:
            yield key, present[key]


def _defaults(said: Said_, main: Sequence[SeenRoute]) -> Iterator[DefaultRoute]:
    everywhere = [
        each for family in FAMILIES if f"default{family}" in said for each in _routes(said, f"default{family}", family)
    ]
    for route in dict.fromkeys((*main, *everywhere)):
        if not route.to.length and route.kind is RouteKind.UNICAST and not {"tos", "from"} & set(route.more.split()):
            yield from (DefaultRoute(route.table, route.to.family, link, route.metric, via) for link, via in route.hops)


def _look_ups(said: Said_, family: int) -> list[LookUp]:
    read_as = answers.rules4 if family == IPV4 else answers.rules
    return taken(said, f"rule{family}", lambda text: list(parse_ip.look_ups(read_as(text), family)))


def _ways(main: Sequence[SeenRoute], interfaces: Sequence[str]) -> Iterator[MainWay]:
    for route in main:
        for interface in interfaces:
            gateways = tuple(via for link, via in route.hops if link == interface)
            if gateways and route.kind is RouteKind.UNICAST:
                yield MainWay(interface, route.to, route.metric, gateways, route.more)


def _underlay(addresses: Sequence[SeenAddress], main: Sequence[SeenRoute], sysctls: Mapping[str, str]) -> Underlay:
    def families(keys: Mapping[int, str]) -> frozenset[int]:
        return frozenset(family for family, key in keys.items() if sysctls.get(key, "0") != "0")

    def reverse_filter(link: str) -> int:
        return int(sysctls.get(_REVERSE_FILTER.format(link), "0"))

    links = sorted({each.link for each in addresses})
    return Underlay(
        tuple(HostAddress(each.link, each.address, each.deprecated) for each in addresses),
        tuple(_main_route(each) for each in main),
        forwards=families(_FORWARDING),
        reverse_filter={link: max(reverse_filter("all"), reverse_filter(link)) for link in ["all", *links]},
        filters_bridged=families(BRIDGED),
    )


def _main_route(route: SeenRoute) -> MainRoute:
    if route.kind is not RouteKind.UNICAST or not route.hops:
        return MainRoute(route.to, route.metric, route.kind if route.kind in ROUTED else RouteKind.UNREACHABLE)
    link, via = route.hops[0]
    return MainRoute(route.to, route.metric, route.kind, link, via)
