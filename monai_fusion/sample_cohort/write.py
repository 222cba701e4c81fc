"""Writes a sample cohort into a folder, and into no folder that holds anything else."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from monai_fusion.errors import InputError, Problem
from monai_fusion.files import write_json
from monai_fusion.messages import hide_bars
from monai_fusion.output_folder import remove_all
from monai_fusion.reading import read_json_object
from monai_fusion.sample_cohort.options import SampleCohortOptions
from monai_fusion.sample_cohort.participant import SyntheticParticipant, describe, log_head_size

COHORT_FILE = "cohort.json"
TABLE_FILE = "participants.csv"
UNFINISHED_FILE = "cohort.unfinished.json"  # lists what is being written, so that an interrupted cohort is known as one
KIND = "monai-fusion synthetic sample cohort"

# Only files with such names are ever replaced or removed, whatever a cohort.json claims to have written.
_OWN_NAME = re.compile(
    r"eeg/sub-9\d{5}_E[OC]_seg\d+\.npy|raw/sub-9\d{5}\.(?:vhdr|vmrk|eeg)|mri/sub-9\d{5}_T1w\.nii\.gz|participants\.csv"
)
_AGE = {
    True: "Age is independent of both modalities.",
    False: "Age goes with the class (options.confound), and with the modalities only through the class.",
}
_EEG_BYTES = 224 * 224 * 17 * 4 + 128
_MRI_BYTES = {"small": 600_000, "full": 9_000_000}  # a generous float32; only to refuse a full disk early


def write_sample_cohort(
    out: Path, options: SampleCohortOptions, progress: bool = True, workers: int | None = None
) -> dict[str, Any]:
    """Writes a synthetic cohort: scalograms, MRIs, a participants table and ``cohort.json``, the last of them last.

    ::

        OUT/eeg/sub-900001_EO_seg0.npy   [224, 224, 17] float32, (frequency, time, electrode), microvolts
        OUT/raw/sub-900001.vhdr          with options.raw_eeg in place of them: BrainVision, 17 electrodes, 250 Hz
        OUT/mri/sub-900001_T1w.nii.gz    skull-stripped T1, see SampleCohortOptions for size, dtype and orientation
        OUT/participants.csv             participant_id, gender (M or F), age (a 5-year bin; years with confound)
        OUT/cohort.json                  options, best possible balanced accuracy, where the signal is, latent scores,
                                         files

    Args:
        out: The folder; made if it is not there. It must be empty or, with ``options.overwrite``, hold a sample cohort.
        options: What to write.
        progress: Show a progress bar on standard error.
        workers: Threads that render participants; as many as there are cores, at most 4, if None. It does not change
            what is written.

    Returns:
        What ``cohort.json`` holds.

    Raises:
        InputError: The folder holds something else, or a cohort that may not be overwritten; it cannot be written to,
            the disk is too full, or pybv is lacking for a raw EEG.
    """
    if options.raw_eeg and find_spec("pybv") is None:
        raise InputError(Problem("--raw-eeg", seen="pybv is not installed", advice='pip install "monai-fusion[eeg]"'))
    participants = [describe(index, options) for index in range(options.participants)]
    new_files = [TABLE_FILE, *(file for participant in participants for file in _files(participant))]
    old_files = _written_before(out, options.overwrite)
    _refuse_foreign(out, set(new_files) - set(old_files))
    _refuse_full_disk(out, participants, options)

    stale_files = sorted(set(old_files) - set(new_files))
    _begin(out, [*new_files, *stale_files], "raw" if options.raw_eeg else "eeg")
    remove_all([out / stale for stale in stale_files])
    _render(out, participants, options, progress, workers)
    _write_table(out / TABLE_FILE, participants)
    cohort = _description(participants, options, new_files)
    write_json(out / COHORT_FILE, cohort, indent=1)
    (out / UNFINISHED_FILE).unlink()
    return cohort


def _files(participant: SyntheticParticipant) -> list[str]:
    """The participant's files relative to the cohort's folder, with forward slashes."""
    mri = [str(participant.mri_file)] if participant.mri_file else []
    return [*map(str, participant.eeg_files.values()), *map(str, participant.raw_files), *mri]


def _written_before(out: Path, overwrite: bool) -> list[str]:
    """The files of the sample cohort that is in ``out``; none for an empty folder, InputError for anything else."""
    try:
        is_empty = not out.exists() or not any(out.iterdir())
    except OSError as error:
        raise _unwritable(out, error) from None
    if is_empty:
        return []
    known = [_own_files(out / name) for name in (COHORT_FILE, UNFINISHED_FILE)]
    if known == [None, None]:
        found = sorted(path.name for path in out.iterdir())
        seen = f"holds {', '.join(map(repr, found[:3]))}" + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise InputError(Problem(str(out), seen=seen, wanted="an empty or new folder", advice="name another folder"))
    if not overwrite:
        seen = "holds a sample cohort" if known[0] is not None else "holds an unfinished sample cohort"
        raise InputError(Problem(str(out), seen=seen, advice="allow overwriting (--overwrite) or name another folder"))
    return sorted({file for files in known for file in files or []})


def _own_files(path: Path) -> list[str] | None:
    """The files that a ``cohort.json`` of this program lists; None if ``path`` is no such file."""
    content = read_json_object(path) or {}
    files = content.get("files")
    if content.get("kind") != KIND or not isinstance(files, list) or not all(isinstance(file, str) for file in files):
        return None
    return [file for file in files if _OWN_NAME.fullmatch(file)]


def _refuse_foreign(out: Path, files: Iterable[str]) -> None:
    """InputError if a file that is to be written already exists and no earlier sample cohort wrote it."""
    foreign = [file for file in sorted(files) if (out / file).exists()]
    if foreign:
        advice = "no sample cohort wrote it: move it away or name another folder"
        raise InputError(Problem(str(out / file), seen="exists already", advice=advice) for file in foreign)


def _begin(out: Path, files: Sequence[str], eeg: str) -> None:
    """Makes the folders and marks the cohort as unfinished; InputError if the place cannot be written to."""
    try:
        for folder in (out, out / eeg, out / "mri"):
            folder.mkdir(parents=True, exist_ok=True)
        write_json(out / UNFINISHED_FILE, {"kind": KIND, "synthetic": True, "files": list(files)}, indent=1)
        (out / COHORT_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(out, error) from None


def _unwritable(out: Path, error: OSError) -> InputError:
    seen = f"cannot be written to ({error.strerror or error})"
    return InputError(Problem(str(out), seen=seen, wanted="a writable folder", advice="name another folder"))


def _refuse_full_disk(out: Path, participants: Sequence[SyntheticParticipant], options: SampleCohortOptions) -> None:
    """InputError if the files will not fit (what is overwritten counts as free)."""
    scalograms = [file for participant in participants for file in participant.eeg_files.values()]
    needed = len(scalograms) * _EEG_BYTES + sum(p.mri_file is not None for p in participants) * _MRI_BYTES[options.size]
    needed += sum(bool(participant.raw_files) for participant in participants) * _raw_bytes(options)
    freed = sum((out / file).stat().st_size for p in participants for file in _files(p) if (out / file).exists())
    free = shutil.disk_usage(next(place for place in (out, *out.absolute().parents) if place.exists())).free
    if needed > free + freed:
        seen = f"{free / 1e9:.1f} GB free"
        advice = "write fewer participants or segments, or name another disk"
        raise InputError(Problem(str(out), seen=seen, wanted=f"{needed / 1e9:.1f} GB", advice=advice))


def _raw_bytes(options: SampleCohortOptions) -> int:
    segments = options.segments_per_condition * len(options.conditions)
    return segments * 17 * 2500 * 2 * 2  # int16, and as much again for pauses and markers


def _render(
    out: Path,
    participants: Sequence[SyntheticParticipant],
    options: SampleCohortOptions,
    progress: bool,
    workers: int | None,
) -> None:
    """Writes every participant's files, several participants at a time.

    Threads, not processes: FFTs, interpolation and compression release the interpreter's lock, and a process would
    spend longer importing torch than writing its share of a small cohort.
    """
    # Imported here: reading options and describing participants must not cost the seconds that torch and nilearn take.
    import nibabel as nib
    import torch

    from monai_fusion.sample_cohort.raw_recordings import write_raw_recording
    from monai_fusion.sample_cohort.scalograms import render_scalogram
    from monai_fusion.sample_cohort.volumes import as_nifti, render_mri, template

    def write(participant: SyntheticParticipant) -> None:
        for (condition, segment), file in participant.eeg_files.items():
            np.save(out / file, render_scalogram(participant, options, condition, segment), allow_pickle=False)
        if participant.raw_files:
            write_raw_recording(out / participant.raw_files[0], participant, options)
        if participant.mri_file is not None:
            nib.save(as_nifti(render_mri(participant, options), participant, options), out / participant.mri_file)

    template(options.size)  # once, before several threads ask for it
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)  # participants are the parallel axis, and no number may depend on the machine's cores
    try:
        with ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1)) as pool:
            tasks = [pool.submit(write, participant) for participant in participants]
            bar = tqdm(
                as_completed(tasks),
                "sample cohort",
                len(tasks),
                unit="participant",
                disable=hide_bars(None if progress else True),
            )
            try:
                for task in bar:
                    task.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        torch.set_num_threads(threads_before)


def _write_table(path: Path, participants: Sequence[SyntheticParticipant]) -> None:
    """``participants.csv``, with every participant, whatever files there are."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["participant_id", "gender", "age"])
        table.writerows([p.participant_id, p.gender, p.age] for p in participants)


