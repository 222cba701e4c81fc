"""``report.html``: one self-contained page about an evaluation, made from the files in its folder."""

from monai_fusion.report.context import write_context
from monai_fusion.report.page import write_report

__all__ = ["write_context", "write_report"]
