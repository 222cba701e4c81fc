"""A synthetic cohort of real files, with a known best possible accuracy: for the demo, the tests and the benchmarks.

Importing it is cheap, because the command line reads the options. `write_sample_cohort` is in `write`.
"""

from monai_fusion.sample_cohort.options import SampleCohortOptions

__all__ = ["SampleCohortOptions"]
