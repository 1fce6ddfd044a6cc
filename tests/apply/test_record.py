"""What is written down of a change: all of it before the first step, and in one rename at the end."""

from __future__ import annotations

import os
import pickle
from contextlib import nullcontext
from shutil import copytree
from typing import TYPE_CHECKING

import pytest

from laneway.apply import generations, journal, pending, snapshot, store, trust
from laneway.apply.durable import sweep
from laneway.apply.lock import locked
from laneway.apply.memory import Memory
from laneway.apply.record import Confirmation, Reapplication, Record, Reversion
from laneway.apply.target import target
from laneway.apply.transaction import transact
from laneway.cli import change, rollback
from laneway.cli.durations import seconds_of
from laneway.errors import Conflict, HostRefused, UsageError
from laneway.kernel import detached
from laneway.plan.plan import plan
from laneway.state.host import HostState
from laneway.state.marks import FwMark
from laneway.state.prefix import prefix
from laneway.state.sets import SetEntry
from tests.fakes.kernel import FakeKernel
from tests.worlds import crowd, world

if TYPE_CHECKING:
    from pathlib import Path

    from laneway.policy.model import PolicySet


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANEWAY_STATE_DIR", str(tmp_path / "memory"))
    return tmp_path / "memory"


def apply(kernel: FakeKernel, policy: PolicySet, record: Record | Reapplication) -> None:
    observed = kernel.read()
    aim = target(policy, observed, kernel.facts(["eth0", "eth1"]))
    transact(kernel, desired=aim.desired, observed=observed, field=aim.lanes.field, ledger=record)


def kept(kernel: FakeKernel, policy: PolicySet, *, restores: int | None = None) -> int:
    record = Record(policy, restores=restores)
    apply(kernel, policy, record)
    return record.generation


def waiting(kernel: FakeKernel, policy: PolicySet, seconds: float = 60) -> Record:
    record = Record(policy, confirmation=Confirmation(seconds, "nft", lambda _: None))
    apply(kernel, policy, record)
    return record


def test_a_change_becomes_the_next_generation(memory: Path) -> None:
    kernel = FakeKernel()

    assert [kept(kernel, crowd(1)), kept(kernel, crowd(2)), kept(kernel, crowd(2))] == [1, 2, 2]

    present = generations.in_force(store.history())
    assert present is not None
    assert (present.number, present.changes["netns"], present.who != "") == (2, 1, True)
    assert sorted(os.listdir(memory)) == ["before", "generations"]  # noqa: PTH208


def broken(kernel: FakeKernel) -> FakeKernel:
    """Return the kernel with an ip rule of laneway's gone."""
    rules = kernel.state.fib_rules
    del rules[next(iter(rules))]
    return kernel


def test_a_repair_is_no_generation_and_the_way_back_leads_past_it() -> None:
    kernel = FakeKernel()
    numbers = [kept(kernel, crowd(1)), kept(kernel, crowd(2))]

    numbers += [kept(broken(kernel), crowd(2)), kept(broken(kernel), crowd(2))]

    assert numbers == [1, 2, 2, 2]
    present = generations.in_force(store.history())
    assert present is not None
    assert present.repairs is not None
    assert (present.repairs.times, dict(present.repairs.changes)) == (2, {"fib_rules": 1})
    assert store.find(None).number == 1


def test_copies_that_an_earlier_laneway_wrote_are_passed_over(memory: Path) -> None:
    kernel = FakeKernel()
    kept(kernel, crowd(1))
    kept(kernel, crowd(2))
    for number in (3, 4):
        copytree(memory / "generations/2", memory / f"generations/{number}")

    assert store.find(None).number == 1


def test_a_repair_that_is_to_be_confirmed_has_a_number_and_is_passed_over_too() -> None:
    kernel = FakeKernel()
    kept(kernel, crowd(1))
    kept(kernel, crowd(2))

    record = waiting(broken(kernel), crowd(2))

    assert record.generation == 3
    pending.remove(store.pending())
    assert store.find(None).number == 1