def _description(
    participants: Sequence[SyntheticParticipant], options: SampleCohortOptions, files: Sequence[str]
) -> dict[str, Any]:
    """The content of ``cohort.json``."""
    return {
        "kind": KIND,
        "synthetic": True,
        "note": f"Synthetic data: no file shows a real participant. {_AGE[options.age_correlation is None]}",
        "options": options.to_json(),
        "best_balanced_accuracy": options.best_balanced_accuracy,
        "signal": _where(participants, options),
        "counts": {code: sum(p.gender == code for p in participants) for code in ("M", "F")},
        "latent_scores": {p.participant_id: {"eeg": p.eeg_score, "mri": p.mri_score} for p in participants},
        "files": list(files),
    }


def _where(participants: Sequence[SyntheticParticipant], options: SampleCohortOptions) -> dict[str, Any]:
    """Where in the recordings the latent scores show, and what shows nothing."""
    from monai_fusion.sample_cohort.scalograms import beta_region
    from monai_fusion.sample_cohort.volumes import local_region

    sizes = {p.participant_id: round(log_head_size(p, options), 4) for p in participants if p.mri_file}
    is_local = options.mri_signal != "size"
    mri = {
        "head_size_shows_the_score": options.mri_signal != "local",
        "log_head_sizes": sizes,
        "region": local_region(participants, options) if is_local and sizes else None,
    }
    return {"eeg": {"region": beta_region(options)}, "mri": mri}
