"""What an operator waits for: apply, plan, destroy, check and start-up, each beside what plain tools take."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, Self

from integration.bench.crowd import crowd
from integration.bench.handwritten import ALL_DUMPS, BRIDGES_AWAY, HOST_DUMPS, TEAR_DOWN, write_scripts
from integration.bench.packet_host import WORLD
from integration.bench.results import Result
from integration.throwaway import Throwaway
from laneway import __file__ as package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Say = Callable[[str], None]

LANEWAY = (sys.executable, "-m", "laneway")
_LONG = 1800  # seconds
_MEMORY_GOAL = 250  # MB
CLASSES = 3000
"""Classes of one tenant whose check is measured: what compares each with each takes minutes for them."""

_STARTS = 20


class Took(NamedTuple):
    """What a command took."""

    seconds: float
    megabytes: float  # the most memory it held


class Operator:
    """A throw-away host with its uplinks, and an operator who types commands."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._host = Throwaway()

    def __enter__(self) -> Self:
        self._host.__enter__()
        self._host.sh(WORLD)
        return self

    def __exit__(self, *_: object) -> None:
        # The kernel would delete them in the background, and hold up everybody's next change to a network meanwhile.
        self._host.run(["sh", "-c", BRIDGES_AWAY], timeout=_LONG)
        self._host.__exit__()

    def policy(self, count: int, *, variant: str) -> str:
        """Write the policy of a crowd and return its path."""
        path = self._directory / f"{count}.toml"
        path.write_text(crowd(count, variant=variant, busy=False))
        return str(path)

    def laneway(self, *words: str, status: int = 0) -> Took:
        """Run laneway."""
        return timed([*self._host.prefix, *LANEWAY, *words], status=status)

    def script(self, text: str) -> Took:
        """Run a shell script."""
        return timed([*self._host.prefix, "sh", "-ec", text])


def timed(argv: Sequence[str], *, status: int = 0) -> Took:
    """Run a command to its end; raises RuntimeError when it ends otherwise than with `status`."""
    with TemporaryDirectory() as directory, (Path(directory) / "said").open("w+b") as said:
        start = time.perf_counter()
        process = subprocess.Popen(argv, stdout=said, stderr=said)
        _, code, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(code)
        if process.returncode != status:
            said.seek(0)
            message = f"{' '.join(argv[-4:])} ended with {process.returncode}: {said.read()[-2000:].decode()}"
            raise RuntimeError(message)
    return Took(seconds, usage.ru_maxrss / 1024)


def waiting(sizes: Sequence[int], *, variant: str, rounds: int, say: Say) -> Iterator[Result]:
    """Measure items 4 to 6 of the goals, and 8, for each of `sizes`; the first is the one that others are beside."""
    built: dict[int, list[float]] = {}
    for count in sizes:
        say(f"apply, plan and destroy {count} tenants")
        lots = [_round(count, variant=variant, by_hand=count == sizes[0]) for _ in range(rounds)]
        took = {name: tuple(each[name].seconds for each in lots) for name in lots[0]}
        built[count] = list(took["apply"])
        yield from _told(took, count)
        memory = tuple(each["apply"].megabytes for each in lots)
        goal = (float(_MEMORY_GOAL),) * rounds
        yield Result("memory", f"apply of {count} tenants, its peak", "goal", "MB", memory, goal, at_most=1)
        if count != sizes[0]:
            beside = tuple(built[sizes[0]])
            growth = count / sizes[0] * 1.1
            case = f"{count} tenants"
            yield Result("apply from nothing", case, f"{sizes[0]} tenants", "s", took["apply"], beside, at_most=growth)