def test_a_refused_change_leaves_no_generation(memory: Path) -> None:
    with pytest.raises(HostRefused):
        kept(FakeKernel(fail_at=20), crowd(1))

    assert generations.every(store.history()) == ()
    assert [str(each) for each in memory.rglob("*")] == [str(memory / "generations")]


def test_the_one_before_a_generation_that_was_brought_back_is_the_one_before_its_original() -> None:
    kernel = FakeKernel()
    for count in (1, 2, 3):
        kept(kernel, crowd(count))
    kept(kernel, crowd(2), restores=2)

    assert store.find(None).number == 1


def test_an_unknown_generation_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="there is no generation 7"):
        store.find(7)
    with pytest.raises(UsageError, match="no earlier generation with another policy"):
        store.find(None)


def test_only_so_many_generations_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "KEPT", 3)
    kernel = FakeKernel()

    for count in range(1, 7):
        kept(kernel, crowd(count % 3 + 1))

    assert [each.number for each in generations.every(store.history())] == [4, 5, 6]


def test_the_journal_tells_how_far_a_killed_change_came(memory: Path) -> None:
    kernel = FakeKernel()
    observed = kernel.read()
    steps = plan(target(crowd(1), observed, kernel.facts(["eth0", "eth1"])).desired, observed)
    record = Record(crowd(1))
    record.begin(observed, steps)
    record.reached(3)

    told = journal.interruption(store.journal())

    assert told == journal.Interruption(3, len(steps), os.getpid())
    assert journal.before_a_cut(store.journal()) == observed


def test_what_was_before_a_change_that_was_cut_off_is_known_until_one_is_kept(memory: Path) -> None:
    kernel = FakeKernel()
    before, between = kernel.read(), target(crowd(1), kernel.read(), kernel.facts(["eth0", "eth1"])).desired
    Record(crowd(1)).begin(before, plan(between, before))

    failed = Record(crowd(2))
    assert failed.interrupted() == before
    failed.begin(between, plan(before, between))
    failed.drop()

    kept_one = Record(crowd(2))
    assert kept_one.interrupted() == before
    kept_one.begin(between, plan(before, between))
    kept_one.keep()
    assert Record(crowd(2)).interrupted() is None


def test_a_directory_that_cannot_be_written_refuses_before_anything_is_touched(memory: Path) -> None:
    memory.parent.mkdir(exist_ok=True)
    memory.write_text("a file")
    kernel = FakeKernel()

    with pytest.raises(HostRefused, match="nothing on the host was touched"):
        kept(kernel, crowd(1))

    assert kernel.done == 0


def test_a_timer_that_does_not_start_refuses_before_anything_is_touched(memory: Path) -> None:
    def broken(_: float) -> None:
        raise HostRefused("no timer")

    kernel = FakeKernel()
    record = Record(crowd(1), confirmation=Confirmation(60, "nft", broken))

    with pytest.raises(HostRefused, match="no timer"):
        apply(kernel, crowd(1), record)

    assert (kernel.done, pending.read(store.pending())) == (0, None)


def test_a_change_that_waits_keeps_how_the_host_was_until_it_is_taken_back() -> None:
    kernel = FakeKernel()
    kept(kernel, crowd(1))
    before = kernel.read()
    waiting(kernel, crowd(2))
    note = pending.read(store.pending())
    assert note is not None
    assert (note.generation, note.before, note.left > 50, note.snapshot == before) == (2, 1, True, True)
    with pytest.raises(Conflict, match=r"generation 2, applied by .*, waits for a confirmation until"):
        pending.refuse_while_waiting(store.pending())

    field = target(crowd(1), before, kernel.facts(["eth0", "eth1"])).lanes.field
    transact(kernel, desired=note.snapshot, observed=kernel.read(), field=field, ledger=Reversion(note, Memory()))

    assert kernel.read() == before
    assert pending.read(store.pending()) is None
    present = generations.in_force(store.history())
    assert present is not None
    assert present.number == 1
    assert [each.reverted for each in generations.every(store.history())] == [False, True]


def test_a_note_of_another_boot_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(FakeKernel(), crowd(1))
    monkeypatch.setattr(pending, "boot", lambda: "another")

    note = pending.read(store.pending())

    assert note is not None
    assert (note.left, note.same_boot) == (0, False)


