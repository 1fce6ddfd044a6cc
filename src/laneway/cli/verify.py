"""`laneway verify`: whether a host holds its policy."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, HostRefused, Unreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typer import Typer

    from laneway.explain.expect import Failure
    from laneway.explain.places import Places
    from laneway.policy.model import Expect
    from laneway.verify.judgement import Judgement
    from laneway.verify.packets import Trial


TIMEOUT = 60.0
"""Seconds without a word from another host."""

PATIENCE = 10
"""Times that for all of its answer."""


class Asked(NamedTuple):
    """Of which host, and how."""

    host: str | None = None
    packets: bool = False
    strict: bool = False
    timeout: float = TIMEOUT


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Compare a host with the policy, and test its expectations.")
    def verify(  # noqa: PLR0913  a parameter for each option
        paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or directories.")] = None,
        *,
        host: Annotated[
            str | None, typer.Option(metavar="URL", help="Another host, by a testinfra backend: ssh://root@edge1.")
        ] = None,
        strict: Annotated[bool, typer.Option("--strict", help="Take the doctor's warnings for errors.")] = False,
        packets: Annotated[bool, typer.Option("--packets", help="Send the packet of every [[expect]] too.")] = False,
        timeout: Annotated[
            float, typer.Option(metavar="SECONDS", help="Give --host up when it says nothing for so long.", min=0.1)
        ] = TIMEOUT,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Say whether the host holds the policy: every object, and every [[expect]] of the policy's.

        The policy is that of PATH (- is standard input) or $LANEWAY_POLICY, else the one in force (not with --host), or
        /etc/laneway. Nothing is changed. A host given by --host needs no laneway, and no Python: it is read with ip,
        ipset and iptables-save, of what it says 64 MiB at the most. What the doctor finds that breaks it is an error
        here too, with --strict its warnings as well.

        Exit code 0: it holds; 4: something differs, or the doctor finds an error; 5: this host could not be
        read; 7: a conflict with something of others', as `plan` says (not looked for with --host); 8: an
        expectation fails; 10: root is needed; 11: the host given by --host could not be reached, or not be read.
        """
        asked = Asked(host, packets, strict, timeout)
        finish(lambda: run(paths or [], asked, as_json=as_json), as_json=as_json)


def run(paths: Sequence[str | Path], asked: Asked, *, as_json: bool = False) -> Exit:
    """Verify the host and say what was found."""
    from laneway.cli import waiting

    host, packets = asked.host, asked.packets
    if host is not None and packets:
        raise UsageError("--packets sends from this host's workloads, not from another's", "run it on that host")
    found = _local(paths) if host is None else _remote(paths, host, asked.timeout)
    change = waiting.pending_now() if host is None else None
    judgement = replace(found, strict=asked.strict)
    trials = _trials(judgement) if packets else ()
    code = Exit.EXPECTATION if any(not each.holds for each in trials) else judgement.exit_code
    if as_json:
        output.answer({**_json(judgement, trials), **waiting.as_json(change)})
    else:
        _print(judgement, trials, _repair(paths) if host is None else "an apply there repairs it")
        waiting.note(change)
    return code


def _local(paths: Sequence[str | Path]) -> "Judgement":
    from laneway.cli.asked import in_force
    from laneway.cli.health import found_in_passing
    from laneway.cli.paths import is_named
    from laneway.cli.wire import in_the_way, look, look_at, mindful, not_as_asked
    from laneway.kernel import underlay
    from laneway.verify.judgement import judge

    stored = None if is_named(paths) else in_force()
    scene = look(paths) if stored is None else mindful(look_at(stored, prune=True))
    found, unseen = found_in_passing(scene)
    judgement = judge(scene.aim, scene.observed, underlay.read(), in_the_way(scene))
    workloads = not_as_asked(scene, [each.step for each in judgement.drift])
    return replace(judgement, findings=found, unseen=unseen, workloads=workloads)


def _remote(paths: Sequence[str | Path], url: str, timeout: float) -> "Judgement":
    from laneway.cli.paths import policy_paths
    from laneway.kernel.outside import Limits
    from laneway.policy.load import load
    from laneway.verify.judgement import judge_remote

    policy = load(policy_paths(paths))
    try:
        import testinfra
    except ImportError:
        raise UsageError("--host needs testinfra", "pip install 'laneway[verify]'") from None
    try:
        there = testinfra.get_host(url)
    except (RuntimeError, ValueError, ImportError) as error:
        raise UsageError(f"--host {url}: {error}", "for example: ssh://root@edge1") from error
    try:
        return judge_remote(there, policy, Limits(silence=timeout, whole=PATIENCE * timeout))
    except HostRefused as error:
        raise Unreachable(f"{url}: {error}", error.hint) from error


def _trials(judgement: "Judgement") -> "tuple[Trial, ...]":
    from laneway.kernel.probe import send
    from laneway.verify.packets import try_out

    return try_out(judgement.aim.policy, judgement.aim.lanes, send)


