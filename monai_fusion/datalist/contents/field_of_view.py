"""Whether the field of view of the MRIs goes with the label or the site.

Every MRI is resized to one cube. Where the field of view differs, the same head comes out larger or smaller; if it
differs between the classes, a network can distinguish them by that alone.

How it is decided: for the three axes, the share of the variance of the field of view that the groups explain (eta
squared) is computed; the largest of the three is compared with those of 999 random assignments of the participants to
the groups. There is a warning if at most 1 % of these reach it (p <= 0.01), and if the means of two groups differ by
1 % or more along that axis. Groups of one participant are not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from monai_fusion.datalist.contents.geometry import AXES
from monai_fusion.datalist.reporting import Finding
from monai_fusion.datalist.validation import Row
from monai_fusion.wording import a_few, counted

SITE_FIELDS = ("site", "scanner")
PERMUTATIONS, SIGNIFICANT, NOTICEABLE = 999, 0.01, 0.01

FieldOfView = tuple[float, float, float]


def varying_fields_of_view(measured: Sequence[tuple[Row, FieldOfView]]) -> Iterator[Finding]:
    """A warning for the label, and for each of `SITE_FIELDS`, that the field of view goes with.

    Args:
        measured: The rows with an MRI, and its extent along left-right, back-front and down-up in mm.
    """
    lengths = np.array([field_of_view for _, field_of_view in measured], dtype=float).reshape(-1, 3)
    for field in ("label", *SITE_FIELDS):
        groups = [_group(row, field) for row, _ in measured]
        if seen := describe_difference(lengths, groups, field):
            advice = (
                "resizing to one cube then changes the size of heads with it: crop or pad all MRIs to one field of view"
            )
            yield Finding("", seen=seen, advice=advice, group="contents", warning=True)


def describe_difference(lengths: np.ndarray, groups: Sequence[str | None], field: str) -> str:
    """What differs between the groups more than chance allows; empty if nothing does.

    Args:
        lengths: ``[participant, 3]``, in mm.
        groups: Each participant's group; ``None`` is left out.
        field: What the groups are called.
    """
    sizes = Counter(group for group in groups if group is not None)
    names = [name for name, size in sizes.items() if size > 1]
    kept = [index for index, group in enumerate(groups) if group in names]
    if len(names) < 2:
        return ""
    lengths, codes = lengths[kept], np.array([names.index(str(groups[index])) for index in kept])
    explained = _explained(lengths, codes, len(names))
    axis = int(explained.argmax())
    means = np.array([lengths[codes == code, axis].mean() for code in range(len(names))])
    if explained[axis] == 0 or np.ptp(means) < NOTICEABLE * lengths[:, axis].mean():
        return ""
    random = np.random.default_rng(0)  # the same verdict every time
    reached = sum(
        _explained(lengths, random.permutation(codes), len(names)).max() >= explained[axis] - 1e-12
        for _ in range(PERMUTATIONS)
    )
    p = (reached + 1) / (PERMUTATIONS + 1)
    if p > SIGNIFICANT:
        return ""
    ranges = [
        f"{means[code]:.0f} mm for {name} ({counted(sizes[name], 'participant')})" for code, name in enumerate(names)
    ]
    return f"the MRIs' field of view differs with {field}: {AXES[axis]} {a_few(ranges, 4)}, p = {p:.3f}"


def _explained(lengths: np.ndarray, codes: np.ndarray, groups: int) -> np.ndarray:
    """Eta squared along each axis: variance between the groups over all variance; 0 where there is none."""
    sizes = np.bincount(codes, minlength=groups)
    deviations = lengths - lengths.mean(axis=0)
    total = (deviations**2).sum(axis=0)
    sums = np.stack([np.bincount(codes, deviations[:, axis], groups) for axis in range(3)], axis=1)
    between = (sums**2 / sizes[:, np.newaxis]).sum(axis=0)
    noise = 1e-9 * (lengths**2).sum(axis=0)  # equal but for rounding
    return np.where(total > noise, between / np.maximum(total, 1e-300), 0.0)


def _group(row: Row, field: str) -> str | None:
    value = row.entry.label if field == "label" else row.entry.further.get(field)
    return None if value is None or isinstance(value, list | dict) else str(value)
