"""What tests of the sample cohort share."""

import csv

from monai_fusion.sample_cohort import SampleCohortOptions

TINY = SampleCohortOptions(participants=4, segments_per_condition=1, conditions=("EO",))


def table_of(folder):
    with (folder / "participants.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
