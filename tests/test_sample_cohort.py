"""The sample cohort: real files, known scores, and no harm to any other file."""

import csv
import json
import shutil
import subprocess
import sys
from collections import Counter, namedtuple
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from monai_fusion.errors import InputError
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
from monai_fusion.sample_cohort.volumes import SHAPES, as_nifti, local_region, render_mri, template
from monai_fusion.sample_cohort.write import write_sample_cohort

TINY = SampleCohortOptions(participants=4, segments_per_condition=1, conditions=("EO",))


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def arrays_below(folder):
    """Every image's numbers by file; for MRIs as stored, with affine."""
    arrays = {name: np.load(folder / name) for name in files_below(folder) if name.endswith(".npy")}
    for name in files_below(folder):
        if name.endswith(".nii.gz"):
            image = nib.load(folder / name)
            arrays[name], arrays[name + " affine"] = np.asarray(image.dataobj), image.affine
    return arrays


def table_of(folder):
    with (folder / "participants.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "tiny"
    write_sample_cohort(folder, TINY, progress=False)
    return folder


def test_it_writes_scalograms_mris_a_table_and_a_description(tiny):
    ids = [f"sub-90000{k}" for k in range(1, 5)]
    eeg, mri = {f"eeg/{i}_EO_seg0.npy" for i in ids}, {f"mri/{i}_T1w.nii.gz" for i in ids}
    assert files_below(tiny) == eeg | mri | {"participants.csv", "cohort.json"}
    for name in eeg:
        scalogram = np.load(tiny / name, allow_pickle=False)
        assert (scalogram.shape, scalogram.dtype) == ((224, 224, 17), np.float32)
        assert np.isfinite(scalogram).all()
    for name in mri:
        image = nib.load(tiny / name)
        assert (image.shape, image.get_data_dtype()) == (SHAPES["small"], np.int16)
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        np.testing.assert_allclose(image.header.get_zooms(), 2.5)
    rows = table_of(tiny)
    assert [row["participant_id"] for row in rows] == ids
    assert Counter(row["gender"] for row in rows) == {"M": 2, "F": 2}
    assert all(int(row["age"][3:]) - int(row["age"][:2]) == 5 for row in rows)


def test_the_description_says_synthetic_and_holds_options_scores_and_optimum(tiny):
    cohort = json.loads((tiny / "cohort.json").read_text(encoding="utf-8"))
    assert cohort["synthetic"] is True
    assert "ynthetic" in cohort["note"]
    assert cohort["options"]["seed"] == 1337
    assert list(cohort["latent_scores"]) == [row["participant_id"] for row in table_of(tiny)]
    # Phi(1.25), Phi(1.5) and Phi(sqrt(2.5^2 + 3^2) / 2) from a printed table of the normal distribution
    assert cohort["best_balanced_accuracy"] == pytest.approx({"eeg": 0.8944, "mri": 0.9332, "both": 0.9746}, abs=5e-5)


def test_the_best_balanced_accuracy_is_what_the_optimal_rule_reaches():
    options = SampleCohortOptions(participants=5_000, eeg_effect=1.2, mri_effect=1.6, fewer_females=0.5)
    participants = [describe(index, options) for index in range(options.participants)]
    female = np.array([p.gender == "F" for p in participants])
    eeg, mri = (np.array([getattr(p, name) for p in participants]) for name in ("eeg_score", "mri_score"))
    for name, score in (("eeg", eeg), ("mri", mri), ("both", 1.2 * eeg + 1.6 * mri)):
        reached = ((score[female] > 0).mean() + (score[~female] <= 0).mean()) / 2
        assert reached == pytest.approx(options.best_balanced_accuracy[name], abs=0.02), name
    for score, effect in ((eeg, 1.2), (mri, 1.6)):
        assert score[female].mean() - score[~female].mean() == pytest.approx(effect, abs=0.1)
    assert abs(np.corrcoef(eeg[female], mri[female])[0, 1]) < 0.05


def test_the_same_seed_gives_the_same_arrays_for_any_number_of_workers(tiny, tmp_path):
    write_sample_cohort(tmp_path, TINY, progress=False, workers=3)
    first, second = arrays_below(tiny), arrays_below(tmp_path)
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array, err_msg=name)
    assert (tmp_path / "cohort.json").read_bytes() == (tiny / "cohort.json").read_bytes()