def _told(took: dict[str, tuple[float, ...]], count: int) -> Iterator[Result]:
    case = f"{count} tenants"

    def result(item: str, name: str, what: str, beside: str, at_most: float | None) -> Result:
        return Result(item, case, what, "s", took[name], took[beside], at_most=at_most)

    if "by hand" in took:
        yield result("apply from nothing", "apply", "scripts by hand", "by hand", 1.0)
        yield result("destroy", "destroy", "links and namespaces deleted by hand", "by hand away", None)
    for item, name in (("apply again, nothing to do", "again"), ("plan, nothing to do", "plan")):
        yield result(item, name, "plain dumps of it all", "dumps", 2.0)
        yield result(item, name, "plain dumps of the host's part alone", "host dumps", None)
    yield result("one tenant more", "one more", "plan", "plan", 1.2)
    yield result("destroy", "destroy", "apply from nothing", "apply", 1.0)


def _round(count: int, *, variant: str, by_hand: bool) -> dict[str, Took]:
    took: dict[str, Took] = {}
    with TemporaryDirectory() as directory, Operator(Path(directory)) as operator:
        policy, more = (operator.policy(each, variant=variant) for each in (count, count + 1))
        took["apply"] = operator.laneway("apply", policy)
        took["again"] = operator.laneway("apply", policy)
        took["plan"] = operator.laneway("plan", policy)
        took["host dumps"] = operator.script(HOST_DUMPS)
        took["dumps"] = operator.script(ALL_DUMPS)
        took["one more"] = operator.laneway("apply", more)
        took["destroy"] = operator.laneway("destroy")
    if by_hand:
        with TemporaryDirectory() as directory, Operator(Path(directory)) as operator:
            script = write_scripts(Path(directory), count, variant=variant)
            took["by hand"] = operator.script(f"sh {script}")
            took["by hand away"] = operator.script(TEAR_DOWN)
    return took


def starting(crowd_size: int, say: Say) -> Iterator[Result]:
    """Measure item 7: how long until laneway has begun, and how long it reads."""
    say("start-up")
    # pip writes the bytecode of what it installs; a source tree may be without, and Python be told not to write any.
    compileall.compile_dir(Path(package).parent, quiet=1)
    quickstart = str(Path(__file__).parents[2] / "policies" / "quickstart.toml")
    commands = {
        "nothing": (sys.executable, "-c", "pass"),
        "version": (*LANEWAY, "--version"),
        "check": (*LANEWAY, "check", quickstart),
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(_STARTS):
        for name, argv in commands.items():
            times[name].append(timed(argv).seconds * 1000)
    nothing = tuple(times["nothing"])
    beside = "python -c pass"
    yield Result("start-up", "laneway --version", beside, "ms", tuple(times["version"]), nothing, at_most=3)
    yield Result("start-up", "laneway check quickstart.toml", beside, "ms", tuple(times["check"]), nothing, at_most=8)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "crowd.toml"
        path.write_text(crowd(crowd_size, busy=True))
        read = tuple(timed((*LANEWAY, "check", str(path))).seconds for _ in range(5))
    limit = (2.0 * crowd_size / 4000,) * 5
    yield Result("start-up", f"laneway check, {crowd_size} tenants", "goal", "s", read, limit, at_most=1)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "classes.toml"
        path.write_text(_classes(CLASSES))
        read = tuple(timed((*LANEWAY, "check", str(path))).seconds for _ in range(5))
    yield Result("start-up", f"laneway check, {CLASSES} classes of 15 ports", "goal", "s", read, (3.0,) * 5, at_most=1)


def _classes(count: int) -> str:
    """Return a policy of one tenant with many classes, no two of which are alike."""
    ports = (", ".join(str(number * 15 + each + 1) for each in range(15)) for number in range(count))
    uplinks = "".join(
        f'[uplinks.{name}]\ninterface = "eth{number}"\ngateways = ["192.0.2.{number + 1}"]\n'
        for number, name in enumerate(("north", "south"))
    )
    tenant = '[tenants.acme]\nsubnets = ["10.20.0.0/24"]\nuplinks = ["north", "south"]\n'
    classes = "".join(
        f'[[tenants.acme.classes]]\nname = "c{number}"\nuplink = "south"\n'
        f'match = {{ protocol = "tcp", ports = [{some}] }}\n'
        for number, some in enumerate(ports)
    )
    return f"{uplinks}{tenant}{classes}"
