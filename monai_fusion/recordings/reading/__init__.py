"""From the file of a raw recording to a `Recording`: one module for each format, and what lies beside the file."""

from monai_fusion.recordings.reading.opened import ENDINGS, open_recording

__all__ = ["ENDINGS", "open_recording"]
