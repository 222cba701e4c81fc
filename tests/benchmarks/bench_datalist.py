"""How long building, splitting and checking a datalist take, for 1,000 and 100,000 participants.

Run ``python tests/benchmarks/bench_datalist.py [PARTICIPANTS ...]``. Every participant has two EEG segments and an MRI,
all of them empty files (300,000 for 100,000 participants), so what is timed is the datalist's own work and the listing
of folders. Times are the best of three for up to 5,000 participants, else of one; seconds of wall clock.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from monai_fusion.datalist import check_datalist, read_datalist
from monai_fusion.datalist.building.build_options import BuildOptions, FolderOptions, OutputOptions, TableOptions
from monai_fusion.datalist.building.new_datalist import build_datalist
from monai_fusion.datalist.saving.replacing import Replacing
from monai_fusion.datalist.split.resplitting import split_datalist
from monai_fusion.datalist.split.split_options import SplitFiles, SplitOptions

AGES = ("20-25", "25-30", "30-35", "60-65", "65-70", "70-75")
STRATIFIED = SplitOptions("stratified", stratify_by=("age", "site"))
KFOLD = SplitOptions("kfold", stratify_by=("age", "site"))
FAMILIES = SplitOptions("kfold", stratify_by=("age", "site"), group_by=("family",))


def make_cohort(root: Path, number: int) -> BuildOptions:
    """Empty recordings and a participants table."""
    draw = random.Random(0)
    for folder in ("eeg", "mri"):
        (root / folder).mkdir()
    lines = ["participant_id\tgender\tage\tsite\tfamily"]
    for index in range(number):
        name = f"sub-{index:06d}"
        for path in (f"eeg/{name}_EO_seg0.npy", f"eeg/{name}_EO_seg1.npy", f"mri/{name}_T1w.nii.gz"):
            (root / path).touch()
        lines.append(
            f"{name}\t{draw.choice('MMF')}\t{draw.choice(AGES)}\t{draw.choice('ABC')}\tf{draw.randrange(number)}"
        )
    (root / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return BuildOptions(
        folders=FolderOptions((root / "eeg",), (root / "mri",)),
        table=TableOptions(root / "participants.tsv", columns=("age", "site", "family")),
        output=OutputOptions(root / "list.json", force=True),
    )


def measured(root: Path, number: int) -> dict[str, float]:
    """Seconds by task."""
    options = make_cohort(root, number)
    out = options.output.out

    def splitting(how: SplitOptions) -> Callable[[], object]:
        return lambda: split_datalist(out, SplitFiles(root / "other.json", Replacing(force=True)), how)

    tasks: dict[str, Callable[[], object]] = {
        "build, ratio 2 : 1": lambda: build_datalist(options),
        "build, stratified by age and site": lambda: build_datalist(replace(options, split=STRATIFIED)),
        "split, stratified by age and site": splitting(STRATIFIED),
        "split, 5 folds by age and site": splitting(KFOLD),
        "split, 5 folds, families together": splitting(FAMILIES),
        "check": lambda: check_datalist(out),
        "read for training": lambda: read_datalist(out),
    }
    return {name: min(_seconds(task) for _ in range(3 if number <= 5000 else 1)) for name, task in tasks.items()}


def _seconds(task: Callable[[], object]) -> float:
    begin = time.perf_counter()
    task()
    return time.perf_counter() - begin


def main(numbers: list[int]) -> None:
    """Measure and print the table."""
    columns = {}
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            columns[number] = measured(Path(folder), number)
    table = Table("seconds", *(f"{number:,} participants" for number in numbers))
    for column in table.columns[1:]:
        column.justify = "right"
    for task in columns[numbers[0]]:
        table.add_row(task, *(f"{columns[number][task]:.3f}" for number in numbers))
    Console().print(table)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1_000, 100_000])
