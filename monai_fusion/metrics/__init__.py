"""From predictions to scores with intervals and baselines, without torch.

No module here imports torch or MONAI, so that ``monai-fusion report`` and ``compare`` start fast. What only an
evaluation needs (intervals, permutations, metrics.json) is imported from its module, above all `summary`.
"""

from monai_fusion.metrics.calibration import Calibration, fit_calibration
from monai_fusion.metrics.calibration_file import load_calibration, read_calibration
from monai_fusion.metrics.calibration_writer import CalibrationWriter
from monai_fusion.metrics.coverage import load_prediction_sets
from monai_fusion.metrics.predictions import Prediction, write_predictions
from monai_fusion.metrics.terminal_text import report_text

__all__ = [
    "Calibration",
    "CalibrationWriter",
    "Prediction",
    "fit_calibration",
    "load_calibration",
    "load_prediction_sets",
    "read_calibration",
    "report_text",
    "write_predictions",
]
