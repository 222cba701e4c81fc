"""The formats of an export, and the place where one is written; light, because the command line reads it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.errors import InputError, Problem
from monai_fusion.run_folder import EXPORTS_FOLDER
from monai_fusion.wording import did_you_mean


@dataclass(frozen=True)
class Format:
    """A format of an export.

    Attributes:
        name: Of the file or folder, unless the user names another.
        purpose: Who uses it, for the last lines of an export.
    """

    name: str
    purpose: str


FORMATS = {
    "onnx": Format("model.onnx", "outputs logits, probabilities, gate; a MODEL of `monai-fusion predict`, too"),
    "torch-export": Format("model.pt2", "torch.export.load reads it: only a file that you trust"),
    "bundle": Format("bundle.zip", "its README.md has the command that predicts with it"),
    "hub": Format("hub", "ready for an upload, which is yours to make; a MODEL of `monai-fusion predict`, too"),
}
_HUB_FILES = frozenset(
    (
        *("model.safetensors", "config.json", "README.md", "LICENSE"),
        *("recipe.json", "calibration.json", "manifest.json", "own_test.json", "cohort_profile.json"),
    )
)


@dataclass(frozen=True)
class Destination:
    """Where an export is written.

    Attributes:
        format: A name of :data:`FORMATS`.
        path: The file or folder.
        replace: Whether what is there may be replaced.
    """

    format: str
    path: Path
    replace: bool = False

    def check(self) -> None:
        """See that the place is free, or may be replaced.

        Raises:
            InputError: It is not, or has another kind of name.
        """
        ending = Path(FORMATS[self.format].name).suffix
        if self.path.suffix.lower() != ending and ending:
            wanted = f"a name that ends in {ending}"
            raise InputError(
                Problem(
                    "--out", seen=str(self.path), wanted=wanted, advice=f"that is what --format {self.format} writes"
                )
            )
        if not self.path.exists():
            return
        if self.path.is_dir() == bool(ending):
            raise InputError(
                Problem(
                    "--out",
                    seen=f"{self.path} is a {'folder' if ending else 'file'}",
                    wanted=f"a {'file' if ending else 'folder'}",
                )
            )
        if not self.replace:
            raise InputError(
                Problem("--out", seen=f"{self.path} already exists", advice="choose another, or add --force")
            )
        if others := [each.name for each in self.path.iterdir() if each.name not in _HUB_FILES] if not ending else []:
            seen = f"{self.path} holds other files, such as {min(others)}"
            raise InputError(
                Problem("--out", seen=seen, wanted="a folder of an earlier export", advice="choose another")
            )

    def put(self, finished: Path) -> None:
        """Move what was written to its place; what was there is replaced at the last moment.

        Raises:
            InputError: It cannot be moved there, or something is there that was not before.
        """
        self.check()
        try:
            if finished.is_dir() and self.path.exists():
                earlier = finished.with_name("earlier")
                self.path.replace(earlier)
                finished.replace(self.path)
                shutil.rmtree(earlier, ignore_errors=True)
            else:
                finished.replace(self.path)
        except OSError as error:
            raise InputError(
                Problem("--out", seen=f"{self.path}: {error.strerror}", wanted="a place to write to")
            ) from None


def destination_of(folder: Path, format_: str, out: Path | None, force: bool) -> Destination:
    """Where an export goes.

    Args:
        folder: The run folder.
        format_: As given on the command line.
        out: As given on the command line; None for a place in the run folder.
        force: Whether it may replace what is there.

    Raises:
        InputError: The format is unknown, or the place is taken.
    """
    known = format_.strip().lower().replace("_", "-")
    if known not in FORMATS:
        advice = did_you_mean(known, FORMATS, str)
        raise InputError(Problem("--format", seen=repr(format_), wanted=f"one of {', '.join(FORMATS)}", advice=advice))
    destination = Destination(known, out if out is not None else folder / EXPORTS_FOLDER / FORMATS[known].name, force)
    destination.check()
    return destination
