"""Thumbnails as PNG pictures inside a page."""

from __future__ import annotations

import base64
import io

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image

_GAP = 2  # black pixels between two slices


def mri_strip(slices: npt.NDArray[np.uint8]) -> str:
    """Three slices [3, H, W] side by side, as a ``data:`` address."""
    gap = np.zeros((slices.shape[1], _GAP), np.uint8)
    parts = [part for plane in slices for part in (plane, gap)][:-1]
    return _address(Image.fromarray(np.hstack(parts)))


def mri_slice(slices: npt.NDArray[np.uint8]) -> str:
    """The last, axial one of three slices [3, H, W], as a ``data:`` address."""
    return _address(Image.fromarray(np.ascontiguousarray(slices[-1])))


def scalogram_picture(picture: npt.NDArray[np.uint8]) -> str:
    """A scalogram [F, T] in viridis, readable in grey and for colour-blind readers, as a ``data:`` address."""
    image = Image.fromarray(picture)
    palette = mpl.colormaps["viridis"](np.arange(256), bytes=True)[:, :3]
    image.putpalette(palette.tobytes())
    return _address(image)


def _address(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
