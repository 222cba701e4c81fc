"""A synthetic cohort of real files, with a known best possible accuracy: for the demo, the tests and the benchmarks.

Importing it is cheap: torch, nilearn and nibabel are imported when a cohort is written.
"""

from monai_fusion.sample_cohort.options import SampleCohortOptions
from monai_fusion.sample_cohort.write import write_sample_cohort

__all__ = ["SampleCohortOptions", "write_sample_cohort"]
