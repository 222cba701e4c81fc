"""Messages by what they must name, not by their wording."""

from collections.abc import Iterable


def assert_parts(text: str, *parts: str) -> None:
    """Check that a text contains these parts, in this order."""
    place = 0
    for part in parts:
        found = text.find(part, place)
        assert found >= 0, f"no {part!r} in {text[place:]!r} of {text!r}"
        place = found + len(part)


def with_parts(texts: Iterable[str], *parts: str) -> list[str]:
    """The texts that contain all these parts."""
    return [text for text in texts if all(part in text for part in parts)]
