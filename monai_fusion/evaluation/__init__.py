"""From the network's outputs to one prediction a participant, and to scores over participants.

Names are imported when they are first asked for, so that `monai-fusion report` does not wait for torch and monai.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_fusion.on_demand import names_on_demand

if TYPE_CHECKING:
    from monai_fusion.evaluation.calibration import Calibration, fit_calibration
    from monai_fusion.evaluation.calibration_file import CalibrationWriter, load_calibration, read_calibration
    from monai_fusion.evaluation.evidence import EmbeddingWriter, ThumbnailWriter
    from monai_fusion.evaluation.handlers import ParticipantMetric, PredictionCollector, ReportPrinter, ResultWriter
    from monai_fusion.evaluation.inferer import ParticipantInferer
    from monai_fusion.evaluation.model_loader import ModelLoader, read_model
    from monai_fusion.evaluation.predictions import Prediction, write_predictions
    from monai_fusion.evaluation.summary import Settings, summarize
    from monai_fusion.evaluation.text import report_text

_MODULES = {
    "Calibration": "calibration",
    "CalibrationWriter": "calibration_file",
    "EmbeddingWriter": "evidence",
    "ModelLoader": "model_loader",
    "ParticipantInferer": "inferer",
    "ParticipantMetric": "handlers",
    "Prediction": "predictions",
    "PredictionCollector": "handlers",
    "ReportPrinter": "handlers",
    "ResultWriter": "handlers",
    "Settings": "summary",
    "ThumbnailWriter": "evidence",
    "fit_calibration": "calibration",
    "load_calibration": "calibration_file",
    "read_calibration": "calibration_file",
    "read_model": "model_loader",
    "report_text": "text",
    "summarize": "summary",
    "write_predictions": "predictions",
}

__all__ = [
    "Calibration",
    "CalibrationWriter",
    "EmbeddingWriter",
    "ModelLoader",
    "ParticipantInferer",
    "ParticipantMetric",
    "Prediction",
    "PredictionCollector",
    "ReportPrinter",
    "ResultWriter",
    "Settings",
    "ThumbnailWriter",
    "fit_calibration",
    "load_calibration",
    "read_calibration",
    "read_model",
    "report_text",
    "summarize",
    "write_predictions",
]

__getattr__ = names_on_demand(__name__, _MODULES)
