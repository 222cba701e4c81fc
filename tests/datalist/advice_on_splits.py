"""Splits that cannot be, and what a user does who reads why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.datalist.advice_on_check import changed
from tests.datalist.advice_on_tables import NAME, edited, two_women
from tests.datalist.tried import BUILD, Case, as_printed, doing, edit, leaving_out, nothing, options, typing

KFOLD = "--out o.json --method kfold --folds 3"


def without_test(document: dict[str, Any]) -> None:
    document["training"] += document.pop("test")


def families(document: dict[str, Any]) -> None:
    rows = [row for part in ("training", "validation", "test") for row in document[part]]
    for number, row in enumerate(rows):
        row["family"] = f"f{number % 7}"


def ages(document: dict[str, Any]) -> None:
    """Gives the participants numbers in which the classes hardly differ."""
    for part in ("training", "validation", "test"):
        for number, row in enumerate(document[part]):
            row["age"] = 30 + number


def an_age_in_words(document: dict[str, Any]) -> None:
    ages(document)
    document["training"][0]["age"] = "thirty"


def ages_apart(document: dict[str, Any]) -> None:
    """The classes have one age in common."""
    rows = [row for part in ("training", "validation", "test") for row in document[part]]
    for number, row in enumerate(rows):
        row["age"] = 20 + number if row["label"] == "M" else 80 + number
    next(row for row in rows if row["label"] == "F")["age"] = next(row for row in rows if row["label"] == "M")["age"]


def one_recording(document: dict[str, Any]) -> None:
    document["training"][0]["mri"] = None


def other_id(document: dict[str, Any]) -> None:
    document["training"][0]["participant_id"] = "SUB-01"


def folds_beside_a_test(document: dict[str, Any]) -> None:
    for part in ("training", "validation"):
        for number, row in enumerate(document[part]):
            row["fold"] = number // 2 % 2


def three_of_the_first_tested(document: dict[str, Any]) -> None:
    """Three M and one F in test, and the new one, an M, cannot make that 2 : 1."""
    rows = [row for part in ("training", "validation", "test") for row in document[part]]
    men = [row for row in rows if row["label"] == "M"]
    women = [row for row in rows if row["label"] == "F"]
    document.update(training=[*men[3:5], *women[1:6]], validation=[*men[6:], *women[6:]], test=[*men[:3], women[0]])


def document_as(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    return lambda: changed(change, out=name)


CASES = {
    "--extend, --keep-test, --keep-folds": Case(
        "split families.json --out o.json --method stratified --group-by family --extend right.json",
        document_as("families.json", families),
        leaving_out("--extend"),
    ),
    "put them into one part by hand, or split without what keeps them there ({})": Case(
        "split families.json --out o.json --method stratified --group-by family --extend right.json",
        document_as("families.json", families),
        leaving_out("--extend"),
    ),
    "put the whole group into test, or all of it elsewhere": Case(
        f"split families.json {KFOLD} --keep-test --group-by family",
        document_as("families.json", families),
        doing(
            lambda: changed(
                lambda document: (
                    [row.pop("family") for row in document["test"]] and document["test"][0].update(family="")
                ),
                "families.json",
                "families.json",
            )
        ),
    ),
    "use fewer folds: --folds {}": Case(
        f"{BUILD} --method kfold --folds 9", nothing, as_printed(r"fewer folds: (--folds \d+)", options)
    ),
    "every class needs three or more: one to test, one to choose the epoch, one to train on": Case(
        f"{BUILD} --method kfold --folds 3", two_women, doing(edited("sub-03,M", "sub-03,F"))
    ),
    "the test set is in no fold: use --validation-fold": Case(
        "split right.json --out o.json --method kfold --test-fold 0 --extend folds.json",
        document_as("folds.json", folds_beside_a_test),
        lambda command, _: options(command.replace("--test-fold 0 ", ""), "--validation-fold 0"),
    ),
    "a test set to keep": Case(
        f"split none.json {KFOLD} --keep-test", document_as("none.json", without_test), leaving_out("--keep-test")
    ),
    "no choice of the new ones makes it 2 : 1: use --method stratified": Case(
        "split right.json --out o.json --extend older.json",
        document_as("older.json", three_of_the_first_tested),
        typing("--method stratified"),
    ),
    "{} (--allow-missing splits them too)": Case(
        "split spoilt.json --out o.json --force", lambda: changed(one_recording), typing("--allow-missing")
    ),
    "with --all-folds the validation part is drawn from the folds not tested": Case(
        f"split right.json {KFOLD} --all-folds --validation-fold 1", nothing, leaving_out("--validation-fold")
    ),
    "{} is new, {} no longer here: if they are one participant, write the ids alike": Case(
        "split spoilt.json --out o.json --method stratified --force --extend right.json",
        lambda: changed(other_id),
        doing(lambda: edit("spoilt.json", "SUB-01", "sub-01")),
    ),
    "only with --method kfold": Case(f"{BUILD} --folds 3", nothing, typing("--method kfold")),
    "a file to write, such as {}": Case(
        f"{BUILD} --out eeg",
        nothing,
        as_printed(r"such as (\S+)", lambda command, name: options(command, f"--out {Path(name).as_posix()}")),
    ),
    "choose another --out": Case(f"{BUILD} --out {'x' * 400}.json", nothing, typing("--out short.json")),
    "the label is always balanced: leave it out": Case(
        f"split right.json {KFOLD} --stratify-by label", nothing, leaving_out("--stratify-by")
    ),
    "did_you_mean in datalist/split/resplitting._participants": Case(
        f"split families.json {KFOLD} --group-by famly",
        document_as("families.json", families),
        as_printed(NAME, lambda command, name: options(command, f"--group-by {name}")),
    ),
    "did_you_mean in datalist/split/matching._numbers": Case(
        "split ages.json --out o.json --method stratified --match agee",
        document_as("ages.json", ages),
        as_printed(NAME, lambda command, name: options(command, f"--match {name}")),
    ),
    "the rows have {}, or use head_volume": Case(
        "split ages.json --out o.json --method stratified --match zygosity",
        document_as("ages.json", ages),
        as_printed(r'the rows have "(.+?)"', lambda command, name: options(command, f"--match {name}")),
    ),
    "a number or a range, for --match": Case(
        "split ages.json --out o.json --method stratified --match age",
        document_as("ages.json", an_age_in_words),
        doing(document_as("ages.json", ages)),
    ),
    "--match: {}": Case(
        "split ages.json --out o.json --method stratified --match age",
        document_as("ages.json", ages_apart),
        leaving_out("--match"),
    ),
    "two, because the test set is drawn 2 : 1": Case(
        f"{BUILD} --method ratio --classes M F D",
        edited("sub-03,M", "sub-03,D"),
        typing("--method stratified", "--classes M F", "--label-map D=M"),
    ),
    "use --method stratified": Case(
        f"{BUILD} --method ratio --classes M F D",
        edited("sub-03,M", "sub-03,D"),
        typing("--method stratified"),
    ),
    "use a smaller test or validation fraction": Case(
        f"{BUILD} --validation-fraction 0.95", nothing, typing("--validation-fraction 0.2")
    ),
    "whole groups cannot make exactly 2 : 1: use --method stratified or kfold": Case(
        f"{BUILD} --method ratio --group-by family", nothing, typing("--method stratified")
    ),
    "with --keep-test no fold is tested: use --validation-fold": Case(
        f"split right.json {KFOLD} --keep-test --test-fold 1",
        nothing,
        lambda command, _: options(command.replace(" --test-fold 1", ""), "--validation-fold 1"),
    ),
    "the folds stay, and their number with them: leave out --folds": Case(
        f"split folds.json {KFOLD} --keep-folds", document_as("folds.json", folds_beside_a_test), leaving_out("--folds")
    ),
    "with folds, a fold is the test set: --folds 5 tests a fifth": Case(
        f"{BUILD} --method kfold --test-fraction 0.2",
        nothing,
        lambda command, _: options(command.replace(" --test-fraction 0.2", ""), "--folds 5"),
    ),
    "a fold other than --test-fold": Case(
        f"split right.json {KFOLD} --test-fold 1 --validation-fold 1", nothing, typing("--validation-fold 2")
    ),
}
NO_ADVICE = {
    "{} goes together with the class ({}): {} is {} in {}. A network may learn {} instead, and no split changes that: "
    "look within {}, too.": "what to think of when reading results",
    "leave-{}-out: each of the {} is tested by models that have seen none of its participants": "a name",
    "{} and {} in the test set, {} and {} new": "numbers; the advice stands behind them",
}