def test_a_snapshot_is_the_state_again() -> None:
    kernel = FakeKernel()
    kept(kernel, crowd(2))

    assert snapshot.load(snapshot.dump(kernel.read())) == kernel.read()


@pytest.mark.parametrize("marks", [(None, FwMark(1, 3), None), (None, None, None), (FwMark(1, 3),) * 3])
def test_a_snapshot_knows_which_entries_have_marks(marks: tuple[FwMark | None, ...]) -> None:
    nets = [SetEntry("lw-net4", prefix(f"10.{number}.0.0/16"), net2=prefix("::/0")) for number in (1, 2)]
    entries = [*nets, SetEntry("lw-net4", prefix("10.3.0.0/16"))]
    state = HostState(entries=dict(zip(entries, marks, strict=True)))

    assert snapshot.load(snapshot.dump(state)) == state


def test_a_snapshot_of_before_some_were_none_is_read() -> None:
    columns = (None, [SetEntry("lw-net4", prefix("10.1.0.0/16"))]), (None, [None])

    assert snapshot.load(pickle.dumps({"entries": columns})).entries == {
        SetEntry("lw-net4", prefix("10.1.0.0/16")): None
    }


def test_a_snapshot_whose_places_and_values_differ_in_number_is_refused() -> None:
    columns = (None, ["lw-net4", "lw-net6"]), (None, [1], b"\1\1")

    with pytest.raises(HostRefused, match="1 values for 2 places"):
        snapshot.load(pickle.dumps({"sets": columns}))


@pytest.mark.parametrize("data", [b"", b"nonsense", pickle.dumps({"links": os.system}), pickle.dumps([1])])
def test_a_snapshot_of_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(HostRefused, match="the snapshot of the host cannot be read"):
        snapshot.load(data)


def test_a_whole_destroy_is_a_generation_without_a_policy() -> None:
    kernel = FakeKernel()
    kept(kernel, crowd(1))
    record = Record(world(), destroyed=True)

    apply(kernel, world(), record)

    assert (record.generation, store.applied()) == (2, None)
    assert kernel.read() == HostState()


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600), ("90", 90), ("1.5s", 1.5)])
def test_spans_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-5s", "soon", "5 d", "1e3"])
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        seconds_of(text)


def test_who_finds_the_lock_held_reads_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    told: list[str] = []

    with locked(path), pytest.raises(Conflict, match=rf"process {os.getpid()} of \S+ \(laneway"):  # noqa: SIM117
        with locked(path, wait=0.2, say=told.append):
            pass

    assert len(told) == 1
    assert told[0].startswith("waiting: another laneway is at work: process ")


def test_what_is_no_generation_is_passed_over(tmp_path: Path) -> None:
    for name, about in (("1", b"\xff"), ("\u00b2", b""), ("2", b"when = 1"), ("3", b"[")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "about.toml").write_bytes(about)

    assert generations.every(tmp_path) == ()


ABOUT = 'when = 2026-01-02T03:04:05Z\nwho = "root"\ncommand = "laneway apply"\n'


@pytest.mark.parametrize(
    "about",
    ["", "[", ABOUT.replace('"root"', "1"), ABOUT + "restores = true", ABOUT + 'changes = { links = "two" }'],
    ids=["nothing", "no TOML", "who", "restores", "changes"],
)
def test_an_older_generation_does_not_stand_for_one_that_cannot_be_read(memory: Path, about: str) -> None:
    kernel = FakeKernel()
    for count in (1, 2):
        kept(kernel, crowd(count))
    damaged = store.history() / "2" / "about.toml"
    damaged.write_text(about)

    with pytest.raises(HostRefused, match=r"the generation in force cannot be read: .*/2/about\.toml: ") as refused:
        store.applied()

    assert refused.value.hint == f"restore it from a backup, or remove {damaged.parent}: in force is then generation 1"
    with pytest.raises(HostRefused, match="the generation in force cannot be read"):
        store.find(None)
    assert store.known_ground().tenants == ()
    assert [each.number for each in generations.every(memory / "generations")] == [1]
    sweep(damaged.parent)
    assert store.applied() is not None


