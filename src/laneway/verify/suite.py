"""The tests that `pytest --laneway-policy` adds: one for each host, tenant and side of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from laneway.errors import LanewayError
from laneway.explain.places import Places
from laneway.explain.report import lines
from laneway.policy.load import load
from laneway.state.visible import visible_lines
from laneway.verify.aspects import Aspect, Owners
from laneway.verify.drift import text
from laneway.verify.judgement import judge_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from laneway.explain.expect import Failure
    from laneway.policy.model import PolicySet
    from laneway.verify.judgement import Judgement

    Find = Callable[[Judgement], list[str]]

EXPECTATIONS = "expectations"


class Mismatch(Exception):  # noqa: N818  what a test found, not an error of ours
    """The host is not as the policy asks; the text says where."""


class Hosts:
    """Reads each host once, however many tests ask about it."""

    def __init__(self, policies: Sequence[str], *, strict: bool = False) -> None:
        """Keep where the policies are; no host is read before a test asks for it."""
        self._policies = policies
        self._loaded: dict[tuple[Path, ...], PolicySet] = {}
        self._strict = strict  # the doctor's warnings are failures too
        self._read: dict[int, Judgement | LanewayError] = {}

    def policy(self, host: Any) -> PolicySet:  # noqa: ANN401  testinfra's, which has no types
        """Return the policy of a host; raises pytest.UsageError."""
        name = host.backend.get_hostname()
        paths = tuple(paths_for(name, self._policies))
        if not paths:
            raise pytest.UsageError(f"--laneway-policy names no policy of host {name}: add {name}=PATH")
        if paths not in self._loaded:
            self._loaded[paths] = policy_at(paths)
        return self._loaded[paths]

    def load(self, hosts: Sequence[Any]) -> None:
        """Load the policies of all hosts; raises pytest.UsageError, also for one of a host that is not looked at."""
        names = {each.backend.get_hostname() for each in hosts}
        unknown = sorted({each for each, _ in map(named, self._policies) if each} - names)
        if unknown:  # the name may be mistyped
            whose = f"--laneway-policy is for {', '.join(unknown)}, and --hosts are {', '.join(sorted(names))}"
            raise pytest.UsageError(whose)
        for each in hosts:
            self.policy(each)

    def judgement(self, host: Any) -> Judgement:  # noqa: ANN401  testinfra's, which has no types
        """Return the judgement on a host; raises LanewayError, the same one for every test."""
        if id(host) not in self._read:
            try:
                self._read[id(host)] = replace(judge_remote(host, self.policy(host)), strict=self._strict)
            except LanewayError as error:
                self._read[id(host)] = error
        found = self._read[id(host)]
        if isinstance(found, LanewayError):
            raise found
        return found


def named(value: str) -> tuple[str, str]:
    """Return the host that a value of the option is for, empty: all of them, and the path."""
    host, equals, path = value.partition("=")
    return (host, path) if equals and "/" not in host and not Path(value).exists() else ("", value)


def paths_for(host: str, policies: Sequence[str]) -> Iterator[Path]:
    """Yield where the policy of a host is, by the values of the option."""
    for each, path in map(named, policies):
        if each in ("", host):
            yield Path(path.replace("{host}", host))


def policy_at(paths: Sequence[Path]) -> PolicySet:
    """Return the policy; raises pytest.UsageError with all that is wrong with it."""
    try:
        return load(paths)
    except LanewayError as error:
        raise pytest.UsageError(str(error)) from error


def node_name(host: Any) -> str:  # noqa: ANN401  testinfra's
    """Return what the node ids of a host's tests begin with."""
    return f"laneway[{host.backend.get_pytest_id().replace('://', ':')}]"


def host_node(parent: pytest.Session, hosts: Hosts, host: Any) -> pytest.Collector:  # noqa: ANN401  testinfra's
    """Return the collector of one host's tests, named nearly as testinfra names the host: two slashes are a path's."""
    name = node_name(host)
    node: pytest.Collector = _HostNode.from_parent(parent, name=name, nodeid=name, hosts=hosts, host=host)
    return node


