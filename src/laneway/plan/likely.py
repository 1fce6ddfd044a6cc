"""Who is likely behind an object that is not laneway's: so that a person knows whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from laneway.state.marks import FwMark

# Words that only one program puts into its chains, links, tables or comments.
_WORDS: Final = (
    ("ts-", "Tailscale"),
    ("tailscale", "Tailscale"),
    ("KUBE-", "kube-proxy"),
    ("cali", "Calico"),
    ("CILIUM", "Cilium"),
    ("DOCKER", "Docker"),
    ("docker", "Docker"),
    ("NETAVARK", "podman (netavark)"),
    ("netavark", "podman (netavark)"),
    ("podman", "podman"),
    ("CNI-", "a CNI plugin"),
    ("cni-", "a CNI plugin"),
    ("mwan3", "mwan3"),
    ("pbr_", "OpenWrt pbr"),
    ("ufw", "ufw"),
    ("firewalld", "firewalld"),
    ("wg-quick", "wg-quick"),
    ("virbr", "libvirt"),
    ("LIBVIRT", "libvirt"),
)

# Marks by value and mask, as these programs set them unless they are told otherwise.
_MARKS: Final = (
    (0x00FF0000, None, "Tailscale"),
    (0x00004000, None, "kube-proxy"),
    (0x00008000, None, "kube-proxy"),
    (0x00002000, None, "the CNI portmap plugin or podman (netavark)"),
    (0x00000080, None, "the AWS VPC CNI"),
    (0x00000F00, None, "Cilium"),
    (0x00003F00, None, "mwan3"),
    (0xFFFFFFFF, 0xCA6C, "wg-quick"),
    (0xFFFF0000, None, "Calico"),
)


def likely_owner(text: str, mark: FwMark | None = None) -> str:
    """Return " (likely PROGRAM)", or nothing when the object tells nothing."""
    for word, program in _WORDS:
        if word in text:
            return f" (likely {program})"
    if mark is None:
        return ""
    for mask, value, program in _MARKS:
        if mark.mask == mask and value in (None, mark.value):
            return f" (likely {program})"
    return ""
