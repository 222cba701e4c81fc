"""Classify a participant from an EEG scalogram and a structural MRI.

Nothing heavy is imported here: ``monai-fusion datalist check`` must answer before torch could even be loaded.
"""

__version__ = "0.1.0"
