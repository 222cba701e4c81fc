"""Splits participants into training, validation and test: pure functions of ids, labels and a seed.

The same ids, labels, fractions and seed give the same split in every order of rows, on every platform and with every
version of Python.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import counted, one_of, quoted

SEED = 1337
TEST_FRACTION = 0.20
VALIDATION_FRACTION = 0.15


@dataclass(frozen=True, slots=True)
class Split:
    """Participant ids by section, each in ascending order; no id is in two of them.

    Attributes:
        training: Participants the network is trained on.
        validation: Participants that choose the best epoch.
        test: Participants the trained network is tested on.
        folds: With k folds, the fold of each participant who is in one.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    folds: Mapping[str, int] = field(default_factory=dict, hash=False)

    def section(self, name: str) -> tuple[str, ...]:
        """The ids of ``training``, ``validation`` or ``test``."""
        return {"training": self.training, "validation": self.validation, "test": self.test}[name]


def test_set_sizes(first: int, second: int, test_fraction: float = TEST_FRACTION, at_least: int = 1) -> tuple[int, int]:
    """How many of the first and of the second class are tested: exactly 2 : 1, or ``(0, 0)`` if that is impossible.

    Of N participants about ``T0 = max(1, round(0.20 N))`` are tested, as 2k of the first and k of the second class
    with ``k = min(T0 // 3, first // 2, second)``, at least 1 if there are two of the first and one of the second.

    Args:
        first: Participants of the first class (LEMON: M).
        second: Participants of the second class.
        test_fraction: Approximate fraction of all participants to test.
        at_least: The smallest k if there are two of the first class and one of the second.
    """
    about = max(1, rounded(test_fraction, first + second))
    k = min(about // 3, first // 2, second)
    if first >= 2 and second >= 1:
        k = max(k, at_least)
    return 2 * k, k


def rounded(fraction: float, of: int) -> int:
    """``fraction * of``, a half rounded up, computed exactly from the fraction as it is written.

    Python's ``round`` takes a half to the even number (0.15 * 30 = 4.5 gives 4, 0.15 * 10 = 1.5 gives 2), and binary
    0.15 is a little less than 0.15; a reader who checks the counts on paper expects neither. For the test set's 0.20
    the two agree, because a fifth of a whole number is never a half.
    """
    return int(Fraction(str(fraction)) * of + Fraction(1, 2))


def ratio_split(
    labels: Mapping[str, int],
    *,
    seed: int = SEED,
    test_fraction: float = TEST_FRACTION,
    validation_fraction: float = VALIDATION_FRACTION,
    classes: Sequence[str] = ("M", "F"),
) -> Split:
    """The ``ratio`` split: a test set with first : second class = 2 : 1, a stratified validation part, a rest.

    Args:
        labels: Class index, 0 or 1, of every participant with both recordings.
        seed: Random seed: it changes who is drawn, never the numbers.
        test_fraction: Approximate fraction of all participants in the test set (`test_set_sizes`).
        validation_fraction: Fraction of each class's participants that are not tested (`rounded`; at least
            one of each class).
        classes: The two classes' names, for messages.

    Raises:
        InputError: There are not two classes, a fraction is not between 0 and 1, or a class would be missing from a
            section.
    """
    refuse_what_ratio_cannot(labels.values(), classes, test_fraction, validation_fraction)
    by_class = [sorted(name for name, label in labels.items() if label == index) for index in (0, 1)]
    numbers = [len(members) for members in by_class]
    tested = test_set_sizes(numbers[0], numbers[1], test_fraction)
    validated = validation_sizes(numbers, tested, validation_fraction)
    refuse_empty_parts(numbers, tested, validated, classes)

    training: list[str] = []
    validation: list[str] = []
    test: list[str] = []
    for index, members in enumerate(by_class):
        drawn = _shuffled(members, f"{seed}/{index}")
        end = tested[index] + validated[index]
        test += drawn[: tested[index]]
        validation += drawn[tested[index] : end]
        training += drawn[end:]
    return Split(tuple(sorted(training)), tuple(sorted(validation)), tuple(sorted(test)))


def validation_sizes(numbers: Sequence[int], tested: Sequence[int], fraction: float) -> list[int]:
    """How many of each class validate: the fraction of those not tested, at least one; of a fraction of 0, nobody."""
    at_least = 1 if fraction else 0
    return [max(at_least, rounded(fraction, n - t)) for n, t in zip(numbers, tested, strict=True)]


def _shuffled(sorted_ids: Sequence[str], seed: str) -> list[str]:
    """A seeded shuffle: the ids in the order of one random number each.

    Python promises only for ``random()`` that it stays the same over versions; ``shuffle`` may change.
    """
    generator = random.Random(seed)
    numbers = {name: generator.random() for name in sorted_ids}
    return sorted(sorted_ids, key=numbers.__getitem__)


def refuse_what_ratio_cannot(
    labels: Iterable[int], classes: Sequence[str], test_fraction: float, validation_fraction: float
) -> None:
    """Refuse what a test set of 2 : 1 cannot be drawn from.

    Raises:
        InputError: There are not two classes, or a fraction is not between 0 and 1.
    """
    if len(classes) != 2:
        raise InputError(
            Problem(
                "--method",
                "ratio",
                f"{len(classes)} classes: {one_of(classes)}",
                "two, because the test set is drawn 2 : 1",
                "use --method stratified",
            )
        )
    strange = sorted(set(labels) - {0, 1})
    if strange:
        raise InputError(Problem("split", "labels", f"{strange[0]}", "0 or 1: the indices of two classes"))
    for name, fraction in (("test fraction", test_fraction), ("validation fraction", validation_fraction)):
        if not 0 < fraction < 1 and (fraction, name) != (0, "validation fraction"):
            raise InputError(Problem("split", name, str(fraction), "a number between 0 and 1, such as 0.15"))


def refuse_empty_parts(
    numbers: Sequence[int],
    tested: Sequence[int],
    validated: Sequence[int],
    classes: Sequence[str],
    at_least: Sequence[int] = (4, 3),
) -> None:
    """Every class must be in every section: reports how many participants a class has that is not.

    Raises:
        InputError: A class would be missing from a section.
    """
    problems = []
    for index, name in enumerate(classes):
        left = numbers[index] - tested[index]
        room = {"test": tested[index], "validation": left, "training": left - validated[index]}
        missing = [section for section, number in room.items() if number < 1]
        if not any(validated):
            missing = [section for section in missing if section != "validation"]
        if missing:
            seen = f"{counted(numbers[index], 'participant')}, of whom {tested[index]} would be tested"
            problems.append(
                Problem("split", f"class {quoted(name)}", seen, advice=f"none left for {' and '.join(missing)}")
            )
    if problems:
        if any(number < needed for number, needed in zip(numbers, at_least, strict=True)):
            wanted = " and ".join(f"{needed} {quoted(name)}" for needed, name in zip(at_least, classes, strict=True))
            seen = " and ".join(map(str, numbers))
            problems.append(Problem("split", seen=seen, wanted=f"at least {wanted}"))
        else:
            problems.append(Problem("split", advice="use a smaller test or validation fraction"))
        raise InputError(problems, heading="the participants cannot be split")
