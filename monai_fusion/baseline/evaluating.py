"""From a datalist, and a network's predictions if there are any, to the content of ``baseline.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monai_fusion import __version__
from monai_fusion.baseline import baseline_file as schema
from monai_fusion.baseline.confound_results import balance_rows, confound_results
from monai_fusion.baseline.models import FeatureSet, feature_sets, tested
from monai_fusion.baseline.paired import own_scores, paired_differences
from monai_fusion.baseline.participant_numbers import (
    HEAD_VOLUME,
    Covariate,
    NumberSettings,
    ParticipantNumbers,
    covariate_of,
    numeric_fields,
    participant_numbers,
)
from monai_fusion.baseline.predictions import NetworkPredictions
from monai_fusion.baseline.ridge import Ridge, can_be_fitted, fit_ridge
from monai_fusion.baseline.words import warnings_of_baseline
from monai_fusion.datalist.availability import BOTH_REQUIRED, ModalityPolicy
from monai_fusion.datalist.examination import Requirements, examine
from monai_fusion.datalist.groups import participant_groups
from monai_fusion.datalist.json_text import parse_bytes
from monai_fusion.datalist.records import Datalist, ParticipantRecord
from monai_fusion.errors import InputError, Problem
from monai_fusion.metrics.clusters import as_groups
from monai_fusion.metrics.fields_of_scores import ClassCount
from monai_fusion.metrics.scores import Labels, ScoredCohort
from monai_fusion.wording import a_few, did_you_mean, quoted

LEARNED_FROM = {"training": (), "validation": ("training",), "test": ("training", "validation")}
"""The parts that a baseline learns from, by the tested part: those that the network learned from or was chosen on."""


@dataclass(frozen=True)
class BaselineSettings:
    """What is computed.

    Attributes:
        section: The tested part.
        numbers: How the recordings are read.
        covariates: Fields of the datalist; None for all that are numbers.
        residualise: Fields, or ``head_volume``, to remove from the numbers of the recordings within the training part.
        use: Who takes part, with which recordings.
    """

    section: str = "test"
    numbers: NumberSettings = field(default_factory=NumberSettings)
    covariates: tuple[str, ...] | None = None
    residualise: tuple[str, ...] = ()
    use: ModalityPolicy = BOTH_REQUIRED


def evaluate_baselines(
    datalist: Datalist, settings: BaselineSettings, network: NetworkPredictions | None = None
) -> schema.Baseline:
    """Fit the baselines on the training part, test them on the tested part, and compare a network with them.

    Args:
        datalist: The cohort; it may have been read for the tested part only.
        settings: What is computed.
        network: Its predictions of the tested part; None for none.

    Raises:
        InputError: Recordings of the tested part cannot be read, a named covariate does not exist, or no tested
            participant has a label.
    """
    section = settings.section
    records, notes = _records(datalist, settings)
    tested_there = [
        r for r in records if r.section == section and (network is None or r.participant_id in network.predicted)
    ]
    if not tested_there and network is not None and any(record.section == section for record in records):
        seen, wanted = "none of its participants was predicted", "the datalist that was evaluated"
        raise InputError(Problem(str(datalist.path), section, seen, wanted))
    if not tested_there:
        raise InputError(Problem(str(datalist.path), section, "no participant with a label", "participants to test"))
    records = [*(record for record in records if record.section != section), *tested_there]
    names = _covariate_names(records, settings.covariates, str(datalist.path))
    removed = _covariate_names(records, settings.residualise, str(datalist.path), "--residualise")
    try:
        numbers = participant_numbers(records, settings.numbers, names)
    except InputError as error:
        if len(tested_there) == len(records):
            raise
        notes.append(_not_readable(error))
        records = tested_there
        numbers = participant_numbers(records, settings.numbers, names)
    labels = np.array([record.label for record in records], dtype=np.int64)
    groups = participant_groups({record.participant_id: record.extra for record in records}, datalist.group_by)
    cohort = _Cohort(list(datalist.classes), records, labels, numbers, _named(numbers, removed, records), groups)
    return _result(datalist, settings, cohort, network, notes)


def check_fields(datalist: Datalist, names: Sequence[str], option: str) -> None:
    """Check that the datalist has these fields.

    Raises:
        InputError: It lacks one that is not `HEAD_VOLUME`.
    """
    records, _ = _records(datalist, BaselineSettings(use=ModalityPolicy(allow_missing=True)))
    _covariate_names(records, names, str(datalist.path), option)


@dataclass(frozen=True, eq=False)
class _Cohort:
    classes: list[str]
    records: Sequence[ParticipantRecord]
    labels: Labels
    numbers: ParticipantNumbers
    removed: tuple[Covariate, ...]
    groups: Mapping[str, str | None]

    def with_groups(self, predicted: ScoredCohort, rows: np.ndarray) -> ScoredCohort:
        return replace(predicted, groups=as_groups([self.groups[self.records[row].participant_id] for row in rows]))

    def rows(self, *sections: str) -> np.ndarray:
        return np.flatnonzero([record.section in sections for record in self.records])

    def counts(self, rows: np.ndarray) -> list[ClassCount]:
        found = np.bincount(self.labels[rows], minlength=len(self.classes)).tolist()
        return [ClassCount(class_name=name, participants=n) for name, n in zip(self.classes, found, strict=True)]


def _result(
    datalist: Datalist,
    settings: BaselineSettings,
    cohort: _Cohort,
    network: NetworkPredictions | None,
    notes: list[str],
) -> schema.Baseline:
    rows, learned = cohort.rows(settings.section), cohort.rows(*LEARNED_FROM[settings.section])
    own = None
    if network is not None:
        own = cohort.with_groups(network.cohort([cohort.records[row] for row in rows], cohort.labels[rows]), rows)
    results: list[schema.BaselineResult] = []
    if settings.section == "training":
        notes.append("no baselines: the tested participants are those that a baseline would learn from")
    elif not can_be_fitted(cohort.labels[learned]):
        notes.append("no baselines: the datalist has no training part with two participants of two classes")
    else:
        results = _baselines(cohort, learned, rows, own)
    covariates = cohort.numbers.all_covariates
    found = schema.Baseline(
        monai_fusion=__version__,
        datalist=datalist.name,
        section=settings.section,
        classes=cohort.classes,
        fitted=cohort.counts(learned),
        tested=cohort.counts(rows),
        residualised=[each.name for each in cohort.removed],
        baselines=results,
        balance=balance_rows(covariates, cohort.labels, cohort.classes),
        confounds=[] if own is None else confound_results(covariates, cohort.labels, rows, own),
        notes=notes,
        warnings=[],
    )
    return found.model_copy(update={"warnings": warnings_of_baseline(found)})


def _baselines(
    cohort: _Cohort, learned: np.ndarray, rows: np.ndarray, network: ScoredCohort | None
) -> list[schema.BaselineResult]:
    sets = feature_sets(cohort.numbers, cohort.removed)
    models: dict[str, Ridge] = {}
    predicted: dict[str, ScoredCohort] = {}
    for each in sets:
        models[each.name] = fit_ridge(each.features.rows(learned), cohort.labels[learned], len(cohort.classes))
        alone = tested(models[each.name], each.features.rows(rows), cohort.labels[rows])
        predicted[each.name] = cohort.with_groups(alone, rows)
    apart = {} if network is None else paired_differences(network, predicted)

    def result(each: FeatureSet) -> schema.BaselineResult:
        auroc, balanced_accuracy = own_scores(predicted[each.name], cohort.classes)
        return schema.BaselineResult(
            name=each.name,
            title=each.title,
            numbers=each.features.count,
            strength=models[each.name].strength,
            auroc=auroc,
            balanced_accuracy=balanced_accuracy,
            network_minus_auroc=apart.get((each.name, "auroc")),
            network_minus_balanced_accuracy=apart.get((each.name, "balanced_accuracy")),
        )

    return [result(each) for each in sets]


def _records(datalist: Datalist, settings: BaselineSettings) -> tuple[list[ParticipantRecord], list[str]]:
    """Everyone with a label who takes part; only the tested part if the others cannot be read."""
    notes = []
    path, content = datalist.path, parse_bytes(datalist.content)
    examined = examine(content, path, Requirements(labels=False, modalities=settings.use.modalities))
    if examined.problems:
        notes.append(
            "no baselines: the other parts of the datalist cannot be used "
            f"({a_few((str(problem) for problem in examined.problems), 1)})"
        )
        by_section = datalist.by_section
    else:
        by_section = examined.datalist().by_section
    used, _ = settings.use.select(record for records in by_section.values() for record in records)
    return [record for record in used if record.label is not None], notes


def _not_readable(error: InputError) -> str:
    return f"no baselines: recordings of the other parts cannot be read ({a_few((str(p) for p in error.problems), 1)})"


def _covariate_names(
    records: Sequence[ParticipantRecord], names: Sequence[str] | None, where: str, option: str = "--covariates"
) -> list[str]:
    if names is None:
        return list(numeric_fields(records))
    refuse_unknown_fields(names, (name for record in records for name in record.extra), where, option)
    return list(names)


def refuse_unknown_fields(names: Sequence[str], fields: Iterable[str], where: str, option: str) -> None:
    """Check that participants have these fields.

    Args:
        names: The fields to look for; `HEAD_VOLUME` is always there.
        fields: Those that they have.
        where: The datalist.
        option: That named them.

    Raises:
        InputError: One is not there.
    """
    there = dict.fromkeys(name for name in fields if name != "fold")
    unknown = [name for name in names if name not in there and name != HEAD_VOLUME]
    if unknown:
        wanted = f"fields of the datalist ({a_few(there, 8) or 'it has none'}) or {HEAD_VOLUME}"
        raise InputError(
            Problem(where, option, quoted(name), wanted, did_you_mean(name, [*there, HEAD_VOLUME])) for name in unknown
        )


def _named(
    numbers: ParticipantNumbers, names: Sequence[str], records: Sequence[ParticipantRecord]
) -> tuple[Covariate, ...]:
    volume = numbers.head_volume
    found = [volume if name == HEAD_VOLUME else covariate_of(records, name) for name in names]
    return tuple(each for each in found if each is not None)
