"""From the network's outputs to one prediction for each participant; handlers and writers for an evaluator.

What only an evaluation needs is imported from its module: `result_writer`, `artifacts`, `model_loader`.
"""

from monai_fusion.evaluation.handlers import ParticipantMetric, PredictionCollector, ReportPrinter
from monai_fusion.evaluation.participant_inferer import ParticipantInferer, segments_at_once

__all__ = ["ParticipantInferer", "ParticipantMetric", "PredictionCollector", "ReportPrinter", "segments_at_once"]
