"""The reader of legacy tables is a program of its own, run isolated."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from laneway.kernel import iptc_reader


def test_python_iptables_beside_laneway_is_the_one_that_is_used(tmp_path: Path) -> None:
    # As in /usr/lib/laneway of the Debian package, which an isolated Python does not look into.
    program = tmp_path / "laneway" / "kernel" / "iptc_reader.py"
    program.parent.mkdir(parents=True)
    shutil.copy(Path(iptc_reader.__file__), program)
    (tmp_path / "iptc.py").write_text('raise SystemExit("the one beside laneway")\n', encoding="utf-8")

    argv = [sys.executable, "-I", str(program), "4", "ours"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    assert done.stderr.strip() == "the one beside laneway"