def test_another_seed_gives_other_arrays(tiny, tmp_path):
    write_sample_cohort(tmp_path, replace(TINY, participants=1, seed=7), progress=False)
    arrays = arrays_below(tiny)
    different = [name for name, array in arrays_below(tmp_path).items() if not np.array_equal(arrays[name], array)]
    assert sorted(different) == ["eeg/sub-900001_EO_seg0.npy", "mri/sub-900001_T1w.nii.gz"]


def test_a_smaller_cohort_is_the_beginning_of_a_larger_one_with_more_segments_and_conditions(tiny, tmp_path):
    larger = replace(TINY, participants=2, segments_per_condition=2, conditions=("EC", "EO"))
    write_sample_cohort(tmp_path, larger, progress=False)
    arrays, shared = arrays_below(tiny), arrays_below(tmp_path)
    assert len(shared) == 2 * 4 + 2 * 2
    for name in arrays.keys() & shared.keys():
        np.testing.assert_array_equal(shared[name], arrays[name], err_msg=name)
    assert table_of(tmp_path) == table_of(tiny)[:2]
    assert len({array.tobytes() for name, array in shared.items() if name.endswith("npy")}) == 8  # no segment twice


def test_the_global_random_state_is_left_alone(tmp_path):
    before = np.random.get_state()[1].copy()  # the legacy state is what is being looked at
    write_sample_cohort(tmp_path, replace(TINY, participants=1), progress=False)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_some_participants_have_one_modality(tmp_path):
    write_sample_cohort(tmp_path, replace(TINY, only_eeg=1, only_mri=2), progress=False)
    written = files_below(tmp_path) - {"participants.csv", "cohort.json"}
    assert written == {
        "eeg/sub-900001_EO_seg0.npy",
        "mri/sub-900002_T1w.nii.gz",
        "mri/sub-900003_T1w.nii.gz",
        "eeg/sub-900004_EO_seg0.npy",
        "mri/sub-900004_T1w.nii.gz",
    }
    assert len(table_of(tmp_path)) == 4


def test_mixed_orientations_store_the_same_head_in_three_ways():
    mixed = SampleCohortOptions(participants=30, mixed_orientations=True)
    participants = [describe(index, mixed) for index in range(30)]
    assert Counter(p.orientation for p in participants).keys() == {"RAS", "LAS", "LPI"}
    volume = render_mri(participants[0], mixed)
    expected = as_nifti(volume, replace(participants[0], orientation="RAS"), mixed)
    for orientation in ("LAS", "LPI"):
        stored = as_nifti(volume, replace(participants[0], orientation=orientation), mixed)
        assert "".join(nib.aff2axcodes(stored.affine)) == orientation
        assert not np.array_equal(stored.get_fdata(), expected.get_fdata())
        back = nib.as_closest_canonical(stored)
        np.testing.assert_array_equal(back.get_fdata(), expected.get_fdata())
        np.testing.assert_allclose(back.affine, expected.affine)
        np.testing.assert_allclose(stored.get_qform(), stored.affine, atol=1e-5)


def test_mixed_dtypes_are_the_same_head_rounded_or_not(tmp_path):
    options = replace(TINY, participants=8, only_mri=8, dtype="mixed")
    write_sample_cohort(tmp_path, options, progress=False)
    images = [nib.load(path) for path in sorted((tmp_path / "mri").iterdir())]
    assert {str(image.get_data_dtype()) for image in images} == {"int16", "float32"}
    for index, image in enumerate(images):
        difference = np.abs(image.get_fdata() - render_mri(describe(index, options), options))
        assert difference.max() <= (0.5 if image.get_data_dtype() == np.int16 else 0)


