"""The signals of a sample cohort: in the files as described, and nowhere else."""

from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.recordings.morlet import row_frequencies
from monai_fusion.sample_cohort import SampleCohortOptions
from monai_fusion.sample_cohort.participant import describe, log_head_size
from monai_fusion.sample_cohort.scalograms import (
    BETA_ELECTRODES,
    FRONTAL_ELECTRODES,
    _beta,
    beta_region,
    render_scalogram,
)
from monai_fusion.sample_cohort.volumes import as_nifti, local_region, render_mri, template
from monai_fusion.sample_cohort.write import write_sample_cohort
from tests.sample_cohorts import TINY, table_of

Readouts = namedtuple("Readouts", "eeg_raw eeg_z mri_volume mri_cube mri_local")


def readouts_of(folder, participant_id):
    """What a reader without any training sees of both scores, in the files and after the project's preprocessing."""
    hertz = row_frequencies()
    beta = (hertz > 15) & (hertz < 26)
    on_target = np.isin(ELECTRODES_1020_17, ["C3", "Cz", "C4", "P3", "Pz", "P4"])
    raw, z = [], []
    for path in sorted((folder / "eeg").glob(f"{participant_id}_*")):
        image = np.load(path)
        level = np.log(image[beta].mean(axis=(0, 1)))
        raw.append(level[on_target].mean() - level[~on_target].mean())
        z.append(((image - image.mean((0, 1))) / image.std((0, 1)))[beta][:, :, on_target].mean())
    volume = np.asarray(nib.load(folder / "mri" / f"{participant_id}_T1w.nii.gz").dataobj, np.float32)
    low, high = np.percentile(volume, [1, 99])
    cube = zoom(np.clip((volume - low) / (high - low), 0, 1), [48 / n for n in volume.shape], order=1)[8:40]
    head = np.argwhere(cube > 0.2)
    x, y, k = (head.min(axis=0) + head.max(axis=0)) // 2
    local = cube[x - 3 : x + 4, y - 2 : y + 4, k - 2 : k + 4].mean() - cube[cube > 0.2].mean()
    return Readouts(np.mean(raw), np.mean(z), -np.log((volume > 0).sum()), -np.log(len(head)), local)


def within_class(readout, score, female):
    """The correlation of what is left of both after each class's mean is taken off."""
    left = [v - np.where(female, v[female].mean(), v[~female].mean()) for v in (readout, score)]
    return np.corrcoef(*left)[0, 1]


def test_simple_readouts_recover_both_scores_from_the_files_and_after_preprocessing(tmp_path):
    options = SampleCohortOptions(participants=40, segments_per_condition=1, conditions=("EO",))
    cohort = write_sample_cohort(tmp_path, options, progress=False)
    seen = Readouts(*np.array([readouts_of(tmp_path, i) for i in cohort["latent_scores"]]).T)
    female = np.array([row["gender"] == "F" for row in table_of(tmp_path)])
    for name, readout in seen._asdict().items():
        score = np.array([scores[name[:3]] for scores in cohort["latent_scores"].values()])
        overall = np.corrcoef(readout, score)[0, 1]
        within = within_class(readout, score, female)
        print(f"{name}: r = {overall:.3f}, within class {within:.3f}")
        assert overall > 0.9, name
        assert within > (0.7 if name == "mri_local" else 0.85), name


Blind = namedtuple("Blind", "eeg_raw eeg_z mri_mean mri_inside mri_spread mri_head eeg_place mri_place")
HIDDEN = SampleCohortOptions(
    participants=60, segments_per_condition=1, conditions=("EO",), eeg_signal="topography", mri_signal="local"
)


def hidden_readouts_of(folder, participant_id):
    """Means over all electrodes and over the head, which should see nothing, and two that know the place."""
    beta = (row_frequencies() > 15) & (row_frequencies() < 26)
    image = np.load(next((folder / "eeg").glob(f"{participant_id}_*")))
    z = ((image - image.mean((0, 1))) / image.std((0, 1)))[beta].mean((0, 1))
    front, back = (np.isin(ELECTRODES_1020_17, names) for names in (FRONTAL_ELECTRODES, BETA_ELECTRODES))
    volume = np.asarray(nib.load(folder / "mri" / f"{participant_id}_T1w.nii.gz").dataobj, np.float32)
    low, high = np.percentile(volume, [1, 99])
    cube = zoom(np.clip((volume - low) / (high - low), 0, 1), [48 / n for n in volume.shape], order=1)[8:40]
    inside = cube[cube > 0.2]
    head = np.argwhere(cube > 0.2)
    x, y, k = (head.min(axis=0) + head.max(axis=0)) // 2
    place = cube[x - 3 : x + 4, y - 2 : y + 4, k - 2 : k + 4].mean() - inside.mean()
    means = image[beta].mean(), z.mean(), cube.mean(), inside.mean(), inside.std(), len(head)
    return Blind(*means, z[back].mean() - z[front].mean(), place)


def test_a_hidden_signal_shows_in_its_place_and_in_no_mean(tmp_path):
    cohort = write_sample_cohort(tmp_path, HIDDEN, progress=False)
    seen = Blind(*np.array([hidden_readouts_of(tmp_path, i) for i in cohort["latent_scores"]]).T)
    female = np.array([row["gender"] == "F" for row in table_of(tmp_path)])
    for name, readout in seen._asdict().items():
        score = np.array([scores[name[:3]] for scores in cohort["latent_scores"].values()])
        within = within_class(readout, score, female)
        print(f"{name}: within class r = {within:.3f}")
        if name.endswith("place"):
            assert within > 0.85, name
        else:
            assert abs(within) < 0.4, name  # 0.25 is two standard errors of no correlation, with 60


