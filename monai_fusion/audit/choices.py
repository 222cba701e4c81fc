"""What chose the epoch, the calibration and the settings, and how often the test part was looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monai_fusion.audit.audit_file import Check, Evaluation, Fact
from monai_fusion.audit.run_files import RunFiles, other_manifests
from monai_fusion.fingerprint import digest_of
from monai_fusion.report.epoch_score import epoch_score
from monai_fusion.report.number_text import count_participants, number
from monai_fusion.report.what_was_run import value_text, what_was_run
from monai_fusion.run_folder import EVALUATIONS
from monai_fusion.wording import counted, listed

_FEW = (
    20  # validation participants: the standard error of their mean cross-entropy is larger than what epochs differ by
)
_UNCHANGED = {"calibrate": (True, "true"), "allow_missing": (False, "false")}


def checks_of_choices(run: RunFiles) -> Iterator[Check]:
    """Check that nothing was chosen by the test part, as far as the files tell."""
    status = run.manifest.get("status")
    if status != "finished":
        seen = f"its status is {value_text(status)}"
        advice = "finish it with --resume true; the kept epoch is that of an unfinished training"
        yield Check(name="Training finished", status="note", seen=seen, advice=advice, source="manifest.json, status")
    yield _epoch_choice(run)
    yield from _fitted_on(run)
    yield from _scored_part(run)
    yield _number_of_evaluations(run)
    yield from _other_runs(run)


def choices_of(run: RunFiles) -> list[Fact]:
    """What chose the epoch, slope and threshold, on which participants; seeds and knobs."""
    return [*_epoch(run), *_calibration(run), *_settings(run)]


def evaluations_of(run: RunFiles) -> list[Evaluation]:
    """The evaluations in the manifest."""
    trained = run.part("datalist").get("digest")
    found = []
    for each in run.evaluations:
        settings = each.get("settings")
        participants = each.get("participants")
        found.append(
            Evaluation(
                time=value_text(each.get("time")),
                section=value_text(each.get("section")),
                participants=participants if isinstance(participants, int) else 0,
                datalist="trained" if each.get("datalist") == trained else value_text(each.get("datalist")),
                settings=_changed(settings if isinstance(settings, Mapping) else {}),
                settings_digest=value_text(each.get("settings_digest")),
            )
        )
    return found


def _changed(settings: Mapping[str, Any]) -> str:
    changed = {
        name: value for name, value in settings.items() if value is not None and value not in _UNCHANGED.get(name, ())
    }
    return ", ".join(f"{name} {value_text(value)}" for name, value in changed.items())


def _validated(run: RunFiles) -> int | None:
    part = run.part("data").get("validation")
    count = part.get("participants") if isinstance(part, Mapping) else None
    return count if isinstance(count, int) else None


def _epoch_choice(run: RunFiles) -> Check:
    name, source = "Epoch chosen without the test part", "manifest.json, identity.keep_epoch"
    keep = run.part("identity").get("keep_epoch")
    if keep == "last":
        return Check(name=name, status="right", seen="the last epoch, chosen before", source=source)
    if keep != "best":
        return Check(name=name, status="unknown", seen="the manifest does not say", source=source)
    count = _validated(run)
    on = "the validation part" if count is None else count_participants(count, "validation")
    seen = f"lowest {epoch_score(run.part('identity'))} of {on}"
    if count is not None and count < _FEW:
        return Check(
            name=name,
            status="note",
            seen=f"{seen}: so few choose an epoch nearly by chance",
            advice="--keep_epoch last needs no choice",
            source=source,
        )
    return Check(name=name, status="right", seen=seen, source=source)


def _fitted_on(run: RunFiles) -> Iterator[Check]:
    name = "Calibration and threshold fitted without the test part"
    metrics = run.results.metrics
    part = metrics.calibration.fitted_on if metrics else run.calibration.fitted_on if run.calibration else ""
    source = "metrics.json, calibration.fitted_on" if metrics else "calibration.json, fitted_on"
    if metrics and not metrics.calibration.applied:
        yield Check(name=name, status="right", seen="the network's own probabilities", source=source)
    elif not part:
        yield Check(name=name, status="unknown", seen="no file says on whom they were fitted", source=source)
    elif metrics and part == metrics.section:
        seen = f"fitted on the {part} part, which the scores are of"
        advice = "evaluate another part: these scores are optimistically biased"
        yield Check(name=name, status="wrong", seen=seen, advice=advice, source=source)
    else:
        yield Check(name=name, status="right", seen=f"fitted on {part}", source=source)


def _scored_part(run: RunFiles) -> Iterator[Check]:
    name, metrics = "Scores of participants whom the model has not seen", run.results.metrics
    if metrics is None:
        seen = run.results.metrics_note or "not evaluated yet"
        yield Check(name=name, status="unknown", seen=seen, source="metrics.json")
    elif metrics.section in ("training", "validation"):
        seen = f"metrics.json has the scores of the {metrics.section} part"
        advice = "report those of the test part"
        yield Check(name=name, status="wrong", seen=seen, advice=advice, source="metrics.json, section")
    else:
        biased = [text for text in metrics.warnings if "optimistically biased" in text]
        for text in biased:
            yield Check(name=name, status="wrong", seen=text, source="metrics.json, warnings")
        if not biased:
            seen = count_participants(metrics.participants, metrics.section)
            yield Check(name=name, status="right", seen=seen, source="metrics.json, section")


def _number_of_evaluations(run: RunFiles) -> Check:
    name, source = "Test part scored once", f"manifest.json, {EVALUATIONS}"
    tested = [each for each in evaluations_of(run) if each.section == "test"]
    if not tested:
        if run.results.metrics is None:
            return Check(name=name, status="right", seen="not scored yet", source=source)
        seen = "not counted: an earlier version evaluated it, or the run folder could not be written to"
        return Check(name=name, status="unknown", seen=seen, advice="say in the paper how often", source=source)
    settings = {(each.settings_digest, each.datalist) for each in tested}
    if len(settings) == 1:
        again = "" if len(tested) == 1 else f", {len(tested)} times with the same settings"
        return Check(name=name, status="right", seen=f"with one setting{again}", source=source)
    seen = f"{len(tested)} times, with {len(settings)} different settings or datalists"
    advice = "say which setting was decided before, and report all"
    return Check(name=name, status="note", seen=seen, advice=advice, source=source)


def _test_digest(manifest: Mapping[str, Any]) -> str | None:
    data = manifest.get("data")
    part = data.get("test") if isinstance(data, Mapping) else None
    digest = part.get("digest") if isinstance(part, Mapping) else None
    return digest if isinstance(digest, str) else None


def _other_runs(run: RunFiles) -> Iterator[Check]:
    """Runs beside this one that were scored on the same recordings: perhaps this one was chosen by its test scores."""
    here = _test_digest(run.manifest)
    if here is None:
        return
    others = [
        each
        for each in other_manifests(run.folder)
        if _test_digest(each) == here and isinstance(each.get(EVALUATIONS), list) and each[EVALUATIONS]
    ]
    if others:
        seeds = {digest_of(each.get("seed")) for each in [*others, run.manifest]}
        seen = f"{counted(len(others), 'other run')} beside this one was scored on the same test recordings"
        seen = seen if len(others) == 1 else seen.replace(" was ", " were ")
        seen += f" ({len(seeds)} seeds)" if len(seeds) > 1 else ""
        advice = "if this run was chosen for its test scores, they are optimistically biased: report all runs"
        yield Check(name="Other runs", status="note", seen=seen, advice=advice, source="manifest.json of the others")


def _epoch(run: RunFiles) -> Iterator[Fact]:
    identity, best = run.part("identity"), run.part("best").get("epoch")
    source = "manifest.json, identity and best"
    keep = identity.get("keep_epoch")
    if keep in ("best", "last"):
        count = _validated(run)
        on = count_participants(count, "validation") if count is not None else "the validation part"
        text = f"lowest {epoch_score(identity)} of {on}" if keep == "best" else "the last epoch, chosen by no score"
        kept = f"; epoch {best} was kept" if isinstance(best, int) else ""
        yield Fact(name="Epoch", value=f"{text}{kept}", source=source)
    for name, title in (("early_stopping", "Early stopping"), ("ema_decay", "Average of the weights (EMA)")):
        if identity.get(name) is not None:
            yield Fact(name=title, value=value_text(identity[name]), source=f"manifest.json, identity.{name}")
    if isinstance(run.manifest.get("seed"), int):
        one = f"{run.manifest['seed']}; one seed shows nothing of the variation between trainings"
        yield Fact(name="Seed", value=one, source="manifest.json, seed")


def _calibration(run: RunFiles) -> Iterator[Fact]:
    metrics, stored = run.results.metrics, run.calibration
    if metrics is not None:
        used = metrics.calibration
        source = "metrics.json, calibration"
        if not used.applied:
            yield Fact(name="Calibration", value="none: the network's own probabilities", source=source)
            return
        if used.fitted:
            on = count_participants(used.fitted_participants, used.fitted_on)
            slope = f"slope {number(used.slope)} and intercepts fitted on {on}"
            yield Fact(name="Calibration", value=slope, source=source)
        else:
            yield Fact(name="Calibration", value="slope and intercepts were not fitted", source=source)
        if used.target_prior:
            shares = zip(used.target_prior, metrics.classes, strict=True)
            text = listed([f"{number(share)} {name}" for share, name in shares])
            yield Fact(name="Class shares assumed", value=text, source=source)
        threshold = "" if used.threshold is None else f", threshold {number(used.threshold, 3)}"
        yield Fact(name="Decision", value=f"{value_text(used.operating_point)}{threshold}", source=source)
    elif stored is not None:
        on = count_participants(len(stored.predictions), stored.fitted_on)
        text = f"slope {number(stored.slope)} and intercepts fitted on {on}"
        yield Fact(name="Calibration", value=text, source="calibration.json")
        threshold = "" if stored.threshold is None else f", threshold {number(stored.threshold, 3)}"
        yield Fact(name="Decision", value=f"{value_text(stored.operating_point)}{threshold}", source="calibration.json")


def _settings(run: RunFiles) -> Iterator[Fact]:
    what = what_was_run(run.results)
    if what is None or not run.part("knobs"):
        return
    source = "manifest.json, knobs"
    if not what.knobs:
        text = "every knob has its shipped default: no setting was tuned to this cohort"
        yield Fact(name="Hyper-parameters", value=text, source=source)
        return
    text = ", ".join(f"{name} {value} (shipped: {shipped})" for name, value, shipped in what.knobs)
    more = f", and {what.further_knobs} more" if what.further_knobs else ""
    yield Fact(name="Hyper-parameters other than the shipped defaults", value=text + more, source=source)
