"""How to cite the program, as BibTeX; the same as CITATION.cff, which an installed package does not have."""

from __future__ import annotations

from monai_fusion import __version__

TITLE = "monai-fusion: classification of a person from an EEG scalogram and a structural MRI"
AUTHOR = "The monai-fusion founders"
LICENCE = "Apache-2.0"


def bibtex_of(version: object, commit: str) -> str:
    """Return the entry of the program that trained a run.

    Args:
        version: The version in the manifest; this program's without one.
        commit: The commit, if it is known.
    """
    note = f"{LICENCE}{f', commit {commit}' if commit else ''}"
    number = version if isinstance(version, str) and version.replace(".", "").isalnum() else __version__
    lines = (
        "@software{monai_fusion,",
        f"  title = {{{{{TITLE}}}}},",
        f"  author = {{{{{AUTHOR}}}}},",
        f"  version = {{{number}}},",
        f"  note = {{{note}}}",
        "}",
    )
    return "\n".join(lines) + "\n"