@pytest.mark.parametrize(
    ("participants", "fewer", "males", "females"),
    [(60, 0, 30, 30), (70, 0.25, 40, 30), (60, 0.25, 34, 26), (9, 0, 4, 5)],
)
def test_females_may_be_fewer(participants, fewer, males, females):
    options = SampleCohortOptions(participants=participants, fewer_females=fewer)
    genders = Counter(describe(index, options).gender for index in range(participants))
    assert abs(genders["M"] - males) <= participants % 2
    assert abs(genders["F"] - females) <= participants % 2


def test_full_size_is_one_millimetre(tmp_path):
    write_sample_cohort(tmp_path, replace(TINY, participants=1, only_mri=1, size="full"), progress=False)
    image = nib.load(tmp_path / "mri" / "sub-900001_T1w.nii.gz")
    assert image.shape == (176, 240, 256)
    np.testing.assert_allclose(image.header.get_zooms(), 1)
    litres = (np.asarray(image.dataobj) > 0).sum() / 1e6
    assert 1.0 < litres < 2.1  # 1.47 l times exp(-3 * 0.03 * score)


def test_both_sizes_are_the_same_head():
    full, small = (replace(TINY, participants=1, size=size) for size in ("full", "small"))
    large = render_mri(describe(0, full), full)
    coarse = zoom(
        large,
        [n / m for n, m in zip(SHAPES["small"], large.shape, strict=True)],
        order=1,
        grid_mode=True,
        mode="nearest",
    )
    assert np.corrcoef(coarse.ravel(), render_mri(describe(0, small), small).ravel())[0, 1] > 0.97


@pytest.mark.parametrize("score", [-5.0, 5.0])
def test_the_head_stays_inside_the_field_of_view_for_the_most_extreme_scores(score):
    for index in range(4):
        volume = render_mri(replace(describe(index, TINY), mri_score=score), TINY)
        faces = [volume.take(end, axis) for axis in range(3) for end in (0, -1)]
        assert volume.any()
        assert not any(face.any() for face in faces)


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


def test_a_folder_with_anything_else_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    for options in (TINY, replace(TINY, overwrite=True)):
        with pytest.raises(InputError, match=r"holds 'thesis\.docx', expected an empty or new folder"):
            write_sample_cohort(tmp_path, options, progress=False)
    assert files_below(tmp_path) == {"thesis.docx"}


def test_another_programs_cohort_json_is_no_sample_cohort(tmp_path):
    (tmp_path / "cohort.json").write_text('{"kind": "a real one", "files": ["participants.csv"]}')
    with pytest.raises(InputError, match="expected an empty or new folder"):
        write_sample_cohort(tmp_path, replace(TINY, overwrite=True), progress=False)


def test_a_cohort_is_overwritten_only_when_asked_to_and_nothing_else_is_touched(tiny, tmp_path):
    out = tmp_path / "cohort"
    shutil.copytree(tiny, out)
    with pytest.raises(InputError, match=r"holds a sample cohort.*--overwrite"):
        write_sample_cohort(out, TINY, progress=False)
    (out / "eeg" / "notes.txt").write_text("mine")
    smaller = replace(TINY, participants=1, overwrite=True, seed=5)
    write_sample_cohort(out, smaller, progress=False)
    own = {"eeg/sub-900001_EO_seg0.npy", "mri/sub-900001_T1w.nii.gz", "participants.csv", "cohort.json"}
    assert files_below(out) == own | {"eeg/notes.txt"}
    assert len(table_of(out)) == 1


def test_a_file_that_no_sample_cohort_wrote_is_never_overwritten(tiny, tmp_path):
    out = tmp_path / "cohort"
    shutil.copytree(tiny, out)
    mine = out / "eeg" / "sub-900005_EO_seg0.npy"
    mine.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"sub-900005_EO_seg0\.npy.*no sample cohort wrote it"):
        write_sample_cohort(out, replace(TINY, participants=5, overwrite=True), progress=False)
    assert mine.read_bytes() == b"mine"
    assert (out / "cohort.json").exists()


