"""A policy twice as long takes twice as long to judge, whatever is wrong with it, and says no more than is read."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from laneway.cli.validity import MOST, validity
from laneway.policy.lint import lint
from laneway.policy.load import PolicyError, load_text

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = '[uplinks.north]\ninterface = "eth0"\ngateways = ["192.0.2.1"]\n'
HEAD += '[uplinks.south]\ninterface = "eth1"\ngateways = ["198.51.100.1"]\n'
ACME = '[tenants.acme]\nsubnets = ["10.0.0.0/8"]\nuplinks = ["north", "south"]\n'
OTHER = '[tenants.b]\nsubnets = ["192.168.0.0/16"]\nuplinks = ["north"]\n'


def ip(number: int, first: int = 10) -> str:
    return f"{first}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def each(count: int, text: Callable[[int], str]) -> str:
    return "".join(map(text, range(count)))


def listed(count: int, text: Callable[[int], str]) -> str:
    return "[" + ", ".join(map(text, range(count))) + "]"


def a_class(number: int, match: str) -> str:
    name = "south" if number % 2 else "north"
    return f'[[tenants.acme.classes]]\nname = "c{number}"\nmatch = {{ protocol = "tcp", {match} }}\nuplink = "{name}"\n'


def workload(number: int, more: str = "", tenant: str = "acme", first: int = 10) -> str:
    return f'[tenants.{tenant}.workloads.w{number}]\naddresses = ["{ip(number + 9, first)}"]\n{more}'


def expect(number: int) -> str:
    return f'[[expect]]\nfrom = "acme/w{number}"\nto = "203.0.113.9"\nport = 80\n'


CASES: dict[str, Callable[[int], str]] = {
    "classes of 15 ports": lambda n: (
        HEAD + ACME + each(n, lambda i: a_class(i, f"ports = {listed(15, lambda k: str(i * 15 + k + 1))}"))
    ),
    "classes that are the same": lambda n: HEAD + ACME + each(n, lambda i: a_class(i, "ports = [80]")),
    "classes to prefixes": lambda n: HEAD + ACME + each(n, lambda i: a_class(i, f'to = ["{ip(i * 256, 203)}/24"]')),
    "unknown uplinks": lambda n: HEAD + ACME.replace('"south"', listed(n, lambda i: f'"u{i}"')[1:-1]),
    "unknown uplinks among many": lambda n: (
        HEAD
        + each(n, lambda i: f'[uplinks.u{i}]\ninterface = "e{i}"\ngateways = ["192.0.2.1"]\n')
        + ACME.replace('"south"', listed(n, lambda i: f'"v{i}"')[1:-1])
    ),
    "unknown keys": lambda n: HEAD + ACME + each(n, lambda i: f"k{i} = 1\n"),
    "tenants": lambda n: (
        HEAD + each(n, lambda i: ACME.replace("acme", f"t{i}").replace("10.0.0.0/8", f"{ip(i * 256)}/24"))
    ),
    "tenants that overlap": lambda n: HEAD + each(n, lambda i: ACME.replace("acme", f"t{i}")),
    "names that are none": lambda n: HEAD + each(n, lambda i: ACME.replace("acme", f"T{i}")),
    "subnets that are the same": lambda n: HEAD + ACME.replace('["10.0.0.0/8"]', listed(n, lambda _: '"10.0.0.0/8"')),
    "workloads": lambda n: HEAD + ACME + each(n, workload),
    "one published port": lambda n: HEAD + ACME + each(n, lambda i: workload(i, 'publish = ["80:80/tcp"]\n')),
    "allows": lambda n: (
        HEAD
        + ACME
        + OTHER
        + workload(0, tenant="b", first=192).replace("192.0", "192.168")
        + each(n, lambda i: f'[[tenants.acme.allow]]\nto = "b/w0"\nports = ["{i + 1}/tcp"]\n')
    ),
    "allows to workloads that are not there": lambda n: (
        HEAD
        + ACME
        + OTHER
        + each(n, lambda i: workload(i, tenant="b", first=192).replace("192.0", "192.168"))
        + each(n, lambda i: f'[[tenants.acme.allow]]\nto = "b/x{i}"\nports = ["80/tcp"]\n')
    ),
    "expectations": lambda n: HEAD + ACME + each(n, workload) + each(n, expect),
    "expectations that are the same": lambda n: HEAD + ACME + workload(0) + each(n, lambda _: expect(0)),
    "expectations of nobody": lambda n: HEAD + ACME + each(n, expect),
    "source addresses": lambda n: HEAD + ACME + f"snat = {listed(n, lambda i: chr(34) + ip(i, 203) + chr(34))}\n",
}


def calls(text: str) -> int:
    """Return how many calls, of Python and of what it is written in, judging the text takes: of time none is sure."""
    count = 0

    def one_more(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(one_more)
    try:
        lint(load_text(text))
    except PolicyError:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("case", CASES)
def test_twice_as_much_is_twice_the_work(case: str) -> None:
    few, many = (calls(CASES[case](number)) for number in (600, 1200))

    assert few > 1000
    assert many < 2.3 * few


def test_of_many_problems_some_are_shown_and_all_are_counted() -> None:
    with pytest.raises(PolicyError) as caught:
        load_text(CASES["unknown keys"](2080))

    text, answer = str(caught.value), validity(caught.value)
    assert text.count("unknown key") == 100
    assert text.endswith("\n\nand 1 980 more problems")
    assert len(caught.value.problems) == 2080
    assert (len(answer["problems"]), answer["left_out"]) == (MOST, 1080)  # type: ignore[arg-type]
    assert len(json.dumps(answer)) < 300_000


def test_what_is_not_left_out_is_not_counted() -> None:
    with pytest.raises(PolicyError) as caught:
        load_text(CASES["unknown keys"](100))

    assert "more problem" not in str(caught.value)
    assert "left_out" not in validity(caught.value)
