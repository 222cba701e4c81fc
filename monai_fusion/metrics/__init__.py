"""From predictions to scores with intervals and baselines, without torch.

No module here imports torch or MONAI, so that ``monai-fusion report`` and ``compare`` start fast.
"""

from monai_fusion.metrics.calibration import Calibration, fit_calibration
from monai_fusion.metrics.calibration_file import CalibrationWriter, load_calibration, read_calibration
from monai_fusion.metrics.predictions import Prediction, write_predictions
from monai_fusion.metrics.summary import ScoringSettings, summarize
from monai_fusion.metrics.terminal_text import report_text

__all__ = [
    "Calibration",
    "CalibrationWriter",
    "Prediction",
    "ScoringSettings",
    "fit_calibration",
    "load_calibration",
    "read_calibration",
    "report_text",
    "summarize",
    "write_predictions",
]
