"""IP prefixes as the kernel carries them: network-order bytes and a length.

`ipaddress` serves the policy edge, where it gives good errors. Here a plan compares some hundred thousand
prefixes, which a named tuple of bytes does in C.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.policy.model import Address, Network

T = TypeVar("T")

IPV4 = 4
IPV6 = 6
FAMILIES = (IPV4, IPV6)


def address_text(packed: bytes) -> str:
    """Return the address as people write it; `packed` is 4 or 16 bytes in network order."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)  # noqa: PLR2004


def family_of(packed: bytes) -> int:
    """Return 4 or 6."""
    return IPV4 if len(packed) == 4 else IPV6  # noqa: PLR2004


class Prefix(NamedTuple):
    """A prefix, or with all its bits set to the length, one address. Host bits may be set (an interface address)."""

    address: bytes
    length: int

    @property
    def family(self) -> int:
        """Return 4 or 6."""
        return family_of(self.address)

    def __str__(self) -> str:
        return f"{address_text(self.address)}/{self.length}"


def prefix(text: str) -> Prefix:
    """Return the prefix that `text` writes, an address standing for itself alone: for constants and tests.

    Raises ValueError or OSError on text that is no prefix; policy text is parsed by `laneway.policy`.
    """
    address, _, length = text.partition("/")
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return Prefix(packed, int(length) if length else len(packed) * 8)


def of_network(network: Network) -> Prefix:
    """Return the prefix of an `ipaddress` network."""
    return Prefix(network.network_address.packed, network.prefixlen)


def of_address(address: Address) -> Prefix:
    """Return the prefix that holds one address alone."""
    return Prefix(address.packed, address.max_prefixlen)


ANY = {IPV4: Prefix(bytes(4), 0), IPV6: Prefix(bytes(16), 0)}
"""The default destination of each family."""


def leading(address: bytes, length: int) -> tuple[int, int]:
    """Return what is the same for all addresses of a prefix; those of the two families are never the same."""
    bits = len(address) * 8
    return bits, int.from_bytes(address) >> (bits - length) if length <= bits else -1


def network_of(address: Prefix) -> Prefix:
    """Return the network that an interface address is of."""
    below = len(address.address) * 8 - address.length
    return Prefix((int.from_bytes(address.address) >> below << below).to_bytes(len(address.address)), address.length)


def inside(one: Prefix, other: Prefix) -> bool:
    """Return whether all of a prefix is in another."""
    return one.length >= other.length and leading(one.address, other.length) == leading(other.address, other.length)


LINK_LOCAL = prefix("fe80::/10")
"""What never leaves its link (RFC 4291, 2.5.6)."""


def is_link_local(address: Prefix) -> bool:
    """Return whether an address or a network is link-local in IPv6."""
    return leading(address.address, LINK_LOCAL.length) == leading(*LINK_LOCAL)


class ByPrefix(Generic[T]):
    """What is known of prefixes, found by address: a look-up for each length there is, not for each prefix."""

    def __init__(self, known: Iterable[tuple[Prefix, T]]) -> None:
        """Sort it by length."""
        self._lengths: dict[int, dict[tuple[int, int], T]] = {}
        for each, what in known:
            self._lengths.setdefault(each.length, {})[leading(each.address, each.length)] = what
        self._longest_first = sorted(self._lengths.items(), reverse=True)

    def around(self, address: bytes) -> Iterator[T]:
        """Yield what is known of each prefix that the address is in, the longest first."""
        for length, known in self._longest_first:
            found = known.get(leading(address, length))
            if found is not None:
                yield found
