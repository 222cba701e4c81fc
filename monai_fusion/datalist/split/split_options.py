"""How a cohort is to be split: the options, and what of them goes together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from monai_fusion.datalist.saving.replacing import Replacing
from monai_fusion.datalist.split.ratio import SEED, TEST_FRACTION, VALIDATION_FRACTION
from monai_fusion.errors import InputError, Problem
from monai_fusion.options.declared import Option
from monai_fusion.wording import one_of, quoted

METHODS = ("ratio", "stratified", "kfold", "test")
FOLDS = 5
RATIO_CLASSES = ("M", "F")
"""Only these are split by ``ratio`` without being asked to."""

# Options that `datalist build` and `datalist split` have in common besides those of the split itself.
Extend = Annotated[
    Path | None,
    Option(
        "An older datalist: its participants stay where they are; only new ones are distributed.",
        metavar="OLD",
        section="Split",
    ),
]
AllFolds = Annotated[bool, Option("Write one file for each fold, for kfold: OUT_fold0.json tests fold 0 and so on.")]
Force = Annotated[bool, Option("Replace an existing file; the old one is kept as FILE.1.bak, .2.bak.")]


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How a cohort is split."""

    method: Annotated[
        str | None,
        Option(
            "ratio: the test set holds two of the first class for one of the second. stratified: every part has its "
            "share of every class. kfold: each participant is in one of k folds (field fold). test: all are "
            "tested, with a model that has been trained already.",
            metavar="|".join(METHODS),
            shown_default="ratio for the classes M and F, otherwise stratified",
        ),
    ] = None
    test_fraction: Annotated[
        float | None,
        Option("Approximate fraction of the participants to test; not with kfold.", shown_default=str(TEST_FRACTION)),
    ] = None
    validation_fraction: Annotated[
        float,
        Option("Fraction of the other participants of each class that chooses the best epoch; 0: --keep_epoch last."),
    ] = VALIDATION_FRACTION
    seed: Annotated[int, Option("Random seed of the split.")] = SEED
    stratify_by: Annotated[
        tuple[str, ...],
        Option("Columns to balance besides the class, each alone and all together.", metavar="age site"),
    ] = ()
    group_by: Annotated[
        tuple[str, ...],
        Option(
            "Columns whose groups stay together in one part, such as family; with kfold, site leaves whole sites out.",
            metavar="family",
        ),
    ] = ()
    folds: Annotated[int | None, Option("Number of folds, for kfold.", shown_default=str(FOLDS))] = None
    test_fold: Annotated[
        int | None, Option("The fold that this file tests, for kfold; the first is 0.", shown_default="0")
    ] = None
    validation_fold: Annotated[
        int | None,
        Option("The fold that chooses the best epoch, for kfold; by default, a part of the folds not tested."),
    ] = None
    # The two that keep something need a split that is there: `datalist build` has none.
    keep_test: Annotated[bool, Option("Keep the test set of FILE and make folds of the others, for kfold.")] = False
    keep_folds: Annotated[bool, Option("Keep the folds of FILE: choose only which one is tested, for kfold.")] = False
    allow_missing: Annotated[
        bool,
        Option(
            "Also split participants with one recording; every part gets its share. Training uses them only with "
            "--allow_missing true."
        ),
    ] = False
    match: Annotated[
        tuple[str, ...],
        Option(
            "Pair the two classes by these numbers within 0.2 standard deviations, and exclude those without a "
            "partner; head_volume is computed from the MRIs.",
            metavar="age head_volume",
        ),
    ] = ()

    @property
    def matched_by(self) -> tuple[str, ...]:
        """The covariates of ``match``, which may be given as ``age,tiv`` too."""
        return tuple(dict.fromkeys(name for each in self.match for name in each.split(",") if name))

    def for_classes(self, classes: Sequence[str]) -> SplitOptions:
        """The same options with a method: without one, ``ratio`` for the classes M and F, otherwise ``stratified``.

        A test set of two to one is right for the task it was made for. In other cohorts it moves the class shares of
        the training part to the other side. Groups that stay together cannot make exactly two to one either.
        """
        if self.method is not None:
            return self
        return replace(self, method="ratio" if tuple(classes) == RATIO_CLASSES and not self.group_by else "stratified")

    def refuse_what_does_not_go_together(self) -> None:
        """Refuse options that contradict each other, before anything is read.

        Raises:
            InputError: An option does not belong to the method, or contradicts another one.
        """
        if self.method is not None and self.method not in METHODS:
            raise InputError(Problem("--method", seen=quoted(self.method), wanted=one_of(METHODS)))
        problems = [*self._impossible_numbers(), *self._of_another_method(), *self._contradictions()]
        if problems:
            raise InputError(problems)

    @property
    def may_be_empty(self) -> tuple[str, ...]:
        """The parts that need no participants."""
        return () if self.validation_fraction else ("validation",)

    def _impossible_numbers(self) -> Iterator[Problem]:
        fractions = {"--test-fraction": self.test_fraction, "--validation-fraction": self.validation_fraction}
        for name, fraction in fractions.items():
            if fraction is not None and not 0 < fraction < 1 and (fraction, name) != (0, "--validation-fraction"):
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
                yield Problem(name, advice="only with --method kfold")
        if self.method == "test":
            others = {
                "--test-fraction": self.test_fraction is not None,
                "--validation-fraction": self.validation_fraction != VALIDATION_FRACTION,
                "--stratify-by": bool(self.stratify_by),
                "--group-by": bool(self.group_by),
            }
            for name in (name for name, is_given in others.items() if is_given):
                yield Problem(name, advice="--method test tests all participants: leave it out")
        if self.method == "kfold" and self.test_fraction is not None:
            yield Problem("--test-fraction", advice="with folds, a fold is the test set: --folds 5 tests a fifth")
        if self.method == "ratio" and self.group_by:
            advice = "whole groups cannot make exactly 2 : 1: use --method stratified or kfold"
            yield Problem("--group-by", advice=advice)

    def _contradictions(self) -> Iterator[Problem]:
        if self.keep_test and self.test_fold is not None:
            yield Problem("--test-fold", advice="with --keep-test no fold is tested: use --validation-fold")
        elif self.test_fold is not None and self.test_fold == self.validation_fold:
            yield Problem("--validation-fold", seen=str(self.validation_fold), wanted="a fold other than --test-fold")
        if self.keep_folds and self.folds is not None:
            yield Problem("--keep-folds", advice="the folds stay, and their number with them: leave out --folds")


@dataclass(frozen=True, slots=True)
class ResplitOutput:
    """What ``datalist split`` writes."""

    out: Annotated[Path | None, Option("The datalist to write.", shown_default="FILE itself, with --force")] = None
    extend: Extend = None
    all_folds: AllFolds = False
    force: Force = False


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """Where a split is written.

    Attributes:
        out: The datalist to write.
        replacing: What may be done to files that are there.
        all_folds: Write a file for each fold that is tested (or validates, if the test set is kept) instead of one:
            ``gender_fold0.json`` and so on in the folder of ``out``.
    """

    out: Path
    replacing: Replacing = field(default_factory=Replacing)
    all_folds: bool = False

    def paths(self, folds: int) -> tuple[Path, ...]:
        """The files for this number of folds."""
        return (
            tuple(self.out.with_stem(f"{self.out.stem}_fold{i}") for i in range(folds))
            if self.all_folds
            else (self.out,)
        )


@dataclass(frozen=True, slots=True)
class KeptSplit:
    """An older split that is kept.

    Attributes:
        sections: The section of participants who have one.
        folds: The fold of participants who have one.
    """

    sections: Mapping[str, str] = field(default_factory=dict)
    folds: Mapping[str, int] = field(default_factory=dict)
