"""`python -m integration.bench`: measures all of it, prints the table, and writes the results as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from integration.bench.codecs import codecs
from integration.bench.forwarding import Scale, forwarding, source_alone
from integration.bench.others import CROWD, other_tools
from integration.bench.packet_host import compiled
from integration.bench.results import Result, table
from integration.bench.waiting import starting, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = ("waiting", "others", "starting", "codecs", "forwarding")


def main() -> None:
    """Run the benchmark."""
    options = _options()
    if os.geteuid():
        sys.exit("the benchmark makes hosts of its own: run it as root")
    results: list[Result] = []
    machine = _machine()
    for result in _measured(options):
        results.append(result)
        _say(f"    {result.item}, {result.case}: {result.ratio:.2f}")
        if options.json:  # each time: it may be hours to the end
            content = {"laneway-bench": 1, "machine": machine, "results": [each.as_json() for each in results]}
            Path(options.json).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    print("; ".join(f"{name} {value}" for name, value in machine.items()), table(results), sep="\n\n")  # noqa: T201


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measures laneway beside plain tools.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a minute's version: fewer tenants, fewer rounds")
    parser.add_argument("--json", metavar="FILE", help="write the results there as well")
    parser.add_argument("--sizes", type=_numbers, metavar="N,N…", help="numbers of tenants that packets pass")
    parser.add_argument("--crowds", type=_numbers, metavar="N,N…", help="numbers of tenants that are applied")
    parser.add_argument("--variants", type=lambda text: text.split(","), metavar="V,V", help="legacy, nft")
    parser.add_argument("--rounds", type=int, help="rounds of each; the median counts")
    parser.add_argument("--packets", type=int, help="packets in a burst")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    usual = _QUICK if options.quick else _FULL
    for name, value in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.parts = options.parts or PARTS
    return options


_FULL = {"sizes": [1, 100, 1000, 4000, 16000], "crowds": [1000, 4000], "variants": ["legacy", "nft"]}
_FULL |= {"rounds": 5, "packets": 60_000}
_QUICK = {"sizes": [1, 100], "crowds": [50], "variants": ["nft"], "rounds": 5, "packets": 15_000}


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _measured(options: argparse.Namespace) -> Iterator[Result]:
    if "waiting" in options.parts:
        yield from waiting(options.crowds, variant=options.variants[-1], rounds=options.rounds, say=_say)
    if "others" in options.parts:
        yield from other_tools(
            rounds=options.rounds, variant=options.variants[-1], crowd=min(CROWD, max(options.crowds)), say=_say
        )
    if "starting" in options.parts:
        yield from starting(min(4000, max(options.crowds)), _say)
    if "codecs" in options.parts:
        yield from codecs(options.rounds)
    # Last: its many bridges hold up the kernel while they are deleted, and what an operator waits for would wait.
    if "forwarding" in options.parts:
        with TemporaryDirectory() as directory:
            program = compiled(Path(directory))
            _say(f"the packet source alone: {max(source_alone(program, 3)):.0f} kpps")
            scale = Scale(options.sizes, options.variants, options.rounds, options.packets)
            yield from forwarding(program, scale, _say)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _machine() -> dict[str, Any]:
    """Return what the results depend on."""
    told = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    iptables = subprocess.run(["iptables", "-V"], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return {
        "cpu": f"{model}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GB",
        "kernel": platform.release(),
        "iptables": iptables.split()[1],
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
