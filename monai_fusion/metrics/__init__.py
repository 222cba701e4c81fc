"""From predictions of participants to scores with intervals and baselines, with numpy alone.

Nothing here imports torch or MONAI, so that ``monai-fusion report`` and ``compare`` do not wait for them.
"""

from monai_fusion.metrics.calibration import Calibration, fit_calibration
from monai_fusion.metrics.calibration_file import CalibrationWriter, load_calibration, read_calibration
from monai_fusion.metrics.predictions import Prediction, write_predictions
from monai_fusion.metrics.summary import Settings, summarize
from monai_fusion.metrics.text import report_text

__all__ = [
    "Calibration",
    "CalibrationWriter",
    "Prediction",
    "Settings",
    "fit_calibration",
    "load_calibration",
    "read_calibration",
    "report_text",
    "summarize",
    "write_predictions",
]
