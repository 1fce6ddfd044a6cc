"""What the machine lacks is told as that, not as a bug; and what cannot be told is found out before a change."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from laneway.cli.app import finish
from laneway.errors import Exit

QUICKSTART = Path(__file__).parents[2] / "policies" / "quickstart.toml"
DEMAND = "from laneway.cli.main import _open_streams; _open_streams()\nfrom laneway.cli.app import finish\n"
DEMAND += "from laneway.cli import output\nfinish(lambda: output.demand_writable() or 0)"
TELL = "import os, sys\nfrom laneway.cli.app import finish\nfrom laneway.cli import output\ndef run():\n"
TELL += (
    "    sys.stdin.readline()\n    with output.of_what_is_done('applied, generation 7'): output.data('x' * 100_000)\n"
)
TELL += "    return 0\nfinish(run)"


def ended(error: Exception, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    def command() -> int:
        raise error

    with pytest.raises(SystemExit) as caught:
        finish(command)
    return caught.value.code, capsys.readouterr().err


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(MemoryError(), "there is no memory left", id="memory"),
        pytest.param(ImportError("x.so: failed to map segment from shared object"), "there is no memory left", id="so"),
        pytest.param(caused(ValueError("x"), MemoryError()), "there is no memory left", id="memory behind another"),
        pytest.param(RecursionError(), "something that was read is nested too deeply", id="recursion"),
        pytest.param(OSError(errno.EMFILE, "x"), "too many files are open", id="files"),
        pytest.param(OSError(errno.ENFILE, "x"), "too many files are open", id="files of the machine"),
        pytest.param(BlockingIOError(errno.EAGAIN, "x"), "no process or thread can be started", id="fork"),
        pytest.param(RuntimeError("can't start new thread"), "no process or thread can be started", id="thread"),
        pytest.param(OSError(errno.ENOSPC, "x", "/tmp/y"), "/tmp/y: No space left on device", id="disk"),  # noqa: S108
    ],
)
def test_what_is_wanting_is_no_bug(error: Exception, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = ended(error, capsys)

    assert code == Exit.REFUSED
    assert told.startswith(f"laneway: {words}\n  hint: ")
    assert "bug" not in told


def test_what_is_no_want_is_a_bug_still(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(RuntimeError("can't"), capsys)[0] == Exit.BUG
    assert ended(OSError(errno.ENOENT, "x", "y"), capsys)[0] == Exit.BUG


def test_with_too_little_memory_there_is_no_bug() -> None:
    for kilobytes in range(120_000, 20_000, -10_000):
        command = f'ulimit -v {kilobytes}; exec "{sys.executable}" -m laneway check "{QUICKSTART}"'
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        if done.returncode:
            break

    assert (done.returncode, "bug" in done.stderr) == (Exit.REFUSED, False)
    assert done.stderr.startswith("laneway: there is no memory left")


@pytest.mark.parametrize(
    ("stdout", "code", "told"),
    [
        pytest.param(">/dev/full", 2, "laneway: cannot write to standard output: No space left on device\n", id="full"),
        pytest.param(
            ">&-",
            2,
            "laneway: standard output is closed\n  hint: > /dev/null is for what nobody is to read\n",
            id="closed",
        ),
        pytest.param("1</dev/null", 2, "laneway: cannot write to standard output: Bad file descriptor\n", id="read"),
        pytest.param(">/dev/null", 0, "", id="nobody is to read it"),
        pytest.param(">>/tmp/laneway-demand", 0, "", id="a file"),
        pytest.param("| cat", 0, "", id="a pipe"),
    ],
)
def test_an_unwritable_answer_is_found_before_it_is_written(stdout: str, code: int, told: str, tmp_path: Path) -> None:
    stdout = stdout.replace("/tmp", str(tmp_path))  # noqa: S108
    command = f'"{sys.executable}" -c "{DEMAND}" {stdout}'

    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (code, "", told)


@pytest.mark.parametrize("stderr", [subprocess.PIPE, "full"])
def test_a_pipe_without_a_reader_is_found_before_it_is_written(stderr: object) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone, Path("/dev/full").open("wb") as full:
        errors = full if stderr == "full" else subprocess.PIPE
        done = subprocess.run([sys.executable, "-c", DEMAND], stdout=gone, stderr=errors, check=False)

    assert done.returncode == 141
    assert not done.stderr


def test_what_is_done_and_cannot_be_told_is_done() -> None:
    argv = [sys.executable, "-c", TELL]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdin is not None
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        command.stdin.write(b"now\n")
        command.stdin.close()
        told = command.stderr.read()

    assert (command.returncode, told) == (Exit.DONE, b"applied, generation 7; nobody reads standard output\n")
