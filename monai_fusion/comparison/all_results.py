"""All results of a comparison whose runs are finished, and their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai_fusion.comparison.comparison_file import Comparison
from monai_fusion.comparison.covariates import with_covariates
from monai_fusion.comparison.numbers import with_numbers
from monai_fusion.comparison.people import people_of
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.results import compare_runs, out_of_fold_arrays, read_runs, write_results
from monai_fusion.comparison.run_records import RunRecord
from monai_fusion.comparison.sites import with_sites


def write_all_results(plan: Plan, records: Sequence[RunRecord]) -> tuple[Comparison, list[Path]]:
    """Score the variants, plain numbers, covariates and sites, and write the result.

    Args:
        plan: The comparison.
        records: All its runs, finished.

    Returns:
        The result, and the files that were written.

    Raises:
        InputError: The predictions of a run are damaged, or the runs of a fold have different participants.
        OSError: A file cannot be written.
    """
    runs = read_runs(records)
    people = people_of(plan, out_of_fold_arrays(plan, runs))
    found = with_covariates(plan, people, with_numbers(plan, people, compare_runs(plan, runs)))
    found = with_sites(plan, people.data, found)
    return found, write_results(plan, runs, found)
