"""The real kernel keeps the contract that the fake of the unit tests keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from laneway.cli.wire import linux_host
from tests.contract import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.throwaway import Throwaway
    from laneway.apply.ports import Kernel

UPLINKS = """
for n in 0 1; do
    ip link add eth$n type veth peer name provider$n; ip link set provider$n up; ip link set eth$n up
done
"""


@pytest.mark.parametrize("variant", ["nft", "legacy"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_linux(throwaway: Throwaway, check: Callable[[Kernel], None], variant: Literal["nft", "legacy"]) -> None:
    throwaway.sh(UPLINKS)

    throwaway.call(keep, check, variant)

    assert "eth0" in throwaway.sh("ip -br link")


def keep(check: Callable[[Kernel], None], variant: Literal["nft", "legacy"]) -> None:
    check(linux_host(variant))
