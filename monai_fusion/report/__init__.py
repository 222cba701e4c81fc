"""``report.html`` and ``predictions.html``: self-contained pages from the files of an evaluation or inference."""

from monai_fusion.report.page import write_report
from monai_fusion.report.prediction_page import write_pages, write_predictions_page
from monai_fusion.report.predictions_data import write_predictions_data
from monai_fusion.report.report_data import write_report_data

__all__ = ["write_pages", "write_predictions_data", "write_predictions_page", "write_report", "write_report_data"]
