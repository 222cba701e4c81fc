"""Messages in tests: ``…`` is any words, so that tests hold places, fields and values, and not the wording."""

import re
from collections.abc import Iterable


def fits(line: str, expected: str) -> bool:
    """Whether a line has all that is expected, in its order, and nothing else but where ``…`` is."""
    return re.fullmatch(".*".join(map(re.escape, re.split(r"\s*…\s*", expected))), line, re.DOTALL) is not None


def assert_lines(seen: Iterable[object], expected: Iterable[str]) -> None:
    """Assert that there are these lines, each in its place, and no others."""
    lines, wanted = list(map(str, seen)), list(expected)
    assert len(lines) == len(wanted), f"{len(wanted)} expected: {lines}"
    for line, text in zip(lines, wanted, strict=True):
        assert fits(line, text), f"expected: {text}\nseen:     {line}"


class Like(str):
    """A text with ``…`` that equals every line that it fits, also within lists and tuples."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and fits(str(other), str(self))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__
