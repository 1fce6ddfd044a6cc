"""Whatever a path leads to, the answer is a policy or an error that says what is wrong with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from laneway.policy.load import PolicyError, load, load_besides, load_text

NORTH = '[uplinks.north]\ninterface = "eth0"\n'
ACME = '[tenants.acme]\nsubnets = ["10.20.0.0/24"]\nuplinks = ["north"]\n'
GLOBEX = '[tenants.globex]\nsubnets = ["10.30.0.0/24"]\nuplinks = ["north"]\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def error(*paths: str | Path) -> str:
    with pytest.raises(PolicyError) as raised:
        load([Path(each) for each in paths])
    return str(raised.value)


def test_a_directory_is_one_policy() -> None:
    Path("10-host.toml").write_text(NORTH)
    Path("acme.toml").write_text(ACME)
    Path("globex.toml").write_text(GLOBEX)

    policy = load([Path()])

    assert [tenant.name for tenant in policy.tenants] == ["acme", "globex"]
    assert [tenant.source.file for tenant in policy.tenants] == ["acme.toml", "globex.toml"]


def test_expectations_of_several_files_come_in_the_order_of_the_files() -> None:
    expect = '[[expect]]\nfrom = "192.0.2.9"\narrives = "north"\nto = "192.0.2.2"\nresult = "refused"\nport = '
    Path("a.toml").write_text(f"{NORTH}{expect}1\n{expect}2\n")
    Path("b.toml").write_text(f"{expect}3\n")

    assert [each.port for each in load([Path()]).expects] == [1, 2, 3]
    assert [each.port for each in load([Path("b.toml"), Path("a.toml")]).expects] == [3, 1, 2]


def test_what_editors_leave_behind_is_not_read() -> None:
    Path("a.toml").write_text(NORTH)
    Path(".#a.toml").symlink_to("nobody@nowhere.1234")
    Path(".a.toml").write_text("rubbish")
    Path("a.toml~").write_text("rubbish")
    Path("a.toml.bak").write_text("rubbish")

    assert len(load([Path()]).uplinks) == 1


def test_a_file_named_twice_is_read_once() -> None:
    Path("a.toml").write_text(NORTH)
    Path("b").symlink_to("a.toml")

    assert len(load([Path("a.toml"), Path(), Path("a.toml"), Path("b")]).uplinks) == 1


def test_line_ends_of_windows() -> None:
    Path("a.toml").write_bytes(b'[uplinks.north]\r\ninterface = "eth0"\r\nbogus = 1\r\n')

    assert error("a.toml").splitlines()[:3] == [
        "a.toml:3:1: uplink north: unknown key bogus",
        "   3 | bogus = 1",
        "     | ^^^^^",
    ]


def test_nothing_named() -> None:
    assert error() == "<policy>: no policy file is named"


def test_missing() -> None:
    assert error("nowhere.toml", "nowhere/either.toml") == (
        "nowhere.toml: no such file or directory\n\nnowhere/either.toml: no such file or directory"
    )


def test_a_symbolic_link_to_itself() -> None:
    Path("a.toml").symlink_to("b.toml")
    Path("b.toml").symlink_to("a.toml")

    assert error("a.toml") == (
        "a.toml: too many levels of symbolic links\n     = hint: a symbolic link leads back to itself"
    )
    assert error(".").count("too many levels of symbolic links") == 2


def test_a_dangling_link_in_a_directory() -> None:
    Path("a.toml").symlink_to("gone.toml")

    assert error(".") == "a.toml: no such file or directory"


def test_a_named_pipe_is_not_waited_for() -> None:
    os.mkfifo("pipe.toml")
    said = "pipe.toml: not a file but a named pipe\n     = hint: write - and have the pipe on standard input"

    assert error("pipe.toml") == said
    assert error(".") == said


def test_devices_and_sockets() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.toml")

    assert error("/dev/zero", "socket.toml") == (
        "/dev/zero: not a file but a device\n\nsocket.toml: not a file but a socket"
    )


def test_a_directory_called_like_a_file() -> None:
    Path("a.toml").mkdir()

    assert error(".") == "a.toml: not a file but a directory"


def test_a_file_as_a_directory() -> None:
    Path("a").write_text(NORTH)

    assert error("a/b.toml") == "a/b.toml: not a directory"


def test_a_path_with_a_zero_byte() -> None:
    assert error("a\0b") == r"a\x00b: no file can have a zero byte in its name"


def test_a_file_that_is_too_large() -> None:
    with Path("a.toml").open("wb") as file:
        file.truncate((64 << 20) + 1)

    assert error("a.toml") == "a.toml: larger than 64 MiB"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read() -> None:
    Path("a.toml").write_text(NORTH)
    Path("a.toml").chmod(0)

    assert error("a.toml") == "a.toml: permission denied"


def test_names_of_files_cannot_move_the_cursor() -> None:
    Path("a\x1b[2J.toml").write_text("x = 1")

    assert error(".").startswith(r"a\x1b[2J.toml:1:1: unknown key x")


def test_nothing_is_loaded_for_errors_while_there_are_none() -> None:
    Path("a.toml").write_text(NORTH + ACME)
    code = (
        "import sys; from pathlib import Path; from laneway.policy.load import load; load([Path('a.toml')]);"
        "print([each for each in ('tree_sitter', 'toml', 'difflib', 'rich', 'pyroute2') if each in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    python = subprocess.run(command, env=path, capture_output=True, text=True, check=True, timeout=60)

    assert python.stdout == "[]\n"


def test_zero_bytes() -> None:
    Path("a.toml").write_bytes(b"\0" * 10)

    assert error("a.toml").splitlines()[0] == r"a.toml:1:1: not TOML: invalid statement"


def test_what_is_applied_already_is_kept() -> None:
    base = load_text('[host]\nmarks = "0xff00"\niptables = "nft"\n' + NORTH + ACME)

    policy = load_text('[host]\niptables = "legacy"\n' + GLOBEX, base=lambda _: base)

    assert (policy.host.marks, policy.host.iptables) == (0xFF00, "legacy")
    assert [uplink.name for uplink in policy.uplinks] == ["north"]
    assert [tenant.name for tenant in policy.tenants] == ["acme", "globex"]


def test_what_the_files_name_is_as_they_say() -> None:
    base = load_text(NORTH + ACME)

    policy = load_text(ACME.replace("10.20.0.0", "10.21.0.0") + NORTH.replace("eth0", "eth9"), base=lambda _: base)

    assert str(policy.tenants[0].subnets[0]) == "10.21.0.0/24"
    assert policy.uplinks[0].interface == "eth9"


def test_expectations_go_with_their_tenants() -> None:
    web = '[tenants.{}.workloads.web]\naddresses = ["10.{}.0.10"]\npublish = ["{}:80"]\n'
    inside = '[[expect]]\nfrom = "{}/web"\nto = "203.0.113.9"\nport = {}\nresult = "delivered"\n'
    outside = '[[expect]]\nfrom = "203.0.113.9"\narrives = "north"\nto = "192.0.2.2"\nport = {}\nresult = "delivered"\n'
    acme = ACME + web.format("acme", 20, 8020) + inside.format("acme", 20) + outside.format(8020)
    globex = GLOBEX + web.format("globex", 30, 8030) + inside.format("globex", 30) + outside.format(8030)
    base = load_text(NORTH + ACME + GLOBEX + acme.removeprefix(ACME) + globex.removeprefix(GLOBEX))

    policy = load_text(globex.replace("port = 30", "port = 31"), base=lambda _: base)

    assert [each.port for each in policy.expects] == [31, 8030, 20, 8020]


def test_the_new_tenant_is_the_one_at_fault() -> None:
    Path("applied.toml").write_text(NORTH + ACME.replace("acme", "zeta"))
    base = load([Path("applied.toml")])

    with pytest.raises(PolicyError) as raised:
        load_text(ACME, file="acme.toml", base=lambda _: base)

    assert str(raised.value) == (
        "acme.toml:2:12: tenant acme: 10.20.0.0/24 overlaps 10.20.0.0/24 of tenant zeta\n"
        '   2 | subnets = ["10.20.0.0/24"]\n'
        "     |             ^^^^^^^^^^^^\n"
        "     = hint: each tenant needs prefixes of its own\n"
        "applied.toml:4:12: note: 10.20.0.0/24 is here\n"
        '   4 | subnets = ["10.20.0.0/24"]\n'
        "     |             ^^^^^^^^^^^^"
    )


def test_what_is_applied_is_named_even_when_its_file_is_gone() -> None:
    base = load_text(NORTH + ACME.replace("acme", "zeta"), file="gone.toml")

    with pytest.raises(PolicyError) as raised:
        load_text(ACME, base=lambda _: base)

    assert str(raised.value).splitlines()[-1] == "gone.toml: note: 10.20.0.0/24 is here"


def test_a_workload_that_somebody_may_reach_cannot_go_unnoticed() -> None:
    db = '[tenants.globex.workloads.db]\naddresses = ["10.30.0.10"]\n'
    allow = '[[tenants.acme.allow]]\nto = "globex/db"\nports = ["5432/tcp"]\n'
    base = load_text(NORTH + ACME + allow + GLOBEX + db, file="gone.toml")

    with pytest.raises(PolicyError) as raised:
        load_text(GLOBEX, base=lambda _: base)

    assert str(raised.value).splitlines()[0] == "gone.toml: tenant acme, allow 1: tenant globex has no workload db"


def test_an_uplink_is_renamed_by_the_name_that_its_interface_has_now() -> None:
    base = load_text(NORTH + ACME, file="applied.toml")
    renamed = NORTH.replace("north", "upward")

    policy = load_text(renamed + ACME.replace("north", "upward"), base=lambda _: base)

    assert [each.name for each in policy.uplinks] == ["upward"]


def test_an_uplink_that_somebody_else_goes_by_is_not_renamed() -> None:
    base = load_text(NORTH + ACME, file="applied.toml")

    with pytest.raises(PolicyError, match="interface eth0 is uplink"):
        load_text(NORTH.replace("north", "upward") + GLOBEX.replace("north", "upward"), base=lambda _: base)


def test_what_is_built_on_is_read_without_the_tenants_that_are_said_anew() -> None:
    Path("applied.toml").write_text(NORTH + ACME.replace("10.20", "10.999") + GLOBEX)

    rest = load_besides(Path("applied.toml"), {"acme"})

    assert [tenant.name for tenant in rest.tenants] == ["globex"]
    with pytest.raises(PolicyError, match="is not an IPv4"):
        load_besides(Path("applied.toml"), {"globex"})
