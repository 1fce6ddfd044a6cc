"""Which iptables a host uses."""

from __future__ import annotations

from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest

from laneway.errors import HostRefused
from laneway.kernel import iptables_variant
from laneway.kernel.iptables_variant import detect_variant, has_variant, other_variant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EVERY_PROGRAM = frozenset(
    f"ip{six}tables-{variant}-{verb}"
    for six in ("", "6")
    for variant in ("legacy", "nft")
    for verb in ("save", "restore")
)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a host whose `iptables -V` prints something, and that has some programs."""

    def make(shown: str, *, status: int = 0, without: str = "") -> None:
        def run_tool(argv: Sequence[str], **_: object) -> CompletedProcess[str]:
            return CompletedProcess(argv, status, shown, "it broke\n" if status else "")

        def tool_path(name: str) -> str:
            if name == without or name not in EVERY_PROGRAM:
                raise HostRefused(f"this host has no program {name}", "apt-get install iptables")
            return f"/usr/sbin/{name}"

        monkeypatch.setattr(iptables_variant, "run_tool", run_tool)
        monkeypatch.setattr(iptables_variant, "tool_path", tool_path)

    return make


@pytest.mark.parametrize(
    ("shown", "variant"),
    [
        ("iptables v1.8.9 (nf_tables)\n", "nft"),
        ("iptables v1.8.7 (legacy)\n", "legacy"),
        ("iptables v1.6.1\n", "legacy"),
    ],
)
def test_the_variant_is_what_iptables_says(host: Callable[..., None], shown: str, variant: str) -> None:
    host(shown)

    assert detect_variant() == variant


def test_the_policy_may_want_the_other(host: Callable[..., None]) -> None:
    host("iptables v1.8.9 (nf_tables)\n")

    assert detect_variant("legacy") == "legacy"


def test_a_variant_without_its_programs_is_refused_with_a_remedy(host: Callable[..., None]) -> None:
    host("iptables v1.8.9 (nf_tables)\n", without="ip6tables-nft-restore")

    with pytest.raises(HostRefused, match="no program ip6tables-nft-restore") as refusal:
        detect_variant()

    assert refusal.value.hint == "apt-get install iptables"
    assert has_variant("legacy")
    assert not has_variant("nft")


def test_an_iptables_that_fails_is_refused(host: Callable[..., None]) -> None:
    host("", status=1)

    with pytest.raises(HostRefused, match="iptables -V failed: it broke"):
        detect_variant()


def test_each_variant_has_another() -> None:
    assert (other_variant("nft"), other_variant("legacy")) == ("legacy", "nft")
