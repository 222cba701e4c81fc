"""Does fusion find two planted effects? `monai-fusion compare` on a cohort whose best possible accuracy is known.

    python tests/benchmarks/bench_planted_effects.py --folder runs/planted     # 1.5 hours on two cores, 30 GB of disk
    python tests/benchmarks/bench_planted_effects.py --participants 400 --folds 5 -- --num_epochs "[8, 4]" --device cuda
    python tests/benchmarks/bench_planted_effects.py --hidden --folder runs/hidden  # where no mean shows it

If it is stopped, the same command goes on.

The classes' latent scores are d_e = 1.5 apart in the EEG and d_m = 1.8 in the MRI, so the best possible (balanced)
accuracy is Phi(d / 2) with one recording and Phi(sqrt(d_e^2 + d_m^2) / 2) with both. Sizes and epochs are the demo's;
what stands behind -- goes to every training. Ends with code 1 unless each variant reaches 90 % of its best possible
margin over one half, and gated fusion beats the better single recording (the paired difference's interval is above 0).

Beside it stands a logistic regression on 29 numbers that know no place (`planted_numbers`). In the default cohort it is
as good as the network: the effects are in the mean intensity and in the mean beta. With --hidden (the sample cohort's
`--mri-signal local --eeg-signal topography`, effects of 3 each unless you give others) only gated fusion is trained,
and it must beat the regression: the paired intervals of both scores above 0.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from planted_numbers import NUMBERS, compared, network_and_numbers, numbers_of

from monai_fusion.sample_cohort import SampleCohortOptions
from monai_fusion.sample_cohort.participant import FEMALE

BUNDLE = Path(__file__).parents[2] / "bundles" / "brain_eeg_mri_classification"
DEMO = BUNDLE / "configs" / "demo.yaml"
SINGLE, FUSED = ("eeg", "mri"), "gated"
WANTED = 0.9


def call(*words: object) -> None:
    """Run a `monai-fusion` command and end with its exit code where it fails."""
    if code := subprocess.run([sys.executable, "-m", "monai_fusion", *map(str, words)], check=False).returncode:
        sys.exit(code)


def cohort_options(given: argparse.Namespace) -> SampleCohortOptions:
    """What the sample cohort is, from what was typed."""
    participants, eeg_effect, mri_effect = (500, 3.0, 3.0) if given.hidden else (1000, 1.5, 1.8)
    return SampleCohortOptions(
        participants if given.participants is None else given.participants,
        seed=given.seed,
        eeg_effect=eeg_effect if given.eeg_effect is None else given.eeg_effect,
        mri_effect=mri_effect if given.mri_effect is None else given.mri_effect,
        eeg_signal="topography" if given.hidden else "global",
        mri_signal="local" if given.hidden else "both",
    )


def make_cohort(folder: Path, options: SampleCohortOptions) -> Path:
    """Write the cohort and its datalist, unless they are there; return the datalist."""
    cohort, datalist = folder / "cohort", folder / "datalist.json"
    if datalist.exists():
        return datalist
    effects = ("--eeg-effect", options.eeg_effect, "--mri-effect", options.mri_effect, "--seed", options.seed)
    signals = ("--eeg-signal", options.eeg_signal, "--mri-signal", options.mri_signal)
    call("sample-cohort", cohort, "--participants", options.participants, *effects, *signals, "--overwrite")
    sources = ("--eeg-dir", cohort / "eeg", "--mri-dir", cohort / "mri", "--participants", cohort / "participants.csv")
    call("datalist", "build", *sources, "--classes", "M", "F", "--out", datalist)
    return datalist


def best_of_these(cohort: Path, options: SampleCohortOptions) -> dict[str, float]:
    """The balanced accuracy of the optimal rule, which sees the latent scores, on the very people that were drawn."""
    scores = json.loads((cohort / "cohort.json").read_text(encoding="utf-8"))["latent_scores"]
    with (cohort / "participants.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["participant_id"]: row for row in csv.DictReader(stream)}
    female = np.array([rows[name]["gender"] == FEMALE for name in scores])
    eeg, mri = (np.array([each[recording] for each in scores.values()]) for recording in SINGLE)
    rules = (eeg, mri, options.eeg_effect * eeg + options.mri_effect * mri)
    said = [((rule[female] > 0).mean() + (rule[~female] < 0).mean()) / 2 for rule in rules]
    return dict(zip((*SINGLE, FUSED), said, strict=True))


def judge(found: dict[str, Any], cohort: Path, options: SampleCohortOptions) -> bool:
    """Print what was reached; return whether it is enough."""
    best = dict(zip((*SINGLE, FUSED), options.best_balanced_accuracy.values(), strict=True))
    drawn = best_of_these(cohort, options)
    enough = True
    print(f"\n{'variant':<8}  accuracy  (95 % interval)  best possible  (of these people)  share of its margin")
    by_name = {variant["name"]: variant["balanced_accuracy"] for variant in found["variants"]}
    for name, possible in best.items():
        if name not in by_name:
            continue
        value, (low, high) = by_name[name]["value"], by_name[name]["interval"]
        share = (value - 0.5) / (possible - 0.5)
        enough &= share >= WANTED or options.mri_signal == "local"
        bests = f"{possible:.3f}          {drawn[name]:.3f}"
        print(f"{name:<8}  {value:.3f}     {low:.3f} to {high:.3f}   {bests}             {share:.1%}")
    single = max(SINGLE, key=lambda name: by_name[name]["value"] if name in by_name else 0.0)
    for each in found["differences"]:
        if each["variant"] == single and each["score"] != "accuracy":
            low, high = (-end for end in reversed(each["interval"] or (0.0, 0.0)))
            p = "-" if each["t_test"] is None else f"{each['t_test']['p']:.2g}"
            interval = f"{low:+.3f} to {high:+.3f}"
            print(f"{FUSED} - {single}, {each['score']}: {-each['value']:+.3f} ({interval}; t-test p = {p})")
            enough &= low > 0 or each["score"] != "balanced_accuracy"
    return enough


def beats_numbers(output: Path, datalist: Path) -> bool:
    """Print gated fusion beside the regression on numbers; return whether it is better in both scores."""
    numbers = numbers_of(datalist, output.parent / "preprocessed", DEMO)
    better = True
    print(f"\n{'':<17}  {FUSED + ' (95 % interval)':<25}{f'{NUMBERS} numbers':<25}difference")
    for name, columns in compared(*network_and_numbers(output, FUSED, numbers)):
        shown = (f"{value:.3f} ({low:.3f} to {high:.3f})" for value, low, high in columns)
        print(f"{name:<17}  {'   '.join(shown)}")
        better &= bool(columns[-1][1] > 0)
    return better


def main() -> int:
    """Compare and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, help="1000; with --hidden 500")
    parser.add_argument("--hidden", action="store_true", help="effects that no mean over head or electrodes shows")
    parser.add_argument("--eeg-effect", type=float, help="1.5; with --hidden 3")
    parser.add_argument("--mri-effect", type=float, help="1.8; with --hidden 3")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--folder", type=Path, help="keeps everything here and goes on with what is there")
    parser.add_argument("words", nargs="*", help="behind --, for every training")
    given = parser.parse_args()
    options = cohort_options(given)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        output = folder / "compare"
        overlay = ("--config-file", DEMO, "--bundle-root", BUNDLE)
        chosen = ("--variants", FUSED, *(() if given.hidden else SINGLE), "--folds", given.folds, "--seed", given.seed)
        datalist = make_cohort(folder, options)
        call("compare", datalist, "--output-dir", output, *chosen, *overlay, "--", *given.words)
        found = json.loads((output / "comparison.json").read_text(encoding="utf-8"))
        enough = judge(found, folder / "cohort", options)
        enough &= beats_numbers(output, datalist) or not given.hidden
    trained = sum(variant["minutes"] for variant in found["variants"])
    print(f"{trained:.0f} minutes of runs ({(time.monotonic() - started) / 60:.0f} in this call)")
    print("found" if enough else "NOT found")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
