"""``report.html`` and ``predictions.html``: self-contained pages about an evaluation or inference, from its files."""

from monai_fusion.report.context import write_context
from monai_fusion.report.page import write_report
from monai_fusion.report.prediction_context import write_prediction_context
from monai_fusion.report.prediction_page import write_pages, write_predictions_page

__all__ = ["write_context", "write_pages", "write_prediction_context", "write_predictions_page", "write_report"]
