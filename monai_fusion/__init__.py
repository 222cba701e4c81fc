"""Classify a participant from an EEG scalogram and a structural MRI.

Nothing heavy is imported here: ``monai-fusion datalist check`` must answer before torch could even be loaded.
"""

from pathlib import Path as _Path

__version__ = "0.1.0"

# In a checkout transforms/ is next to this folder and is imported as monai_fusion.transforms; an installation has it
# within. A link would do the same, but Git for Windows and ZIP downloads make text files of links.
_here = _Path(__file__).absolute().parent
if not (_here / "transforms" / "__init__.py").is_file():
    __path__.append(str(_here.parent))
