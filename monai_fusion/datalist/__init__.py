"""The datalist: the one file that you edit by hand, read, checked, split and built.

Nothing here imports torch or MONAI: ``monai-fusion datalist check`` answers in under half a second. Building and
splitting are in `building` and `split`, imported where they are needed.
"""

from monai_fusion.datalist.availability import AVAILABLE_MODALITIES, AvailableModalities, ModalityPolicy
from monai_fusion.datalist.examination import check_datalist, everyone_in, read_datalist
from monai_fusion.datalist.records import Datalist, ParticipantRecord
from monai_fusion.datalist.reporting import DatalistError
from monai_fusion.datalist.schema import SECTIONS, datalist_json_schema

__all__ = [
    "AVAILABLE_MODALITIES",
    "SECTIONS",
    "AvailableModalities",
    "Datalist",
    "DatalistError",
    "ModalityPolicy",
    "ParticipantRecord",
    "check_datalist",
    "datalist_json_schema",
    "everyone_in",
    "read_datalist",
]