def test_one_that_was_taken_back_is_not_asked_for() -> None:
    kernel = FakeKernel()
    kept(kernel, crowd(1))
    (store.history() / "2" / "reverted").mkdir(parents=True)

    present = generations.in_force(store.history())

    assert present is not None
    assert present.number == 1


NOTE = """
generation = 2
before = 1
seconds = 60
end = 123.5
boot = "x"
until = 2026-01-02T03:04:05Z
who = "root"
variant = "nft"
"""


def test_a_note_is_read_whole_or_told(tmp_path: Path) -> None:
    about = tmp_path / "about.toml"
    about.write_text(NOTE)
    note = pending.read(tmp_path)
    assert note is not None
    assert (note.generation, note.seconds, note.variant) == (2, 60, "nft")

    lines = NOTE.strip().splitlines()
    for line in lines:
        for instead in ("", f"{line.partition(' ')[0]} = []"):
            about.write_text("\n".join(instead if each == line else each for each in lines))
            with pytest.raises(HostRefused, match=rf"about\.toml: {line.partition(' ')[0]} is "):
                pending.read(tmp_path)


def test_a_note_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "about.toml").write_bytes(b"\xff")

    with pytest.raises(HostRefused, match=r"about\.toml"):
        pending.read(tmp_path)


def test_the_timer_finds_a_state_directory_that_was_named_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANEWAY_STATE_DIR", "state")
    monkeypatch.setattr(detached, "_systemd_can", lambda: False)
    monkeypatch.setattr(detached, "_daemonize", lambda _argv, environment, _log: environments.append(environment))

    detached.run_laneway_later(["rollback", "--pending"], seconds=1, log=tmp_path / "log")

    assert environments[0]["LANEWAY_STATE_DIR"] == str(tmp_path / "state")


def test_a_timer_that_cannot_read_the_note_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Exception | None] = [HostRefused("too many open files"), OSError(12, "no memory"), None, None]

    def read(_: Path) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    monkeypatch.setattr(pending, "read", read)
    monkeypatch.setattr(rollback, "PAUSE", 0)
    monkeypatch.setattr("laneway.cli.change.alone", lambda _: nullcontext())

    assert rollback.take_back_in_time() == 0
    assert answers == []


def test_a_memory_that_others_may_write_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)
    monkeypatch.setenv("LANEWAY_STATE_DIR", str(state))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(trust, "_is_real_root", lambda: True)

    with pytest.raises(UsageError, match="others may write it"):
        change.alone(0)


def test_the_generation_in_force_is_applied_again_without_a_new_one(memory: Path) -> None:
    kernel = FakeKernel()
    kept(kernel, crowd(1))
    (memory / "generations" / "1" / "boot").write_text("an-earlier-start", encoding="ascii")
    present = generations.in_force(store.history())
    assert present is not None
    assert present.is_of_an_earlier_boot

    after_the_reboot = FakeKernel()
    apply(after_the_reboot, crowd(1), Reapplication(present, Memory()))

    again = generations.in_force(store.history())
    assert again is not None
    assert (again.number, again.is_of_an_earlier_boot) == (1, False)
    assert after_the_reboot.read() == kernel.read()
    assert sorted(os.listdir(memory)) == ["before", "generations"]  # noqa: PTH208


def test_a_disk_without_room_does_not_keep_the_policy_from_being_applied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel()
    kept(kernel, crowd(1))
    present = generations.in_force(store.history())
    assert present is not None

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for module in (journal, generations):
        monkeypatch.setattr(module, "write_synced", full)
    after_the_reboot = FakeKernel()
    apply(after_the_reboot, crowd(1), Reapplication(present, Memory()))

    assert after_the_reboot.read() == kernel.read()


def test_a_generation_of_before_boots_were_noted_is_of_no_earlier_one(memory: Path) -> None:
    kept(FakeKernel(), crowd(1))
    (memory / "generations" / "1" / "boot").unlink()

    present = generations.in_force(store.history())

    assert present is not None
    assert not present.is_of_an_earlier_boot
