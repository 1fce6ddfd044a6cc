"""A coverage-guided fuzzer of the policy loader, for long runs: `pip install atheris`, then

    python -m tests.policy.fuzz -runs=200000 -dict=tests/policy/fuzz.dict CORPUS_DIRECTORY tests/errors policies

Whatever is in a file, loading it ends in a policy or in a PolicyError. The short run is `test_fuzz.py`.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["laneway", "tomllib"]):
    from laneway.policy.load import PolicyError, load_text


def load_anything(data: bytes) -> None:
    """Load what the fuzzer made; anything but a PolicyError is a finding."""
    with contextlib.suppress(PolicyError):
        load_text(data.decode("utf-8", errors="replace"))


if __name__ == "__main__":
    atheris.Setup(sys.argv, load_anything)
    atheris.Fuzz()
