"""What the files of a run say, under the names by which ``items.yaml`` asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from monai_fusion.audit.audit_file import Characteristic, Check, Fact, FlowRow, LeftOut
from monai_fusion.audit.choices import evaluations_of
from monai_fusion.audit.run_files import RunFiles
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.report.methods import facts_of_methods
from monai_fusion.report.number_text import count_participants, number, signed
from monai_fusion.report.what_was_run import value_text
from monai_fusion.wording import counted, listed

_PARAGRAPHS = {
    # heading in the Methods section, name in items.yaml, files
    "Participants": ("cohort", "report_data.json, datalist"),
    "Recordings": ("recordings", "manifest.json, config"),
    "Model": ("model", "manifest.json, config and identity"),
    "Training": ("training", "manifest.json, identity and config"),
    "Evaluation": ("evaluation", "metrics.json"),
    "Results": ("results", "metrics.json, scores"),
    "Software": ("software", "manifest.json, versions and git"),
}


def facts_of(
    run: RunFiles,
    checks: Sequence[Check],
    choices: Sequence[Fact],
    flow: Sequence[FlowRow],
    left_out: Sequence[LeftOut],
    characteristics: Sequence[Characteristic],
) -> dict[str, Fact]:
    """Everything that the files of a run say; what they do not say has no entry."""
    found: list[Fact] = []
    for title, text in facts_of_methods(replace(run.results, cohort=run.cohort)).items():
        name, source = _PARAGRAPHS[title]
        found.append(Fact(name=name, value=text, source=source))
    found += [Fact(name=each.name.split(" ")[0].lower(), value=each.value, source=each.source) for each in choices]
    found += _of_participants(run, flow, left_out, characteristics)
    found += _of_checks(checks)
    found += _of_training(run)
    if run.results.metrics is not None:
        found += _of_metrics(run.results.metrics)
    found += [*_internal(run), *_of_baseline(run), *_of_predictions(run)]
    return {each.name: each for each in found}


def _of_participants(
    run: RunFiles, flow: Sequence[FlowRow], left_out: Sequence[LeftOut], characteristics: Sequence[Characteristic]
) -> Iterator[Fact]:
    parts = [f"{row.part} {row.listed - row.excluded}" for row in flow]
    yield Fact(name="partition", value=f"participants by part: {listed(parts)}", source="datalist")
    classes = [each for each in characteristics if each.field == "class"]
    if classes:
        counts = [
            f"{each.category}: {', '.join(f'{part} {n}' for part, n in each.by_part.items())}" for each in classes
        ]
        yield Fact(name="events", value="; ".join(counts), source="datalist, label")
    excluded = sum(row.excluded for row in flow)
    reasons = ", ".join(f"{each.reason} ({each.participants}, {each.part})" for each in left_out)
    text = f"{excluded} of {counted(sum(row.listed for row in flow), 'listed participant')} excluded"
    yield Fact(name="flow", value=f"{text}{f': {reasons}' if reasons else ''}", source="datalist, exclude")
    fields = list(dict.fromkeys(each.field for each in characteristics if each.field not in ("class", "recordings")))
    if fields:
        yield Fact(name="characteristics", value=f"{listed(fields)} by part: see the table", source="datalist")
    missing = {each.field: each.missing for each in characteristics if each.missing}
    if missing:
        text = ", ".join(f"{name} {count}" for name, count in missing.items())
        yield Fact(name="missing_values", value=f"participants without a value: {text}", source="datalist")


def _of_checks(checks: Sequence[Check]) -> Iterator[Fact]:
    disjoint = [check for check in checks if check.name.startswith("No ")]
    right = [f"{check.name.lower()}: {check.seen}" for check in disjoint if check.status == "right"]
    if right and not any(check.status == "wrong" for check in disjoint):
        yield Fact(name="disjoint", value="; ".join(right), source="datalist, recipe.json, store")
    sites = [check for check in checks if check.name == "New site"]
    if sites:
        yield Fact(name="sites", value="; ".join(check.seen for check in sites), source="datalist")


def _of_training(run: RunFiles) -> Iterator[Fact]:
    identity = run.part("identity")
    if "allow_missing" in identity:
        used = {"both": "EEG and MRI", "eeg": "the EEG alone", "mri": "the MRI alone"}[run.results.modalities]
        allowed = identity["allow_missing"] is True
        text = "participants with one recording took part" if allowed else "only participants who have all of it"
        yield Fact(name="missing", value=f"used: {used}; {text}", source="manifest.json, identity.allow_missing")
    if isinstance(identity.get("pretrained"), bool):
        files = identity.get("files")
        own = isinstance(files, dict) and any(files.values())
        start = "ImageNet and Kinetics-400" if identity["pretrained"] else "random numbers"
        text = f"{start}{', and files of weights' if own else ''}"
        yield Fact(name="initial", value=text, source="manifest.json, identity.pretrained")
    if isinstance(identity.get("balanced_sampling"), bool):
        drawn = "every class drawn equally often" if identity["balanced_sampling"] else "classes drawn as they come"
        weights = identity.get("class_weights")
        text = f"{drawn}{f'; class weights {value_text(weights)}' if weights is not None else ''}"
        yield Fact(name="imbalance", value=text, source="manifest.json, identity.balanced_sampling")
    if isinstance(run.recipe.get("members"), int):
        text = f"mean of {run.recipe['members']} models of one architecture"
        yield Fact(name="ensemble", value=text, source="recipe.json, members")
    digests = {name: run.part(name).get("digest") for name in ("datalist", "weights")}
    known = [f"{name} {value_text(digest)}" for name, digest in digests.items() if isinstance(digest, str)]
    if known:
        yield Fact(name="digests", value=f"digests: {listed(known)}", source="manifest.json")


def _of_metrics(metrics: Metrics) -> Iterator[Fact]:
    found = metrics.calibration
    both = (("slope", found.calibration_slope), ("intercept", found.calibration_intercept))
    measured = [f"{name} {number(one.value)}" for name, one in both if one is not None and one.value is not None]
    if measured:
        source = "metrics.json, calibration.calibration_slope"
        yield Fact(name="calibration_measured", value=f"calibration {listed(measured)}", source=source)
    fields = list(dict.fromkeys(row.field for row in metrics.strata))
    if fields:
        text = f"scores with intervals by {listed(fields)}: report.html, By stratum"
        yield Fact(name="subgroups", value=text, source="metrics.json, strata")
    if metrics.modalities is not None:
        lost = (("EEG", metrics.modalities.without_eeg), ("MRI", metrics.modalities.without_mri))
        text = "; ".join(f"without the {name}: AUROC {number(row.auroc)}" for name, row in lost)
        yield Fact(name="robustness", value=text, source="metrics.json, modalities")


def _internal(run: RunFiles) -> Iterator[Fact]:
    """The test part of the training's own datalist: only if the last scores are known to be of it."""
    metrics = run.results.metrics
    scored = evaluations_of(run)
    if metrics is None or metrics.section != "test" or not scored or scored[-1].datalist != "trained":
        return
    text = f"test part of the training's datalist, {count_participants(metrics.participants)}"
    yield Fact(name="internal", value=text, source="metrics.json, section; manifest.json, evaluations")


def _of_baseline(run: RunFiles) -> Iterator[Fact]:
    baseline = run.results.baseline
    if baseline is None or not baseline.baselines:
        return
    best = max(baseline.baselines, key=lambda each: -1.0 if each.auroc.value is None else each.auroc.value)
    difference = best.network_minus_auroc
    less = (
        f", the network {signed(difference.value)}" if difference is not None and difference.value is not None else ""
    )
    text = f"logistic regression on {best.title}: AUROC {number(best.auroc.value)}{less}"
    yield Fact(name="plain_numbers", value=text, source="baseline.json, baselines")


def _of_predictions(run: RunFiles) -> Iterator[Fact]:
    labelled = run.results.labelled
    if labelled:
        wrong = sum(participant.wrong for participant in labelled)
        text = f"{wrong} of {count_participants(len(labelled))} classified wrongly: report.html, Errors"
        yield Fact(name="failures", value=text, source="predictions.csv")
