"""The command line as an operator meets it: a process, its two streams and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from laneway import __version__
from laneway.cli import output
from laneway.cli.app import VERBS, finish
from laneway.cli.main import is_plain
from laneway.errors import Conflict, Exit, LanewayError

if TYPE_CHECKING:
    from collections.abc import Callable

QUICKSTART = str(Path(__file__).parents[2] / "policies" / "quickstart.toml")
VALID = '[uplinks.north]\ninterface = "eth0"\ngateways = ["192.0.2.1"]\n'
INVALID = '[uplinks.north]\ninterface = "eth0"\ngateways = ["192.0.2.300"]\n'


def laneway(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "laneway", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )


@pytest.fixture
def valid(tmp_path: Path) -> str:
    path = tmp_path / "valid.toml"
    path.write_text(VALID, encoding="utf-8")
    return str(path)


@pytest.fixture
def invalid(tmp_path: Path) -> str:
    path = tmp_path / "invalid.toml"
    path.write_text(INVALID, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("said", ["--version", "-V", "version"])
def test_version_is_the_package_s(said: str) -> None:
    done = laneway(said)

    assert (done.returncode, done.stdout, done.stderr) == (Exit.DONE, f"laneway {__version__}\n", "")


def test_version_does_without_typer() -> None:
    code = "import sys; sys.argv[1:] = ['--version']\nfrom laneway.cli.main import main\ntry: main()\n"
    code += "finally: print(sorted({'typer', 'dataclasses', 'pydantic', 'pyroute2'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert done.stdout == f"laneway {__version__}\n[]\n"


def test_plain_check_loads_nothing_for_other_commands_and_nothing_slow() -> None:
    others = {"typer", "rich", "pydantic", "pyroute2", "iptc", "tree_sitter"}
    slow = {"dataclasses", "inspect", "ast", "json", "logging", "tempfile", "concurrent.futures", "asyncio"}
    code = f"import sys; sys.argv[1:] = ['check', {QUICKSTART!r}]\nfrom laneway.cli.main import main\ntry: main()\n"
    code += f"finally: print(sorted({others | slow!r} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert done.stdout.splitlines() == [
        f"{QUICKSTART}: valid: 2 uplinks, 2 tenants, 2 workloads; 3 expectations hold",
        "[]",
    ], done.stderr


def test_unknown_verb_is_a_usage_error() -> None:
    done = laneway("chekc")

    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert "No such command 'chekc'" in done.stderr


def test_unknown_option_is_a_usage_error(valid: str) -> None:
    done = laneway("check", "--nonsense", valid)

    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert "--nonsense" in done.stderr


@pytest.mark.parametrize("words", [(), ("service",)])
def test_no_summary_of_a_command_is_cut_off(words: tuple[str, ...]) -> None:
    commands = laneway(*words, "--help", COLUMNS="80").stdout.partition("\nCommands:\n")[2]

    assert commands
    assert "..." not in commands


def test_help_names_every_verb() -> None:
    done = laneway("--help")

    assert done.returncode == Exit.DONE
    assert [verb for verb in VERBS if f"  {verb} " not in done.stdout] == []
    told = " ".join(done.stdout.split())
    assert [int(code) for code in Exit if f" {int(code)} " not in told.partition("Exit codes:")[2]] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_ends_well(verb: str) -> None:
    done = laneway(verb, "--help")

    assert (done.returncode, done.stderr) == (Exit.DONE, "")
    assert done.stdout.startswith(f"Usage: laneway {verb} ")


def test_valid_policy_is_counted(valid: str) -> None:
    done = laneway("check", valid)

    assert (done.returncode, done.stdout, done.stderr) == (
        Exit.DONE,
        f"{valid}: valid: 1 uplink, 0 tenants, 0 workloads\n",
        "",
    )


def test_invalid_policy_says_where_and_what_to_do(invalid: str) -> None:
    done = laneway("check", invalid)

    assert (done.returncode, done.stdout) == (Exit.POLICY, "")
    assert f"{invalid}:3:" in done.stderr
    assert "192.0.2.300" in done.stderr


def test_check_as_json(valid: str, invalid: str) -> None:
    assert json.loads(laneway("check", "--json", valid).stdout) == {
        "laneway": 1,
        "ok": True,
        "valid": True,
        "problems": [],
        "warnings": [],
    }

    done = laneway("check", "--json", invalid)
    answer = json.loads(done.stdout)

    assert (done.returncode, done.stderr) == (Exit.POLICY, "")
    assert (answer["laneway"], answer["valid"], len(answer["problems"])) == (1, False, 1)
    assert answer["problems"][0].keys() == {"file", "line", "column", "message", "hint"}
    assert (answer["problems"][0]["file"], answer["problems"][0]["line"]) == (invalid, 3)


def test_policy_comes_from_the_environment_when_no_path_is_given(valid: str) -> None:
    assert laneway("check", LANEWAY_POLICY=valid).stdout.startswith(f"{valid}: valid")


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("policy", ["valid", "invalid"])
def test_check_is_the_same_with_and_without_typer(
    request: pytest.FixtureRequest, policy: str, options: tuple[str, ...]
) -> None:
    path = request.getfixturevalue(policy)

    short, long = ["check", path, *options], ["check", *options, "--", path]
    assert (is_plain(short), is_plain(long)) == (True, False)
    left, right = laneway(*short), laneway(*long)

    assert (left.returncode, left.stdout, left.stderr) == (right.returncode, right.stdout, right.stderr)


def test_schema_is_json_schema() -> None:
    done = laneway("schema")

    assert done.returncode == Exit.DONE
    assert "$schema" in json.loads(done.stdout)


def ended(command: Callable[[], int]) -> int | str | None:
    with pytest.raises(SystemExit) as caught:
        finish(command)
    return caught.value.code


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


def test_error_of_ours_is_told_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    code = ended(raising(Conflict("mark 0x10000 belongs to Docker", "choose another [host] marks")))

    assert code == Exit.CONFLICT
    assert capsys.readouterr() == ("", "laneway: mark 0x10000 belongs to Docker\n  hint: choose another [host] marks\n")


def test_error_without_a_hint_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    ended(raising(LanewayError("no")))

    assert capsys.readouterr().err == "laneway: no\n"


def test_interrupt_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr() == ("", "")


def test_bug_shows_no_traceback_and_keeps_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LANEWAY_DEBUG", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    code = ended(raising(ZeroDivisionError("by nothing")))

    (kept,) = tmp_path.iterdir()
    assert code == Exit.BUG
    assert capsys.readouterr() == (
        "",
        f"laneway has a bug: ZeroDivisionError: by nothing\nPlease report it with what is in {kept}\n",
    )
    assert "Traceback (most recent call last)" in kept.read_text(encoding="utf-8")
    assert __version__ in kept.read_text(encoding="utf-8")


def test_bug_is_told_even_where_nothing_can_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LANEWAY_DEBUG", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))

    assert ended(raising(ZeroDivisionError("by nothing"))) == Exit.BUG
    assert "run it again with LANEWAY_DEBUG=1" in capsys.readouterr().err


def test_traceback_is_shown_to_who_asks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANEWAY_DEBUG", "1")

    ended(raising(ZeroDivisionError("by nothing")))

    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["schema"], ["check", "--json"]], ids=["typer", "plain"])
def test_reader_that_goes_away_is_no_error(arguments: list[str], valid: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "laneway", *arguments],
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
            env={**os.environ, "LANEWAY_POLICY": valid},
        )

    assert (done.returncode, done.stderr) == (141, b"")


def test_json_is_the_same_bytes_for_the_same_values() -> None:
    assert output.json_text({"b": 1, "a": "ü"}) == '{\n  "a": "\\u00fc",\n  "b": 1\n}'


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, other = os.openpty()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    no = output.Painted("no", output.RED)
    with os.fdopen(terminal, "rb"), os.fdopen(other, "w") as stream, Path(os.devnull).open("w") as file:
        assert output.shown(stream, no, ": it") == "\x1b[31mno\x1b[0m: it"
        assert output.shown(file, no, ": it") == "no: it"
        monkeypatch.setenv("NO_COLOR", "1")
        assert output.shown(stream, no, ": it") == "no: it"


@pytest.mark.parametrize("words", ["schema", "--version", "--help", "plan --help", "explain --help --json"])
def test_an_answer_that_cannot_be_written_is_no_bug(words: str) -> None:
    argv = [sys.executable, "-m", "laneway", *words.split()]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.stderr == "laneway: cannot write to standard output: No space left on device\n"
    assert done.returncode == Exit.USAGE


def test_a_host_written_down_without_an_end_is_refused(valid: str) -> None:
    done = laneway("plan", "--against", "/dev/zero", valid)

    assert done.returncode == Exit.USAGE
    assert done.stderr == "laneway: /dev/zero: larger than 256 MiB\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_bug(valid: str, invalid: str, closed: str) -> None:
    command = f'"{sys.executable}" -m laneway check "$1" {closed}'
    for policy, code in ((valid, Exit.DONE), (invalid, Exit.POLICY)):
        done = subprocess.run(["sh", "-c", command, "-", policy], capture_output=True, text=True, check=False)

        assert (done.returncode, "bug" in done.stdout + done.stderr) == (code, False)


def test_what_is_to_be_told_where_nothing_can_be_told_changes_no_exit_code(invalid: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        # What could not be written is tried once more at the end, if it is buffered.
        buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
        argv = [sys.executable, "-m", "laneway", "check", invalid]
        done = subprocess.run(argv, stderr=full, env=buffered, check=False)

    assert done.returncode == Exit.POLICY


def test_a_terminal_without_arrows_shows_question_marks() -> None:
    policy = Path(__file__).parents[2] / "policies" / "quickstart.toml"
    asked = ["--policy", str(policy), "--from", "acme/web", "--to", "203.0.113.9", "--tcp", "80"]

    done = laneway("explain", *asked, PYTHONIOENCODING="latin-1")

    assert done.returncode == Exit.DONE
    assert done.stdout.startswith("acme/web ? 203.0.113.9 tcp/80: delivered")


def test_an_empty_path_is_not_the_working_directory() -> None:
    done = laneway("check", "")

    assert (done.returncode, done.stderr) == (
        Exit.USAGE,
        "laneway: a path is empty\n  hint: write . for this directory\n",
    )


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"_LANEWAY_COMPLETE": "complete_bash"}, "COMP_WORDS and COMP_CWORD do not say", id="no words"),
        pytest.param(
            {"_LANEWAY_COMPLETE": "complete_bash", "COMP_WORDS": "laneway pl", "COMP_CWORD": "x"},
            "COMP_WORDS and COMP_CWORD do not say",
            id="no number",
        ),
        pytest.param({"_LANEWAY_COMPLETE": "nonsense"}, "is nonsense, which no shell asks for", id="no instruction"),
    ],
)
def test_completion_that_no_shell_asks_for_is_usage(variables: dict[str, str], expected: str) -> None:
    done = laneway(**variables)

    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr
    assert "bug" not in done.stderr


def test_completion_answers_a_shell() -> None:
    asked = {"_LANEWAY_COMPLETE": "complete_bash", "COMP_WORDS": "laneway pl", "COMP_CWORD": "1"}

    done = laneway(**asked)

    assert (done.returncode, done.stdout) == (0, "plan\n")