def _json(judgement: "Judgement", trials: "Iterable[Trial]") -> dict[str, object]:
    from laneway.explain.places import Places
    from laneway.explain.report import as_json as explanation_json
    from laneway.verify.aspects import Owners
    from laneway.verify.drift import as_json

    places, owners = Places(), Owners(judgement.ground.origins)
    holds = judgement.exit_code == Exit.DONE and all(each.holds for each in trials)
    return {
        "holds": holds,
        "drift": [as_json(each, owners.about(each).tenants) for each in judgement.drift],
        "expectations": len(judgement.aim.policy.expects),
        "failed": [
            {
                "expect": words(each.expect),
                "reason": each.reason,
                "policy": places.text(each.expect.source),
                "explanation": explanation_json(each.explanation, places),
            }
            for each in judgement.failures
        ],
        "packets": [
            {"expect": words(each.expect), "outcome": each.outcome, "holds": each.holds, "sent": each.sent}
            for each in trials
        ],
        "in_the_way": None if judgement.in_the_way is None else [each.as_json() for each in judgement.in_the_way],
        "findings": [{**each._asdict(), "commands": list(each.commands)} for each in judgement.findings],
        "unseen": list(judgement.unseen),
        "besides": list(judgement.besides),
        "workloads": dict(judgement.workloads),
        "waiting": list(judgement.aim.waiting),
    }


def words(expect: "Expect") -> str:
    """Return a test of the policy's in one line."""
    what = expect.protocol if expect.port is None else f"{expect.protocol}/{expect.port}"
    arrives = f" in by {expect.arrives}" if expect.arrives else ""
    wanted = f"by {expect.uplink}" if expect.uplink else expect.result
    return f"{expect.from_}{arrives} → {expect.to} {what}: {wanted}"


def _print(judgement: "Judgement", trials: "Sequence[Trial]", repair: str) -> None:
    from laneway.cli.tell import workload_lines
    from laneway.explain.places import Places
    from laneway.verify.drift import text

    places = Places()
    for difference in judgement.drift:
        output.data(text(difference))
    for failure in judgement.failures:
        _print_failure(failure, places)
    for trial in trials:
        verdict = output.Painted("ok", output.GREEN) if trial.holds else output.Painted("fails", output.RED)
        output.data(verdict, f": {words(trial.expect)}: {trial.outcome}")
    for collision in judgement.in_the_way or ():
        output.data(f"conflict: {collision.text}")
    for finding in judgement.broken:
        output.data(f"{finding.severity}: {finding.text}")
    for each in judgement.unseen:
        output.note(f"not looked at: {each}")
    for line in workload_lines(judgement.workloads):
        output.data(line)
    if judgement.besides:
        output.note(f"not named by the policy, and judged by the one in force there: {', '.join(judgement.besides)}")
    output.note(_summary(judgement, trials, repair))
    for line in judgement.aim.waiting:
        output.note(line)


def _print_failure(failure: "Failure", places: "Places") -> None:
    from laneway.explain.report import lines

    where = places.text(failure.expect.source)
    output.data(f"fails: {words(failure.expect)}: {failure.reason} ({where})")
    for line in lines(failure.explanation, places):
        output.data(f"    {''.join(part.text for part in line)}".rstrip())


def _summary(judgement: "Judgement", trials: "Sequence[Trial]", repair: str) -> str:
    """Return the verdict in one sentence, with every reason why it is no; `repair` is what to do about drift."""
    expects, sent = len(judgement.aim.policy.expects), [each for each in trials if each.sent]
    held = f"{expects - len(judgement.failures)} of {expects} expectations hold"
    tried = f", {sum(each.holds for each in sent)} of {len(sent)} with packets" if trials else ""
    counts = f"{held}{tried}" if expects else "the policy has no [[expect]]"
    reasons = [
        *_reasons(judgement, repair),
        *(["a packet took another route"] if any(not each.holds for each in trials) else []),
    ]
    verdict = f"the host does not hold the policy: {'; '.join(reasons)}" if reasons else "the host holds the policy"
    return f"{verdict}; {counts}"


def _repair(paths: Sequence[str | Path]) -> str:
    from laneway.cli.paths import is_named
    from laneway.plan.shell import joined

    return f"`{joined(['laneway', 'apply', *(map(str, paths) if is_named(paths) else ['--in-force'])])}` repairs it"


def _reasons(judgement: "Judgement", repair: str) -> Iterator[str]:
    from laneway.cli.tell import tally

    if judgement.drift:
        after = ", once that conflict is gone" if judgement.in_the_way else ""
        yield f"drift: {tally([each.step for each in judgement.drift])} ({repair}{after})"
    if judgement.workloads:
        number = len(judgement.workloads)
        yield f"the inside of {number} workload{'' if number == 1 else 's'} differs"
    if judgement.in_the_way:
        yield "a conflict with something of others' blocks every change"
    if judgement.broken:
        yield "something else here stops tenants' packets (`laneway doctor` shows the fix)"
    if judgement.failures:
        yield "an expectation fails"