class _HostNode(pytest.Collector):
    """The tests of one host."""

    def __init__(self, *, hosts: Hosts, host: Any, **more: Any) -> None:  # noqa: ANN401  pytest's own
        super().__init__(**more)
        self._hosts = hosts
        self._host = host

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test for each tenant and side of it."""
        for title, find in _questions(self._hosts.policy(self._host)):
            yield _Check.from_parent(self, name=title, find=find, read=self._judgement)

    def _judgement(self) -> Judgement:
        return self._hosts.judgement(self._host)


class _Check(pytest.Item):
    """One thing that holds, or a text that says where it does not."""

    def __init__(self, *, find: Find, read: Callable[[], Judgement], **more: Any) -> None:  # noqa: ANN401  pytest's
        super().__init__(**more)
        self._find = find
        self._read = read
        self.add_marker("laneway")
        # With --dist=loadgroup one worker has all tests of a host, and one login is enough.
        self.add_marker(pytest.mark.xdist_group(self.parent.name if self.parent else "laneway"))

    def setup(self) -> None:
        """Read the host: one that cannot be read is an error of each test, and a failure of none."""
        self._read()

    def runtest(self) -> None:
        """Ask."""
        found = self._find(self._read())
        if found:
            raise Mismatch("\n".join(found))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401
        """Return what was found, without a traceback that would say nothing."""
        match excinfo.value:
            case Mismatch() as found:
                return visible_lines(str(found))
            case LanewayError() as error:
                return visible_lines(f"{error}\n  hint: {error.hint}" if error.hint else str(error))
            case _:
                return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Return what stands above a failure."""
        return "laneway", None, f"{self.parent.name if self.parent else ''}: {self.name}"


def _questions(policy: PolicySet) -> Iterator[tuple[str, Find]]:
    yield "host", _of_host
    yield "doctor", _of_doctor
    for tenant in policy.tenants:
        for aspect in Aspect:
            if aspect is not Aspect.HOST:
                yield f"{tenant.name}: {aspect}", _of_tenant(tenant.name, aspect)
        yield f"{tenant.name}: {EXPECTATIONS}", _expectations(tenant.name)
    if any("/" not in each.from_ for each in policy.expects):
        yield f"from outside: {EXPECTATIONS}", _expectations("")


def _of_host(judgement: Judgement) -> list[str]:
    owners = Owners(judgement.ground.origins)
    # What is somebody's whom the policy does not know is the host's too: no other test would tell of it.
    about = [(each, owners.about(each)) for each in judgement.drift]
    return [text(each) for each, of in about if of.aspect is Aspect.HOST or _is_of(of.tenants, judgement.besides)]


def _is_of(tenants: frozenset[str], others: Collection[str]) -> bool:
    return bool(tenants) and tenants <= set(others)


def _of_doctor(judgement: Judgement) -> list[str]:
    return [f"{each.severity}: {each.text}" for each in judgement.broken]


def _of_tenant(name: str, aspect: Aspect) -> Find:
    def find(judgement: Judgement) -> list[str]:
        owners = Owners(judgement.ground.origins)
        about = [(each, owners.about(each)) for each in judgement.drift]
        return [text(each) for each, of in about if of.aspect is aspect and (not of.tenants or name in of.tenants)]

    return find


def _expectations(tenant: str) -> Find:
    def find(judgement: Judgement) -> list[str]:
        failures = (each for each in judgement.failures if _sender(each.expect.from_) == tenant)
        return [_told(each) for each in failures]

    return find


def _sender(who: str) -> str:
    return who.partition("/")[0] if "/" in who else ""


def _told(failure: Failure) -> str:
    places = Places()
    way = "\n".join("    " + "".join(part.text for part in line) for line in lines(failure.explanation, places))
    return f"{places.text(failure.expect.source)}: {failure.reason}\n{way}"