def test_frontal_electrodes_lose_the_power_that_central_ones_gain():
    scores = np.linspace(-4, 4, 9)
    power = np.array([_beta(score, "topography")[1] ** 2 for score in scores])
    np.testing.assert_allclose(power.sum(axis=1), power[0].sum())
    fz, cz, o1 = (power[:, ELECTRODES_1020_17.index(name)] for name in ("Fz", "Cz", "O1"))
    assert (np.diff(cz) > 0).all()
    assert (np.diff(fz) < 0).all()
    assert np.ptp(o1) == 0


def test_the_local_contrast_takes_from_around_what_it_gives_and_the_head_size_is_by_chance():
    average = template("small")
    assert float((average.image * average.local).sum()) == pytest.approx(0, abs=0.1)
    assert float((average.image * average.blob).sum()) > 1000
    several = [describe(index, replace(HIDDEN, participants=2000)) for index in range(2000)]
    sizes = np.array([log_head_size(p, HIDDEN) for p in several])
    assert sizes.std() == pytest.approx(0.03, rel=0.05)
    assert abs(np.corrcoef(sizes, [p.mri_score for p in several])[0, 1]) < 0.06
    by_score = [log_head_size(p, replace(HIDDEN, mri_signal="size")) for p in several]
    np.testing.assert_allclose(by_score, [-0.03 * p.mri_score for p in several])


def test_with_size_alone_nothing_but_the_head_differs():
    options = replace(TINY, mri_signal="size")
    volumes = [render_mri(replace(describe(0, TINY), mri_score=score), options) for score in (-1.0, 1.0)]
    assert (volumes[0] > 0).sum() > 1.15 * (volumes[1] > 0).sum()  # exp(3 * 0.03 * 2) = 1.20
    middle = [volume[30:40, 45:55, 48:58].mean() for volume in volumes]
    assert middle[1] == pytest.approx(middle[0], rel=0.05)  # the deep grey's contrast would be 20 %


@pytest.mark.parametrize(("signal", "size"), [("local", "small"), ("local", "full"), ("both", "small")])
def test_the_description_says_where_the_mri_differs(signal, size):
    options = replace(HIDDEN, mri_signal=signal, size=size)
    participant = describe(3, options)
    region = local_region([participant], options)["participants"][participant.participant_id]
    if signal == "both":  # the head's size would change too: compare with the same size and no contrast
        low, high = (render_mri(participant, replace(options, mri_signal=each)) for each in ("size", "both"))
    else:
        low, high = (render_mri(replace(participant, mri_score=score), options) for score in (-1.0, 1.0))
    millimetres = {"small": 2.5, "full": 1.0}[size]
    # Each voxel has noise of its own: smoothed with a standard deviation of 5 mm, the place alone is left.
    change = gaussian_filter(high - low, 5 / millimetres)
    peak = np.where(np.abs(change) > np.abs(change).max() / 2, np.abs(change), 0)
    centre = [float((peak * along).sum() / peak.sum()) for along in np.indices(peak.shape, np.float32)]
    assert np.linalg.norm((np.array(centre) - region["centre_voxel"]) * millimetres) < 6  # the brain is deformed by 2.5
    affine = as_nifti(low, participant, options).affine
    np.testing.assert_allclose(nib.affines.apply_affine(affine, region["centre_voxel"]), region["centre_mm"], atol=0.03)


def test_the_description_says_which_electrodes_and_rows_differ():
    options = replace(HIDDEN, participants=1)
    region = beta_region(options)
    low, high = (render_scalogram(replace(describe(0, options), eeg_score=s), options, "EO", 0) for s in (-2.0, 2.0))
    level = [image.mean(axis=1) for image in (low, high)]  # [row, electrode]
    first, last = region["rows"]
    change = level[1] / level[0]
    assert (change[first : last + 1, region["rising_planes"]].mean(axis=0) > 1.2).all()
    assert (change[first : last + 1, region["falling_planes"]].mean(axis=0) < 0.8).all()
    assert [ELECTRODES_1020_17[plane] for plane in region["falling_planes"]] == region["falling"]
    low_rows = change[60:, region["rising_planes"]]  # below 6 Hz
    assert np.abs(low_rows - 1).max() < 0.1


def test_an_age_in_years_correlates_with_the_class_as_asked_and_with_nothing_else():
    options = SampleCohortOptions(participants=4000, confound="age=0.5")
    several = [describe(index, options) for index in range(4000)]
    female = np.array([p.gender == "F" for p in several])
    years = np.array([int(p.age) for p in several])
    assert np.corrcoef(years, female)[0, 1] == pytest.approx(0.5, abs=0.04)
    assert 18 <= years.min() < years.max() <= 90
    for name in ("eeg_score", "mri_score"):
        score = np.array([getattr(p, name) for p in several])
        assert abs(within_class(years, score, female)) < 0.05, name
    other = describe(7, replace(options, confound=""))
    assert replace(several[7], age=other.age) == other


def test_alpha_is_stronger_with_eyes_closed(tmp_path):
    write_sample_cohort(
        tmp_path, SampleCohortOptions(participants=3, only_eeg=3, segments_per_condition=1), progress=False
    )
    alpha = (row_frequencies() > 8) & (row_frequencies() < 12)
    o1 = ELECTRODES_1020_17.index("O1")
    for path in (tmp_path / "eeg").glob("*_EC_*"):
        closed, opened = (np.load(p)[alpha, :, o1].mean() for p in (path, Path(str(path).replace("_EC_", "_EO_"))))
        assert closed > 1.2 * opened
