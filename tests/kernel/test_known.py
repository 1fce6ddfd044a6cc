"""The same bytes are parsed once, and never when they are others."""

from __future__ import annotations

from laneway.kernel.known import Known, Memo


def counting(parsed: list[bytes]) -> Memo[str]:
    def parse(body: bytes) -> str:
        parsed.append(body)
        return body.decode()

    return Memo(parse)


def test_what_was_read_while_open_is_not_parsed_again() -> None:
    parsed: list[bytes] = []
    memo = counting(parsed)
    first = [*memo.read([b"a", b"b"]), *memo.read([b"c"])]
    memo.open = False

    again = memo.read([b"c", bytes([97]), b"a", b"b"])

    assert (first, again) == (["a", "b", "c"], ["c", "a", "a", "b"])
    assert parsed == [b"a", b"b", b"c"]


def test_once_closed_it_parses_what_is_new_and_keeps_none_of_it() -> None:
    parsed: list[bytes] = []
    memo = counting(parsed)
    memo.read([b"a"])
    memo.open = False

    said = memo.read([b"a", b"b", b"b"]), memo.read([b"b"])

    assert (said, parsed) == ((["a", "b", "b"], ["b"]), [b"a", b"b", b"b", b"b"])


def test_a_set_that_is_new_after_the_first_reading_is_not_kept() -> None:
    known = Known()
    early = known.entries("lw-early")

    known.close()

    assert (early.open, known.entries("lw-late").open) == (False, False)
    assert known.entries("lw-early") is early
