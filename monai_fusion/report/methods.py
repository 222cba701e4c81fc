"""A Methods section for a paper: the methods, the numbers of this run, and the references.

It contains only facts from the files of the run. It does not describe parts of the config that differ from the shipped
one: square brackets mark them, for the authors to fill in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from monai_fusion import __version__
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.metrics.fields_of_sets import SetsSection
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.metrics.operating_points import BALANCED, YOUDEN
from monai_fusion.options.configs import load_configs
from monai_fusion.report.epoch_score import epoch_score
from monai_fusion.report.number_text import count_participants, number, p_value
from monai_fusion.report.references import Citations
from monai_fusion.report.run_results import Results
from monai_fusion.report.what_was_run import commit_of, device_of, epochs_of, later_stages_train_more, value_text
from monai_fusion.shipped_bundle import shipped_bundle
from monai_fusion.wording import listed

METHODS_FILE = "methods.md"

_NAMES = {"torch": "PyTorch", "monai": "MONAI", "timm": "timm", "python": "Python", "scikit-learn": "scikit-learn"}
_ENCODERS = {
    "eeg": ("a ConvNeXt-Tiny", "convnext", "ImageNet", "imagenet"),
    "mri": ("an R3D-18", "r3d", "Kinetics-400", "kinetics"),
}
_JOINED = {
    "gated": "A learned gate weighed the two embeddings; the classifier saw their weighted sum and both of them.",
    "concat": "The classifier saw both embeddings side by side.",
    "mean": "The classifier saw the mean of the embeddings.",
}
_FOR_AUTHORS = re.compile(r"\s*\[[^\]\d][^\]]*\]")  # [1] is a reference
_REFERENCE = re.compile(r"@\w+(?:#\w+)+")
_MADE = (
    "monai-fusion wrote this text from the files of the run. You may use and change it freely; square brackets mark "
    "what the authors must fill in."
)


def methods_of(results: Results) -> str:
    """Write the paragraphs about an evaluation and its training, as Markdown that also reads as plain text."""
    cite = Citations()
    return join_paragraphs(_paragraphs(results, cite), cite)


def facts_of_methods(results: Results) -> dict[str, str]:
    """The same paragraphs by their headings, without the places that the authors must fill in.

    The numbers of references are those of `methods_of`.
    """
    written = {title: " ".join(sentences) for title, sentences in _paragraphs(results, Citations()).items()}
    known = {title: _FOR_AUTHORS.sub("", text).strip() for title, text in written.items()}
    return {title: text for title, text in known.items() if text}


def _paragraphs(results: Results, cite: Citations) -> dict[str, Iterator[str]]:
    manifest = results.manifest or {}
    return {
        "Participants": _data(results, manifest),
        "Recordings": _recordings(manifest, results),
        "Model": _model(manifest, results, cite),
        "Training": _training(manifest, results, cite),
        "Evaluation": _evaluation(results.metrics, results, cite),
        "Results": _results(results.metrics),
        "Software": _software(manifest, cite),
    }


def join_paragraphs(paragraphs: Mapping[str, Iterator[str]], cite: Citations) -> str:
    """Headings and paragraphs, without empty ones, then the references."""
    found = {title: " ".join(sentences) for title, sentences in paragraphs.items()}
    text = [f"## {title}\n\n{paragraph}" for title, paragraph in found.items() if paragraph]
    references = cite.listed()
    return (
        "\n\n".join([f"# Methods\n\n{_MADE}", *text, *([f"## References\n\n{references}"] if references else [])])
        + "\n"
    )


def _data(results: Results, manifest: Mapping[str, Any]) -> Iterator[str]:
    cohort = results.cohort
    if cohort is not None:
        whole = next((row for row in cohort.rows if row.part == "all"), None)
        if whole is not None:
            counts = listed([f"{count} {name}" for count, name in zip(whole.by_class, cohort.classes, strict=True)])
            yield f"The cohort ({cohort.name}) had {count_participants(whole.number)} ({counts})."
        parts = [f"{row.number} for {row.part}" for row in cohort.rows if row.part != "all"]
        if len(parts) > 1:
            yield f"They were split by participant: {listed(parts)}."
        if cohort.target:
            yield f"The model classifies {cohort.target} ({listed(list(cohort.classes), 'or')})."
    yield "[How participants were recruited, ethics approval, and which data were excluded.]"


def _recordings(manifest: Mapping[str, Any], results: Results) -> Iterator[str]:
    knobs = _knobs(manifest, results)
    if results.modalities != "mri":
        shape = _numbers(knobs.get("eeg_shape"), 3)
        if shape and _is_shipped(manifest, "eeg_preprocessing"):
            yield (
                f"Each EEG segment entered as a scalogram of {shape[2]} electrodes, {shape[0]} frequencies and "
                f"{shape[1]} time points, z-scored within each electrode."
            )
        yield "[Acquisition and preprocessing of the EEG, and how the scalograms were computed.]"
    if results.modalities != "eeg":
        size, depth = _numbers(knobs.get("mri_size"), 3), knobs.get("slab_depth")
        if size and isinstance(depth, int) and _is_shipped(manifest, "mri_preprocessing"):
            over = {"all": "all", "nonzero": "the nonzero"}.get(str(knobs.get("percentiles_over", "all")), "the")
            cut = "cut to the middle" if depth <= size[0] else "extended to"
            yield (
                f"MRI volumes were brought into {value_text(knobs.get('orientation', 'RAS'))} orientation, scaled so "
                f"that the 1st and 99th percentile of {over} voxels became 0 and 1, resampled to {size[0]} x "
                f"{size[1]} x {size[2]} voxels, and {cut} {depth} slices of the first axis."
            )
        yield "[Acquisition and preprocessing of the MRI.]"


def _model(manifest: Mapping[str, Any], results: Results, cite: Citations) -> Iterator[str]:
    if not _is_shipped(manifest, "network_def"):
        yield "[The network: its definition is not the shipped one, or the files do not contain it.]"
        return
    identity = _part(manifest, "identity")
    if results.modalities == "both":
        joined = _JOINED.get(str(identity.get("fusion")))
        eeg, mri = (_encoder(used, identity, cite) for used in ("eeg", "mri"))
        yield f"The EEG was encoded by {eeg}, and the MRI by {mri}, each projected to an embedding."
        if joined:
            yield joined
    else:
        used = results.modalities
        yield f"The {used.upper()} alone was used, encoded by {_encoder(used, identity, cite)}."


def _encoder(used: str, identity: Mapping[str, Any], cite: Citations) -> str:
    """``a ConvNeXt-Tiny [1] pretrained on ImageNet [2]``."""
    kind, work, on, data = _ENCODERS[used]
    name = f"{kind} {cite(work)}"
    if _part(identity, "files").get(f"{used}_weights"):
        return f"{name} that started from a file of weights [which one]"
    if identity.get("pretrained") is True:
        return f"{name} pretrained on {on} {cite(data)}"
    return f"{name} that started from random weights" if identity.get("pretrained") is False else name


def _training(manifest: Mapping[str, Any], results: Results, cite: Citations) -> Iterator[str]:
    identity, epochs = _part(manifest, "identity"), epochs_of(manifest)
    if epochs:
        more = "; in the second, more of the encoders was trained" if later_stages_train_more(manifest) else ""
        yield f"Training had two stages, of {epochs[0]} and {epochs[1]} epochs{more}."
    rates = [identity.get("head_lr"), identity.get("encoder_lr")]
    if all(isinstance(rate, int | float) for rate in rates) and _is_shipped(manifest, "optimizer"):
        schedule = ", decayed along a cosine" if _is_shipped(manifest, "lr_scheduler") else ""
        yield (
            f"AdamW {cite('adamw')} was used with learning rates of {rates[0]:g} (fusion head) and {rates[1]:g} "
            f"(encoders){schedule}, a weight decay of {identity.get('weight_decay')} and batches of "
            f"{identity.get('batch_size')} participants."
        )
    weight = identity.get("lambda_align")
    if isinstance(weight, int | float) and _is_shipped(manifest, "loss"):
        aligned = results.modalities == "both" and weight > 0
        extra = f" plus {weight:g} times one minus the cosine of the two embeddings" if aligned else ""
        yield f"The loss was the cross-entropy{extra}."
    if identity.get("balanced_sampling") is True:
        yield "Classes were sampled equally often."
    yield from _augmentation(manifest, results, cite)
    best = _part(manifest, "best").get("epoch")
    if identity.get("keep_epoch") == "best" and isinstance(best, int):
        yield f"The epoch with the lowest {epoch_score(identity)} was kept (epoch {best})."
    device, precision = device_of(manifest), identity.get("precision")
    if device and isinstance(precision, str):
        yield f"It ran in {precision} on {device}, with seed {manifest.get('seed')}."


def _augmentation(manifest: Mapping[str, Any], results: Results, cite: Citations) -> Iterator[str]:
    knobs = _knobs(manifest, results)
    chance = knobs.get("spec_augment_prob")
    masked = results.modalities != "mri" and isinstance(chance, int | float) and chance > 0
    if masked and _is_shipped(manifest, "eeg_augmentation"):
        yield f"Scalograms were masked in time and frequency with probability {chance:g} {cite('specaugment')}."
    flips, turns = _numbers(knobs.get("flip_prob"), 3), knobs.get("rotate_prob")
    if (
        results.modalities != "eeg"
        and flips
        and isinstance(turns, int | float)
        and _is_shipped(manifest, "mri_augmentation")
    ):
        yield (
            f"Volumes were flipped along their axes with probabilities {listed([f'{flip:g}' for flip in flips])}, and "
            f"rotated in the plane by up to {value_text(knobs.get('rotate_max_degrees'))} degrees (probability "
            f"{turns:g})."
        )


def _evaluation(metrics: Metrics | None, results: Results, cite: Citations) -> Iterator[str]:
    segments = "the mean over the participant's EEG segments" if results.modalities != "mri" else "one for each MRI"
    yield f"Each participant had one prediction, {segments}."
    if metrics is not None:
        yield from _calibration(metrics, cite)
        yield from _prediction_sets(metrics.prediction_sets, cite)
        yield from _intervals_and_tests(metrics, cite)


def _calibration(metrics: Metrics, cite: Citations) -> Iterator[str]:
    calibration = metrics.calibration
    if not calibration.applied:
        return
    on = count_participants(calibration.fitted_participants, calibration.fitted_on)
    if calibration.fitted:
        yield (
            f"Probabilities were calibrated by logistic recalibration {cite('recalibration')} of the network's "
            f"evidence (slope and intercept, classes weighted equally, shrunk towards no change), fitted on {on}."
        )
    else:
        yield f"Slope and intercept of a recalibration were not fitted ({on})."
    if calibration.target_prior:
        shares = zip(calibration.target_prior, metrics.classes, strict=True)
        yield (
            f"Class shares were corrected to {listed([f'{number(share)} {name}' for share, name in shares])} "
            f"{cite('prior')}."
        )
    if calibration.operating_point == BALANCED:
        yield "The predicted class was the most probable one at equal class shares."
    elif calibration.operating_point == YOUDEN:
        yield f"The threshold maximised Youden's index {cite('youden')} on the same participants."


def _prediction_sets(sets: SetsSection | None, cite: Citations) -> Iterator[str]:
    if sets is None:
        return
    of = "each class" if sets.by_class else "all participants"
    yield (
        f"Prediction sets were calibrated by split conformal prediction {cite('conformal')} with the least "
        f"ambiguous score {cite('sets')} on "
        f"{count_participants(sets.calibration_participants, sets.calibrated_on)}, for a coverage of "
        f"{sets.coverage:g} of {of}; the predicted class is always in the set."
    )


def _intervals_and_tests(metrics: Metrics, cite: Citations) -> Iterator[str]:
    methods = {score.method for _, score in metrics.scores if isinstance(score, Score) and score.method}
    kinds = []
    grouped = metrics.groups is not None and metrics.groups.resampled
    unit = "whole groups" if grouped else "participants within each class"
    if metrics.groups is not None and grouped:
        yield (
            f"Participants of one {' or '.join(metrics.groups.fields)} are not independent: intervals and tests treat "
            f"the {metrics.groups.groups} groups, not the participants, as independent."
        )
    if methods & {"bca", "percentile", "bca or wilson, combined"}:
        kinds.append(f"of the bootstrap ({metrics.bootstrap_draws} samples of {unit}, BCa {cite('bca')})")
    if any(method.startswith("wilson") for method in methods):
        effect = f" with the design effect of the groups {cite('design_effect')}" if grouped else ""
        kinds.append(f"Wilson's for proportions {cite('wilson')}{effect}")
    if any(method.startswith("newcombe") for method in methods):
        kinds.append(f"Newcombe's for {'the AUROC' if grouped else 'an AUROC of 0 or 1'} {cite('newcombe')}")
    if kinds:
        yield f"Intervals are 95 % intervals: {', '.join(kinds)}."
    if metrics.permutation.tests:
        draws, source = metrics.permutation.draws, cite("permutation")
        exchange = f", of whole groups of one size and within groups {cite('blocks')}" if grouped else ""
        yield f"p-values are one-sided, from {draws} label permutations {source}{exchange}."


def _results(metrics: Metrics | None) -> Iterator[str]:
    if metrics is None:
        return
    test = metrics.permutation.tests[0] if metrics.permutation.tests else None
    counts = listed([f"{each.participants} {each.class_name}" for each in metrics.class_counts])
    scores = [
        _score("AUROC", metrics.scores.auroc, test.auroc if test else None),
        _score("balanced accuracy", metrics.scores.balanced_accuracy, test.balanced_accuracy if test else None),
        _score("accuracy", metrics.scores.accuracy, None),
    ]
    yield f"In {count_participants(metrics.participants, metrics.section)} ({counts}): {'; '.join(scores)}."
    sets = metrics.prediction_sets
    if sets is not None:
        held = _score("the true class was in the prediction set for a share of", sets.covered, None)
        yield f"{held[:1].upper()}{held[1:]}; a share of {number(sets.undecided)} was undecided."


def _score(name: str, score: Score, p: float | None) -> str:
    if score.value is None:
        return f"{name} not defined ({score.note})"
    inside = [f"95 % interval {number(score.interval[0])} to {number(score.interval[1])}"] if score.interval else []
    inside += [f"p = {p_value(p)}"] if p is not None else []
    return f"{name} {number(score.value)}" + (f" ({', '.join(inside)})" if inside else "")


def _software(manifest: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    versions = _part(manifest, "versions")
    commit = commit_of(manifest)
    program = value_text(versions.get("monai-fusion") or __version__)
    works = {"torch": "pytorch", "monai": "monai"}
    others = [
        f"{title} {value_text(versions[name])}" + (f" {cite(works[name])}" if name in works else "")
        for name, title in _NAMES.items()
        if versions.get(name)
    ]
    with_others = f", with {listed(others)}" if others else ""
    yield f"monai-fusion {program}{f' (commit {commit})' if commit else ''}{with_others}."
    digest = _part(manifest, "datalist").get("digest")
    if isinstance(digest, str):
        yield f"The datalist has the digest {digest}."


def _is_shipped(manifest: Mapping[str, Any], part: str) -> bool:
    """Whether a part of the training's config is that of the shipped train.yaml."""
    shipped = _shipped()
    return part in shipped and _as_parsed(_part(manifest, "config").get(part)) == _as_parsed(shipped[part])


def _as_parsed(value: Any) -> Any:
    """A part of a config, its references as in a parsed one: ``@paths#datalist`` is ``@paths::datalist``."""
    if isinstance(value, Mapping):
        return {name: _as_parsed(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_parsed(each) for each in value]
    return _REFERENCE.sub(lambda found: found[0].replace("#", "::"), value) if isinstance(value, str) else value


@cache
def _shipped() -> Mapping[str, Any]:
    try:
        return load_configs([shipped_bundle() / "configs" / "train.yaml"])
    except (OSError, ValueError):
        return {}


def _knobs(manifest: Mapping[str, Any], results: Results) -> Mapping[str, Any]:
    return {**(results.recipe or {}), **_part(manifest, "knobs")}


def _numbers(value: Any, count: int) -> list[float] | None:
    right = (
        isinstance(value, list | tuple) and len(value) == count and all(isinstance(one, int | float) for one in value)
    )
    return list(value) if right else None


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    return value if isinstance(value, Mapping) else {}
