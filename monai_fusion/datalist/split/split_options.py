"""How a cohort is to be split: the options, and what of them goes together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monai_fusion.datalist.split.ratio import SEED, VALIDATION_FRACTION
from monai_fusion.errors import InputError, Problem
from monai_fusion.wording import one_of, quoted

METHODS = ("ratio", "stratified", "kfold", "test")
FOLDS = 5


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How a cohort is split.

    Attributes:
        method: ``ratio``: a test set of two of the first class for one of the second. ``stratified``: every
            part has its share of every class. ``kfold``: everyone is in one of k folds. ``test``: everyone is tested,
            as in a cohort of another site.
        test_fraction: Which part of the participants is tested, about; ``None`` is 0.20. Not with ``kfold``, ``test``.
        validation_fraction: Which part of those not tested chooses the best epoch, in each class.
        seed: Another seed draws other participants.
        stratify_by: Columns that are balanced beside the class, alone and all together.
        group_by: Columns, such as family or site, whose people stay together. Not with ``ratio``.
        folds: How many folds; ``None`` is 5, or as many as are there already.
        test_fold: The fold that is tested; ``None`` is 0, or the one that is tested already.
        validation_fold: The fold that chooses the best epoch; ``None`` draws that part from all folds but the tested.
        keep_test: The test set that is there stays, outside the folds; the validation fold is then 0 unless told.
        keep_folds: The folds that are there stay; only which is tested and which validates changes.
        allow_missing: Split people with one recording too, as a stratum of their own; those with both are split as if
            they were alone.
    """

    method: str = "ratio"
    test_fraction: float | None = None
    validation_fraction: float = VALIDATION_FRACTION
    seed: int = SEED
    stratify_by: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    folds: int | None = None
    test_fold: int | None = None
    validation_fold: int | None = None
    keep_test: bool = False
    keep_folds: bool = False
    allow_missing: bool = False

    def refuse_what_does_not_go_together(self) -> None:
        """Says what cannot be meant, before anything is read.

        Raises:
            InputError: An option does not belong to the method, or contradicts another one.
        """
        if self.method not in METHODS:
            raise InputError(Problem("--method", seen=quoted(self.method), wanted=one_of(METHODS)))
        problems = [*self._impossible_numbers(), *self._of_another_method(), *self._contradictions()]
        if problems:
            raise InputError(problems)

    def _impossible_numbers(self) -> Iterator[Problem]:
        fractions = {"--test-fraction": self.test_fraction, "--validation-fraction": self.validation_fraction}
        for name, fraction in fractions.items():
            if fraction is not None and not 0 < fraction < 1:
                yield Problem(name, seen=str(fraction), wanted="a number between 0 and 1, such as 0.15")
        if self.folds is not None and self.folds < 2:
            yield Problem("--folds", seen=str(self.folds), wanted="2 or more")

    def _of_another_method(self) -> Iterator[Problem]:
        given = {
            "--folds": self.folds is not None,
            "--test-fold": self.test_fold is not None,
            "--validation-fold": self.validation_fold is not None,
            "--keep-test": self.keep_test,
            "--keep-folds": self.keep_folds,
        }
        if self.method != "kfold":
            for name in (name for name, is_given in given.items() if is_given):
                yield Problem(name, advice="is for --method kfold")
        if self.method == "test":
            others = {
                "--test-fraction": self.test_fraction is not None,
                "--validation-fraction": self.validation_fraction != VALIDATION_FRACTION,
                "--stratify-by": bool(self.stratify_by),
                "--group-by": bool(self.group_by),
            }
            for name in (name for name, is_given in others.items() if is_given):
                yield Problem(name, advice="with --method test everybody is tested: leave it out")
        if self.method == "kfold" and self.test_fraction is not None:
            yield Problem("--test-fraction", advice="with folds, a fold is the test set: --folds 5 tests a fifth")
        if self.method == "ratio" and self.group_by:
            advice = "whole groups cannot make exactly 2 : 1: use --method stratified or kfold"
            yield Problem("--group-by", advice=advice)

    def _contradictions(self) -> Iterator[Problem]:
        if self.keep_test and self.test_fold is not None:
            yield Problem("--test-fold", advice="with --keep-test no fold is tested: say --validation-fold")
        elif self.test_fold is not None and self.test_fold == self.validation_fold:
            yield Problem("--validation-fold", seen=str(self.validation_fold), wanted="another than --test-fold")
        if self.keep_folds and self.folds is not None:
            yield Problem("--keep-folds", advice="the folds stay, so many as there are: leave out --folds")


@dataclass(frozen=True, slots=True)
class Standing:
    """An older split that is kept.

    Attributes:
        sections: The section of people who have one.
        folds: The fold of people who have one.
    """

    sections: Mapping[str, str] = field(default_factory=dict)
    folds: Mapping[str, int] = field(default_factory=dict)