def test_a_cohort_json_cannot_talk_it_into_removing_other_files(tiny, tmp_path):
    out = tmp_path / "cohort"
    shutil.copytree(tiny, out)
    (tmp_path / "precious.nii.gz").write_text("mine")
    (out / "eeg" / "own.npy").write_text("mine")
    (out / "eeg" / "sub-010002_EO_seg0.npy").write_text("a real participant")
    cohort = json.loads((out / "cohort.json").read_text())
    cohort["files"] += ["../precious.nii.gz", str(tmp_path / "precious.nii.gz"), "eeg/own.npy"]
    cohort["files"] += ["eeg/sub-010002_EO_seg0.npy"]
    (out / "cohort.json").write_text(json.dumps(cohort))
    write_sample_cohort(out, replace(TINY, participants=1, overwrite=True), progress=False)
    assert (tmp_path / "precious.nii.gz").exists()
    assert (out / "eeg" / "own.npy").exists()
    assert (out / "eeg" / "sub-010002_EO_seg0.npy").exists()


def test_an_unfinished_cohort_is_known_and_can_be_finished(tiny, tmp_path):
    out = tmp_path / "cohort"
    shutil.copytree(tiny, out)
    (out / "cohort.json").rename(out / "cohort.unfinished.json")
    (out / "participants.csv").unlink()
    with pytest.raises(InputError, match="holds an unfinished sample cohort"):
        write_sample_cohort(out, TINY, progress=False)
    write_sample_cohort(out, replace(TINY, participants=1, overwrite=True), progress=False)
    assert len(files_below(out)) == 4


def test_a_failure_half_way_leaves_no_cohort_json_but_a_trace_of_what_was_begun(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", fail)  # a disk that fills up cannot be had in a test
    with pytest.raises(OSError, match="No space left"):
        write_sample_cohort(tmp_path, replace(TINY, participants=1), progress=False)
    assert not (tmp_path / "cohort.json").exists()
    monkeypatch.undo()
    write_sample_cohort(tmp_path, replace(TINY, participants=1, overwrite=True), progress=False)
    assert (tmp_path / "cohort.json").exists()


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "cohort"):
        with pytest.raises(InputError, match=r"cannot be written to .*expected a writable folder"):
            write_sample_cohort(out, TINY, progress=False)


def test_a_disk_that_is_too_full_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    with pytest.raises(InputError, match=r"0\.0 GB free, expected 0\.3 GB"):
        write_sample_cohort(tmp_path / "new", SampleCohortOptions(participants=20), progress=False)
    assert not (tmp_path / "new").exists()


def test_impossible_options_are_refused_all_at_once():
    with pytest.raises(InputError) as caught:
        SampleCohortOptions(
            participants=0, size="huge", eeg_effect=-1, conditions=("EO", "EO"), fewer_females=1.0, seed=-1
        )
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["--participants", "--size", "--seed", "--eeg-effect", "--conditions", "--fewer-females"]
    assert "sample cohort --size: 'huge', expected 'small' or 'full'" in str(caught.value)
    with pytest.raises(InputError, match=r"--only-mri: 2, expected .* with --only-eeg 2 at most the 3 participants"):
        SampleCohortOptions(participants=3, only_eeg=2, only_mri=2)
    for wrong in ("age", "age=much", "age=1", "age=nan", "site=0.5"):
        with pytest.raises(InputError, match=r"confound: .*, expected age=R with R from -0\.95 to 0\.95"):
            SampleCohortOptions(confound=wrong)


def test_importing_the_options_does_not_import_torch():
    code = "import sys, monai_fusion.sample_cohort; print({'torch', 'monai', 'nilearn', 'scipy'} & sys.modules.keys())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
