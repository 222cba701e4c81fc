"""How long `datalist check` takes: 1,000 and 100,000 participants, right and wrong; `--deep` by threads or processes.

    python tests/benchmarks/bench_datalist_check.py [--full]

Without --full, 100,000 participants and the full-size files of --deep are left out. Ends with code 1 if 1,000
participants take half a second or longer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

LIMIT_SECONDS = 0.5


def write_cohort(folder: Path, participants: int) -> Path:
    """A right datalist with its (empty) files, one EEG file and one MRI each."""
    for name in ("eeg", "mri"):
        (folder / name).mkdir(parents=True)
    rows = []
    for number in range(participants):
        who = f"sub-{number:06d}"
        (folder / f"eeg/{who}_EO_seg0.npy").write_bytes(b"\x93NUMPY")
        (folder / f"mri/{who}_T1w.nii.gz").write_bytes(b"\x1f\x8b")
        recordings = {"eeg": f"eeg/{who}_*.npy", "mri": f"mri/{who}_T1w.nii.gz"}
        rows.append({"participant_id": who, "label": "MF"[number % 2], **recordings, "age": "20-25"})
    parts = {"training": rows[::2], "validation": rows[1::4], "test": rows[3::4]}
    lines = [
        f'"{part}": [\n' + ",\n".join(f"    {json.dumps(row)}" for row in chosen) + "\n  ]"
        for part, chosen in parts.items()
    ]
    path = folder / "list.json"
    path.write_text('{\n  "classes": ["M", "F"],\n  ' + ",\n  ".join(lines) + "\n}\n", encoding="utf-8")
    return path


def in_every_row_wrong(text: str) -> str:
    """Each row has a label that is no class and an MRI that is not there."""
    return text.replace('"M"', '"male"').replace('["male"', '["M"').replace("_T1w", "_T1")


def not_json_in_every_row(text: str) -> str:
    """Each row has a path with single backslashes, and the last row of each part a comma too many."""
    return text.replace("mri/", r"mri\su").replace("}\n  ]", "},\n  ]")


def seconds_of_check(path: Path, repetitions: int) -> float:
    """The fastest of some runs of the whole program."""
    command = [sys.executable, "-m", "monai_fusion", "datalist", "check", str(path)]
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=False)
        times.append(time.perf_counter() - start)
    return min(times)


def bench_check(participants: int, repetitions: int) -> float:
    """Print the times for a right list and two wrong ones; return the first."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_cohort(Path(folder) / "cohort", participants)
        text = path.read_text(encoding="utf-8")
        kinds: dict[str, Callable[[str], str]] = {
            "right": str,
            "two problems in every row": in_every_row_wrong,
            "not JSON in every row": not_json_in_every_row,
        }
        times = []
        for name, change in kinds.items():
            path.write_text(change(text), encoding="utf-8")
            times.append(seconds_of_check(path, repetitions))
            print(f"check, {participants:>7,} participants, {name}: {times[-1]:.2f} s")
        return times[0]


def bench_deep(participants: int) -> None:
    """Print how long opening full-size files takes with threads and with processes; the files are in the cache."""
    from monai_fusion.datalist.contents.checking import RecordingOpener, check_contents
    from monai_fusion.datalist.contents.recording_files import recordings_to_open
    from monai_fusion.datalist.examination import examine_datalist
    from monai_fusion.sample_cohort import SampleCohortOptions
    from monai_fusion.sample_cohort.write import write_sample_cohort

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "cohort"
        write_sample_cohort(folder, SampleCohortOptions(participants=participants, size="full"), progress=False)
        rows = [
            {"participant_id": file.name.split("_")[0], "eeg": f"eeg/{file.name.split('_')[0]}_*.npy", "mri": None}
            | {"mri": f"mri/{file.name}", "label": "MF"[index % 2]}
            for index, file in enumerate(sorted((folder / "mri").iterdir()))
        ]
        (folder / "list.json").write_text(json.dumps({"classes": ["M", "F"], "training": rows}), encoding="utf-8")
        examination = examine_datalist(folder / "list.json")
        recordings = [recording for recording in recordings_to_open(examination) if recording.path.is_file()]
        opener = RecordingOpener()
        for recording in recordings:
            recording.path.read_bytes()
        for workers in (1, 2, 4):
            start = time.perf_counter()
            check_contents(examination, recordings, opener, workers, lambda: None)
            print(f"deep, {len(recordings)} files, {workers} threads: {time.perf_counter() - start:.2f} s")
        for workers in (2, 4):
            start = time.perf_counter()
            with ProcessPoolExecutor(workers, mp_context=_spawn()) as executor:
                list(executor.map(opener, recordings))
            print(f"deep, {len(recordings)} files, {workers} spawned processes: {time.perf_counter() - start:.2f} s")


def _spawn():  # type: ignore[no-untyped-def] # its type has no public name
    import multiprocessing

    return multiprocessing.get_context("spawn")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also 100,000 participants, and --deep on full-size files")
    arguments = parser.parse_args()
    seconds = bench_check(1_000, repetitions=5)
    if arguments.full:
        bench_check(100_000, repetitions=1)
        bench_deep(12)
    if seconds >= LIMIT_SECONDS:
        print(f"too slow: {seconds:.2f} s, the limit is {LIMIT_SECONDS} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
