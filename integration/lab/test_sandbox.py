"""What happens in the lab stays there, and ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from integration.lab.plain_router import masquerade
from laneway.errors import Exit, HostRefused, StepFailed
from laneway.lab.run import Lab, run_lab
from laneway.lab.sandbox import Sandbox
from laneway.plan.steps import Op, Step
from tests.lab.samples import policy, uplink

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = 65534


def outer_world() -> tuple[str, list[str], list[str]]:
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True, timeout=10).stdout
    return links, names("/etc/iproute2"), names("/run/netns")


def names(directory: str) -> list[str]:
    path = Path(directory)
    return sorted(each.name for each in path.iterdir()) if path.is_dir() else []


def test_real_host_is_untouched(router: Lab) -> None:
    router.close()
    before = outer_world()

    with Lab(router.policy) as lab:
        lab.run("sh", "-c", "echo 1 lw > /etc/iproute2/rt_tables.d/laneway.conf; mkdir -p /etc/netns/x; ip netns add x")
        during = outer_world()

    assert during == before
    assert outer_world() == before


def test_state_is_kept_in_memory(lab: Lab) -> None:
    assert lab.call(lambda: os.environ["LANEWAY_STATE_DIR"]) == "/run/laneway"
    assert "LANEWAY_STATE_DIR" not in os.environ


def test_processes_end_with_the_lab(lab: Lab) -> None:
    marker = f"8{os.getpid()}"
    lab.call(lambda: subprocess.Popen(["sleep", marker], start_new_session=True).pid)
    assert running("sleep", marker)

    lab.close()
    deadline = time.monotonic() + 60
    while running("sleep", marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running("sleep", marker)


def running(*argv: str) -> bool:
    wanted = "\0".join(argv).encode()
    return any(wanted in _command_line(each) for each in Path("/proc").glob("[0-9]*"))


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_error_inside_is_raised_outside(lab: Lab) -> None:
    def fail() -> NoReturn:
        raise StepFailed(Step(Op.CREATE, "links", "x"), "no such thing", "try another")

    with pytest.raises(HostRefused, match="no such thing") as caught:
        lab.call(fail)
    assert caught.value.hint == "try another"


def test_child_that_dies_is_told(lab: Lab) -> None:
    with pytest.raises(HostRefused, match="ended without an answer"):
        lab.call(lambda: os._exit(3))


def test_internet_speaks_http(router: Lab) -> None:
    masquerade(router)
    router.serve()

    def ask(url: str) -> str:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  an address of the lab
            return str(answer.read(), "utf-8")

    four = router.call(lambda: ask("http://203.0.113.9/"), netns="acme-web")
    six = router.call(lambda: ask("http://[2600::9]:8443/"), netns="acme-web")
    assert '"provider": "north", "source": "192.0.2.2"' in four
    assert '"provider": "north", "source": "2001:db8:a::2"' in six


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param("exit 0", 0, id="well"),
        pytest.param("exit 7", 7, id="its own code"),
        pytest.param("kill -TERM $$", 128 + 15, id="a signal"),
        pytest.param("ip -o link show north0 > /dev/null", 0, id="on the lab's host"),
    ],
)
def test_command_runs_on_the_host_and_its_exit_code_is_returned(script: str, code: int) -> None:
    two = policy(uplink("north", "192.0.2.1"))

    assert run_lab(two, apply=lambda: None, command=("sh", "-c", script)) == code


def test_command_that_is_not_there_is_127() -> None:
    assert run_lab(policy(uplink("north", "192.0.2.1")), apply=lambda: None, command=("no-such-command",)) == 127


QUICKSTART = str(Path(__file__).parents[2] / "policies" / "quickstart.toml")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([QUICKSTART], id="probes"),
        pytest.param([QUICKSTART, "--", "true"], id="command"),
        pytest.param(["quickstart.toml"], id="relative"),
    ],
)
def test_a_lab_that_is_started_in_a_deleted_directory_says_so(tmp_path: Path, arguments: list[str]) -> None:
    argv = [sys.executable, "-P", "-m", "laneway", "lab", *arguments]

    done = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "-", *argv],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr == (
        "laneway: the working directory was deleted, or cannot be reached: No such file or directory\n"
        "  hint: cd to a directory that is there, and start again\n"
    )


def test_failure_to_apply_is_raised() -> None:
    def apply() -> NoReturn:
        raise HostRefused("the host refused", "a remedy")

    with pytest.raises(HostRefused, match="the host refused"):
        run_lab(policy(uplink("north", "192.0.2.1")), apply=apply)


def test_lab_needs_no_root() -> None:
    def trial() -> None:
        result = run_lab(policy(uplink("north", "192.0.2.1", "2001:db8:a::1")), apply=lambda: None)
        assert not isinstance(result, int)
        assert result[0].results
        assert result[0].exit_code is Exit.DONE

    assert as_nobody(trial) == ""


def test_unprivileged_root_may_read_what_is_roots() -> None:
    def read() -> None:
        with Sandbox() as sandbox:
            sandbox.call(lambda: Path("/proc/thread-self/net/ip_tables_names").read_text())

    assert as_nobody(read) == ""


def as_nobody(work: Callable[[], None]) -> str:
    """Run `work` in a child without any privilege, and return what went wrong, or nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.chdir("/")
            work()
        except BaseException as error:  # noqa: BLE001  told to the parent
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_two_labs_do_not_meet() -> None:
    with Sandbox() as one, Sandbox() as other:
        one.call(lambda: subprocess.run(["ip", "netns", "add", "x"], check=True, timeout=10).returncode)

        assert other.call(lambda: names("/run/netns")) == []
        assert one.call(lambda: names("/run/netns")) == ["x"]
