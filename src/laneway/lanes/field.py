"""How a packet mark is divided: `owner << k | uplink`, inside the bits the host policy gives to laneway."""

from __future__ import annotations

from typing import NamedTuple

from laneway.state.marks import FwMark

NOBODY = 0
"""The owner number of what is in no lane."""

HOST_OWNER = 1
"""The owner number of the host itself; tenants have 2 and up."""

NO_UPLINK = 0
"""With the host as owner: the crossing lane. With a tenant: the lane of what is refused."""

FIRST_TENANT = 2


class MarkField(NamedTuple):
    """The bits of the packet mark that are laneway's, and their division into owner and uplink."""

    mask: int  # one contiguous field of 32 bits
    uplink_bits: int

    @classmethod
    def of(cls, mask: int, max_uplinks: int) -> MarkField:
        """Return the field with as few uplink bits as number `max_uplinks` takes."""
        return cls(mask, max_uplinks.bit_length())

    @property
    def shift(self) -> int:
        """Return the number of bits below the field."""
        return (self.mask & -self.mask).bit_length() - 1

    @property
    def width(self) -> int:
        """Return the number of bits of a lane number."""
        return self.mask.bit_count()

    @property
    def max_owner(self) -> int:
        """Return the largest owner number."""
        return (1 << (self.width - self.uplink_bits)) - 1

    @property
    def uplink_mask(self) -> int:
        """Return the mark bits that hold the uplink."""
        return ((1 << self.uplink_bits) - 1) << self.shift

    @property
    def owner_mask(self) -> int:
        """Return the mark bits that hold the owner."""
        return self.mask ^ self.uplink_mask

    def lane(self, owner: int, uplink: int) -> int:
        """Return the lane number of `owner` by `uplink`."""
        return owner << self.uplink_bits | uplink

    def mark(self, owner: int, uplink: int) -> FwMark:
        """Return the mark of one lane."""
        return FwMark(self.lane(owner, uplink) << self.shift, self.mask)

    def owner_of(self, mark: FwMark) -> int:
        """Return the owner number in a mark's value."""
        return (mark.value & self.mask) >> self.shift >> self.uplink_bits

    def uplink_of(self, mark: FwMark) -> int:
        """Return the uplink number in a mark's value."""
        return (mark.value & self.uplink_mask) >> self.shift

    @property
    def unmarked(self) -> FwMark:
        """Return what matches a packet that is none of laneway's."""
        return FwMark(0, self.mask)

    @property
    def crossing(self) -> FwMark:
        """Return the mark of traffic between tenants, and from a tenant to a published port of this host."""
        return self.mark(HOST_OWNER, NO_UPLINK)

    @property
    def let_in(self) -> FwMark:
        """Return the mark of what goes to a tenant in no lane because the operator lets it (LANEWAY-USER)."""
        return self.mark(NOBODY, 1)

    @property
    def in_no_lane(self) -> FwMark:
        """Return what matches a packet in no lane: it is none of laneway's, or is let in to a tenant."""
        return self.by_owner(NOBODY)

    def by_owner(self, owner: int) -> FwMark:
        """Return what matches every lane of `owner`."""
        return FwMark(self.lane(owner, 0) << self.shift, self.owner_mask)

    def by_uplink(self, uplink: int) -> FwMark:
        """Return what matches every lane by `uplink`."""
        return FwMark(uplink << self.shift, self.uplink_mask)
