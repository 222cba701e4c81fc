"""What a trained model looked at: which recording, electrodes, frequencies, voxels; and whether to believe a map.

A method computes the arrays of one participant; the run keeps them in the explanation folder, one file for each method
and participant, so that a stopped run goes on. Tables, NIfTI files, group results and figures are derived from these
files.
"""

from monai_fusion.explain.explanation import Explanation
from monai_fusion.explain.settings import read_settings
from monai_fusion.explain.subject import ExplainedModel, ExplainedPart

__all__ = ["ExplainedModel", "ExplainedPart", "Explanation", "read_settings"]
