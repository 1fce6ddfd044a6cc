"""What a host is, as tools that laneway's makers did not write tell it: for "as it was before"."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

_SYSCTLS = r"""
sysctl -a 2>/dev/null | grep -E '^net\.(ipv4|ipv6|bridge)\.' \
| grep -vE 'stable_secret|nf_conntrack_count|base_reachable'
"""

_RUN = r"""
find /run \( -path /run/layers -o -path /run/netns -o -name laneway.lock -o -name xtables.lock \) -prune -o -print \
| sort
"""

# Seconds. Duplicate address detection takes two (RFC 4862), and waits for the lock of all network configuration, which
# the kernel may hold much longer while it clears a host of many bridges away that another test was done with.
SETTLING = 60

# Whether a link works follows whether it is up, a second later at worst (net/core/link_watch.c); how many senders a
# bridge has seen, which iproute2 shows since 6.7, follows what was sent.
_MOVING = r"NO-CARRIER,|,LOWER_UP| state [A-Z]+|bridge_slave state [a-z]+|[a-z_]*timer +[0-9.]+| fdb_n_learned [0-9]+"
LINKS = f"ip -o -d link | sed -E 's/{_MOVING}//g'"
ROUTES = "{ ip route show table all; ip -6 route show table all; } | sed 's/ linkdown//'"

COMMANDS = {
    "links": LINKS,
    "addresses": "ip -o addr | sed 's/ *valid_lft.*//'",
    "rules": "ip rule; ip -6 rule",
    "routes": ROUTES,
    "netns": "ip netns | sort; ls -A /run/netns 2>/dev/null || true",
    "sets": "ipset save",
    "nft": "nft --stateless list ruleset",
    "legacy": "iptables-legacy-save; ip6tables-legacy-save",
    "sysctls": _SYSCTLS,
    "etc": "find /etc/iproute2 /etc/netns -type f -exec sha256sum {} + 2>/dev/null | sort || true",
    "run": _RUN,
}


def snapshot(host: Throwaway) -> dict[str, str]:
    """Return the host, part by part, once nothing changes by itself."""
    settle(host)
    parts = {name: host.sh(command) for name, command in COMMANDS.items()}
    parts["legacy"] = _without_empty_tables(parts["legacy"])
    parts["nft"] = _without_empty_chains(parts["nft"])
    return parts


def settle(host: Throwaway) -> None:
    """Wait until no address is tentative: until then addresses and routes come by themselves."""
    deadline = time.monotonic() + SETTLING
    while tentative := host.sh("ip -6 -o addr show tentative | grep -v dadfailed || true"):
        assert time.monotonic() < deadline, f"still tentative after {SETTLING} s:\n{tentative}"
        time.sleep(0.1)


def _without_empty_tables(saved: str) -> str:
    """Drop dates, counters, and tables without a rule: the kernel keeps a legacy table for good once it is there."""
    text = re.sub(r"(?m)^#.*\n", "", re.sub(r"\[\d+:\d+\]", "", saved))
    return re.sub(r"(?m)^\*\w+\n(:\w+ ACCEPT \n)+COMMIT\n", "", text)


def _without_empty_chains(ruleset: str) -> str:
    """Drop base chains without a rule: those that iptables-nft makes in a table of somebody else's stay there."""
    return re.sub(r"\n?\tchain \w+ \{\n\t\ttype [^\n]*policy accept;\n\t\}\n", "", ruleset)
