"""The source keeps to its layers; and each rule is shown to catch what it forbids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Rule = Callable[[layers.Module], Iterable[str]]

SOURCE = Path(__file__).parents[1] / "src" / "laneway"


def broken(rule: Rule, modules: Iterable[layers.Module]) -> list[str]:
    return [each for module in modules for each in rule(module)]


@pytest.fixture(scope="module")
def source() -> list[layers.Module]:
    """The package, parsed once: that takes longer than most of the rules do."""
    return layers.modules(SOURCE)


@pytest.mark.parametrize("rule", layers.RULES, ids=lambda rule: rule.__name__)
def test_source_keeps_the_rule(rule: Rule, source: list[layers.Module]) -> None:
    assert broken(rule, source) == []


LONG_FILE = "x = 1\n" * (layers.MAX_FILE + 1)
LONG_BODY = "def f():\n" + "    x = 1\n" * (layers.MAX_BODY + 1)


@pytest.mark.parametrize(
    ("rule", "path", "text", "expected"),
    [
        pytest.param(
            layers.only_the_kernel_and_the_lab_have_effects,
            "plan/a.py",
            "def f():\n    from pyroute2.netlink import rtnl\n",
            "plan/a.py:2: imports pyroute2.netlink.rtnl",
            id="pyroute2",
        ),
        pytest.param(
            layers.only_the_kernel_and_the_lab_have_effects,
            "cli/a.py",
            "import os, subprocess\n",
            "cli/a.py:1: imports subprocess",
            id="subprocess",
        ),
        pytest.param(
            layers.only_the_kernel_and_the_lab_have_effects,
            "state/a.py",
            "import socket\nsocket.socket(socket.AF_NETLINK)\n",
            "state/a.py:2: uses socket.socket",
            id="a socket",
        ),
        pytest.param(layers.only_the_command_line_prints, "plan/a.py", "print(1)\n", "plan/a.py:1: prints", id="print"),
        pytest.param(
            layers.only_the_command_line_prints,
            "plan/a.py",
            "import sys\nsys.stderr.write('')\n",
            "plan/a.py:2: uses sys.stderr.write",
            id="stderr",
        ),
        pytest.param(
            layers.only_the_command_line_prints,
            "lab/a.py",
            "from rich.table import Table\n",
            "lab/a.py:1: imports rich.table.Table",
            id="rich at start-up",
        ),
        pytest.param(
            layers.only_the_command_line_prints,
            "apply/a.py",
            "import typer\n",
            "apply/a.py:1: imports typer",
            id="typer",
        ),
        pytest.param(
            layers.imports_go_one_way,
            "compile/a.py",
            "from laneway.plan.diff import diff\n",
            "compile/a.py:1: compile imports laneway.plan.diff.diff",
            id="upwards",
        ),
        pytest.param(
            layers.imports_go_one_way,
            "kernel/a.py",
            "from laneway.plan.plan import Plan\n",
            "kernel/a.py:1: kernel imports laneway.plan.plan.Plan",
            id="the kernel sees steps alone",
        ),
        pytest.param(
            layers.imports_go_one_way,
            "apply/a.py",
            "def f():\n    import laneway.kernel.host\n",
            "apply/a.py:2: apply imports laneway.kernel.host",
            id="apply is given its kernel",
        ),
        pytest.param(
            layers.imports_go_one_way,
            "lab/a.py",
            "from laneway.cli import output\n",
            "lab/a.py:1: lab imports laneway.cli.output",
            id="nobody imports the command line",
        ),
        pytest.param(
            layers.iptc_does_not_write,
            "kernel/a.py",
            "import iptc\niptc.easy.add_rule('nat', 'OUTPUT', {})\n",
            "kernel/a.py:2: uses iptc.easy.add_rule",
            id="iptc.easy",
        ),
        pytest.param(
            layers.iptc_does_not_write,
            "kernel/a.py",
            "from iptc.easy import encode_iptc_rule\n",
            "kernel/a.py:1: uses iptc.easy.encode_iptc_rule",
            id="encoder",
        ),
        pytest.param(
            layers.there_is_no_shell,
            "kernel/a.py",
            "import subprocess\nsubprocess.run('ls', shell=True)\n",
            "kernel/a.py:2: runs a shell",
            id="shell",
        ),
        pytest.param(
            layers.there_is_no_shell,
            "kernel/a.py",
            "import subprocess\nsubprocess.run('ls', shell=wanted)\n",
            "kernel/a.py:2: runs a shell",
            id="perhaps a shell",
        ),
        pytest.param(
            layers.exceptions_are_named,
            "kernel/a.py",
            "try:\n    f()\nexcept (OSError, Exception):\n    pass\n",
            "kernel/a.py:3: catches everything",
            id="Exception",
        ),
        pytest.param(
            layers.exceptions_are_named,
            "cli/a.py",
            "try:\n    f()\nexcept:\n    pass\n",
            "cli/a.py:3: catches everything",
            id="bare",
        ),
        pytest.param(
            layers.exceptions_are_named,
            "lab/a.py",
            "try:\n    f()\nexcept BaseException as error:\n    pass\n",
            "lab/a.py:3: catches everything",
            id="swallowed",
        ),
        pytest.param(layers.files_are_short, "plan/a.py", LONG_FILE, "plan/a.py: 351 lines", id="long file"),
        pytest.param(layers.functions_are_short, "plan/a.py", LONG_BODY, "plan/a.py:1: f has 51 lines", id="long body"),
        pytest.param(
            layers.modules_have_no_state,
            "plan/a.py",
            "seen: set[str] = set()\n",
            "plan/a.py:1: seen can change",
            id="mutable",
        ),
        pytest.param(
            layers.modules_have_no_state,
            "plan/a.py",
            "from x import y\ny.CACHE['a'] = 1\n",
            "plan/a.py:2: changes y.CACHE",
            id="a constant changed",
        ),
        pytest.param(
            layers.modules_have_no_state,
            "plan/a.py",
            "SEEN = []\ndef f():\n    SEEN.append(1)\n",
            "plan/a.py:3: changes SEEN",
            id="a constant appended to",
        ),
        pytest.param(
            layers.modules_have_no_state,
            "plan/a.py",
            "x = 0\ndef f():\n    global x\n",
            "plan/a.py:3: global x",
            id="global",
        ),
    ],
)
def test_violation_is_caught(tmp_path: Path, rule: Rule, path: str, text: str, expected: str) -> None:
    file = tmp_path / path
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")

    assert broken(rule, layers.modules(tmp_path)) == [expected]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("plan/a.py", "if TYPE_CHECKING:\n    from laneway.apply.lock import Lock\n", id="for types alone"),
        pytest.param("lab/a.py", "def f():\n    from rich.table import Table\n", id="rich when the lab reports"),
        pytest.param("cli/app.py", "try:\n    f()\nexcept Exception:\n    pass\n", id="the one place"),
        pytest.param("lab/a.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise\n", id="raised again"),
        pytest.param("kernel/a.py", "import iptc\niptc.easy.dump_table('nat')\n", id="iptc reads"),
        pytest.param("state/a.py", "import socket\nsocket.inet_ntop(2, b'')\n", id="address text"),
        pytest.param("state/a.py", "NAMES = {1: 'one'}\n", id="a constant"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, path: str, text: str) -> None:
    file = tmp_path / path
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")

    modules = layers.modules(tmp_path)

    assert [each for rule in layers.RULES for each in broken(rule, modules)] == []
