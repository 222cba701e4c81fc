"""From channels to electrodes: spellings, presets, places, interpolation; and never a wrong one in silence."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import mne
import numpy as np
import pytest

from monai_fusion.errors import InputError
from monai_fusion.recordings.electrode_names import ELECTRODES_1010, electrode_key, electrode_keys, known_electrode
from monai_fusion.recordings.electrode_presets import PRESETS
from monai_fusion.recordings.electrodes import choose_electrodes, wanted_electrodes
from monai_fusion.recordings.montage import ELECTRODES_1020_17
from monai_fusion.recordings.positions import sphere_positions
from monai_fusion.recordings.recording import Recording
from monai_fusion.recordings.splines import spline_weights
from tests.recordings.raw_files import NAMES

TEN_TWENTY = PRESETS["10-20"].electrodes


def recording(
    channels: tuple[str, ...] | list[str],
    positions: dict[str, tuple[float, float, float]] | None = None,
    kinds: tuple[str, ...] = (),
    bad: tuple[str, ...] = (),
) -> Recording:
    """A recording whose channel n is n everywhere."""
    return Recording(
        Path("sub-01.edf"), (), "EDF", tuple(channels), kinds or ("eeg",) * len(channels), 250.0, 100,
        (1.0,) * len(channels), positions or {}, (), (), (), bad, "", (),
        lambda picked, start, stop: np.repeat(np.asarray(picked, float)[:, None], stop - start, axis=1),
    )  # fmt: skip


def _chosen(found: Recording, wanted: str | list[str], interpolate: int = 0) -> list[float]:
    electrodes = choose_electrodes(found, wanted, interpolate)
    return list((electrodes.weights @ found.microvolts(electrodes.channels, 0, 1))[:, 0])


@pytest.mark.parametrize(
    ("written", "electrode"),
    [
        ("FP1", "Fp1"), ("Fp1.", "Fp1"), ("Fc5.", "FC5"), ("EEG Fp1-REF", "Fp1"), ("EEG FP1-LE", "Fp1"),
        ("POL Fp1", "Fp1"), ("EEG Fp1", "Fp1"), ("eeg fp1-ref", "Fp1"), ("EEG Fpz-Ref", "Fpz"), ("EEG C3-A2", "C3"),
        ("C4-M1", "C4"), ("Fp1-AVG", "Fp1"), ("EEG:Cz", "Cz"), ("T3", "T7"), ("EEG T4-LE", "T8"), ("T5", "P7"),
        ("POL T6", "P8"), ("t5", "P7"), ("M1", "M1"), ("m2", "M2"), ("Iz..", "Iz"), (" O1 ", "O1"), ("EEG_O1", "O1"),
        ("AFZ", "AFz"), ("CPZ", "CPz"), ("EEG P3 - Ref", "P3"), ("Fp1 (uV)", "Fp1"), ("Fp1[A2]", "Fp1"),
        ("_FP1", "Fp1"), ("Fp1-0", "Fp1"), ("EEG Fp1-REF-1", "Fp1"),
    ],
)  # fmt: skip
def test_spellings_of_an_electrode_are_one(written: str, electrode: str) -> None:
    assert electrode_key(written) == electrode
    assert known_electrode(written)


@pytest.mark.parametrize(
    "written", ["Fp1-F7", "T3-T5", "EEG1", "EEG 001", "A1", "E12", "VEOG", "X1", "Status", "C", ""]
)
def test_pairs_and_other_names_are_no_electrode(written: str) -> None:
    assert not known_electrode(written)


def test_a_reference_that_all_channels_name_is_no_part_of_the_electrode() -> None:
    assert electrode_keys(["Fp1-Cz", "F3-Cz", "O1-Cz", "P3-Cz", "ECG"])[:4] == ["Fp1", "F3", "O1", "P3"]
    assert "Fp1" not in electrode_keys(["Fp1-F7", "F7-T7", "T7-P7", "P7-O1", "Fp2-F8"])


def test_every_preset_finds_its_electrodes_in_its_own_order() -> None:
    names = list(PRESETS["lemon61"].electrodes)
    assert len(set(names)) == 61
    assert len(TEN_TWENTY) == 19
    found = recording([f"EEG {name.upper()}-REF" for name in names])
    for name in ("lemon17", "10-20", "lemon61"):
        assert _chosen(found, name) == [names.index(each) for each in PRESETS[name].electrodes]
        assert choose_electrodes(found, name).names == PRESETS[name].electrodes
    assert PRESETS["lemon17"].electrodes == ELECTRODES_1020_17


def test_old_names_are_found_and_a_list_keeps_its_order() -> None:
    found = recording(["T5", "T6", "T3", "T4", "Cz"])
    assert _chosen(found, "P8, T7,Cz") == [1, 2, 4]
    assert _chosen(found, ["t8", "P7"]) == [3, 0]
    assert choose_electrodes(found, ["T5"]).names == ("P7",)


def test_two_channels_that_are_one_electrode_are_refused_with_both_names() -> None:
    found = recording([*NAMES, "T3"])
    with pytest.raises(InputError, match=r'T7: "T7" and "T3" are both T7'):
        choose_electrodes(found, "lemon17")
    assert _chosen(found, ["Cz"]) == [NAMES.index("Cz")]


def test_an_electrode_that_is_asked_for_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"T3 and T7, expected T7 once"):
        choose_electrodes(recording(NAMES), ["T3", "Cz", "T7"])


def test_missing_electrodes_are_named_with_what_the_recording_has() -> None:
    with pytest.raises(InputError, match=r"15 of 17: no F7, Cz.*it has F3, Fz.*--interpolate 2"):
        choose_electrodes(recording([name for name in NAMES if name not in ("F7", "Cz")]), "lemon17")


def test_bad_channels_and_those_of_other_kinds_are_missing() -> None:
    found = recording(NAMES, bad=("Pz",), kinds=("eog", *("eeg",) * 16))
    with pytest.raises(InputError, match=r"no F7 \(eog\), Pz \(bad\)"):
        choose_electrodes(found, "lemon17")


def test_the_reference_is_known_to_be_missing() -> None:
    found = replace(recording(NAMES), reference="FCz")
    with pytest.raises(InputError, match=r"no FCz \(the reference\)"):
        choose_electrodes(found, ["Cz", "FCz"])


def test_a_misspelt_preset_is_told() -> None:
    with pytest.raises(InputError, match=r'--electrodes: lemon-17, .*did you mean "lemon17"'):
        wanted_electrodes("lemon-17")
    assert wanted_electrodes("LEMON17") == ELECTRODES_1020_17


def test_positions_are_those_of_the_ideal_cap() -> None:
    ours = sphere_positions()
    assert set(ours) == set(ELECTRODES_1010)
    for montage in ("easycap-M1", "biosemi64"):
        theirs = mne.channels.make_standard_montage(montage).get_positions()["ch_pos"]
        both = [name for name in theirs if name in ours]
        assert len(both) > 60
        for name in both:
            cosine = np.dot(ours[name], theirs[name]) / np.linalg.norm(theirs[name])
            assert np.degrees(np.arccos(min(cosine, 1.0))) < 5.5, name
    np.testing.assert_allclose([np.linalg.norm(place) for place in ours.values()], 1.0)
    assert ours["T8"] == pytest.approx((1, 0, 0), abs=1e-12)
    assert ours["Fpz"] == pytest.approx((0, 1, 0), abs=1e-12)


def test_spline_weights_are_mne_s() -> None:
    from mne.channels.interpolation import _make_interpolation_matrix

    donors = [sphere_positions()[name] for name in NAMES[2:]]
    targets = [sphere_positions()[name] for name in NAMES[:2]]
    theirs = _make_interpolation_matrix(np.array(donors), np.array(targets))
    np.testing.assert_allclose(spline_weights(donors, targets), theirs, atol=1e-9)


def test_an_interpolated_electrode_is_that_of_a_smooth_field() -> None:
    names = list(PRESETS["lemon61"].electrodes)
    field = {name: 3.0 + 2.0 * x - y + 0.5 * z for name, (x, y, z) in sphere_positions().items()}
    found = recording([name for name in names if name not in ("Cz", "F3")])
    values = np.array([[field[name]] for name in found.channels])
    electrodes = choose_electrodes(found, "lemon17", interpolate=2)
    assert electrodes.interpolated == ("F3", "Cz")
    made = electrodes.weights @ values[list(electrodes.channels)]
    np.testing.assert_allclose(made[:, 0], [field[name] for name in ELECTRODES_1020_17], atol=0.02)
    np.testing.assert_allclose(electrodes.weights.sum(axis=1), 1.0, atol=1e-9)
    with pytest.raises(InputError, match=r"--interpolate 2 .*\(1 allowed\)"):
        choose_electrodes(found, "lemon17", interpolate=1)


def test_bad_and_other_channels_never_take_part_in_an_interpolation() -> None:
    names = [name for name in PRESETS["lemon61"].electrodes if name != "Cz"]
    found = recording([*names, "VEOG"], bad=("C1", "C3"), kinds=(*("eeg",) * 60, "eog"))
    electrodes = choose_electrodes(found, "lemon17", interpolate=2)
    used = {found.channels[channel] for channel in electrodes.channels}
    assert electrodes.interpolated == ("C3", "Cz")
    assert used.isdisjoint({"C1", "C3", "VEOG"})


def test_two_channels_at_one_place_count_once_in_an_interpolation() -> None:
    found = recording(["T3", *(name for name in NAMES if name != "Cz")])
    electrodes = choose_electrodes(found, ["Fz", "Cz"], interpolate=1)
    used = [found.channels[channel] for channel in electrodes.channels]
    assert len(used) == 16
    assert not {"T3", "T7"} <= set(used)


def test_few_electrodes_are_not_enough_to_interpolate_one() -> None:
    with pytest.raises(
        InputError, match=r"Cz cannot be interpolated: 4 other electrodes with a known place, expected at least 8"
    ):
        choose_electrodes(recording(["Fz", "Pz", "C3", "C4"]), ["Fz", "Pz", "Cz"], interpolate=1)


def test_an_electrode_whose_place_is_not_known_is_not_interpolated() -> None:
    with pytest.raises(InputError, match=r"E7 cannot be interpolated, expected electrodes of the 10-10 system"):
        choose_electrodes(recording(NAMES), ["Cz", "E7"], interpolate=1)
    assert _chosen(recording([*NAMES, "e7"]), ["Cz", "E7"]) == [7, 17]


def _biosemi() -> Recording:
    places = mne.channels.make_standard_montage("biosemi128").get_positions()["ch_pos"]
    moved = {name: (float(x), float(y), float(z) + 0.04) for name, (x, y, z) in places.items()}
    return recording(list(moved), moved)


def test_biosemi_s_own_labels_become_electrodes_of_the_10_20_system() -> None:
    found = _biosemi()
    by_label = choose_electrodes(found, "biosemi128-1020")
    by_place = choose_electrodes(found, "nearest:lemon17")
    np.testing.assert_array_equal(_chosen(found, "biosemi128-1020"), _chosen(found, "nearest:lemon17"))
    assert by_label.names == by_place.names == ELECTRODES_1020_17
    assert found.channels[int(_chosen(found, "biosemi128-1020")[ELECTRODES_1020_17.index("Cz")])] == "A1"


def test_biosemi_s_c3_is_never_taken_for_that_of_the_10_20_system() -> None:
    found = _biosemi()
    assert "C3" in found.channels
    for wanted in ("lemon17", "C3,C4"):
        with pytest.raises(InputError, match=r"labels of a BioSemi cap.*biosemi128-1020"):
            choose_electrodes(found, wanted)
    larger = recording([f"{letter}{number}" for letter in "ABCDEFGH" for number in range(1, 33)])
    with pytest.raises(InputError, match=r"H32.*nearest:lemon17, with positions"):
        choose_electrodes(larger, "biosemi128-1020")


def test_a_place_that_no_channel_is_near_is_missing_and_two_that_share_one_are_refused() -> None:
    places = {name: tuple(0.09 * each for each in sphere_positions()[name]) for name in ("Fz", "Pz", "Oz", "T7")}
    found = recording(["a", "b", "c", "d"], dict(zip("abcd", places.values(), strict=True)))  # type: ignore[arg-type]
    assert _chosen(found, "nearest:Oz,Fz") == [2, 0]
    with pytest.raises(InputError, match=r"1 of 2: no Cz"):
        choose_electrodes(found, "nearest:Fz,Cz")
    with pytest.raises(InputError, match=r'"c" is nearest to both'):
        choose_electrodes(found, "nearest:Oz,O1")
    with pytest.raises(InputError, match=r"positions: none in this recording.*_electrodes\.tsv beside it"):
        choose_electrodes(recording(["a"]), "nearest:Oz")


def test_all_names_of_the_10_10_system_are_different() -> None:
    assert len({name.upper() for name in ELECTRODES_1010}) == len(ELECTRODES_1010)
    assert all(before != after for before, after in pairwise(sorted(ELECTRODES_1010)))
