"""What a prediction says of each participant: the text of its column ``unlike_training``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.cohort_profile.comparing import differences
from monai_fusion.cohort_profile.participant_facts import participant_facts
from monai_fusion.cohort_profile.profile_file import CohortProfile, read_profile
from monai_fusion.cohort_profile.words import joined
from monai_fusion.datalist.availability import restricted_to
from monai_fusion.datalist.records import ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.run_folder import COHORT_PROFILE_FILE

logger = logging.getLogger(__name__)


def unlike_texts(
    profile: CohortProfile,
    records: Sequence[ParticipantRecord],
    settings: NumberSettings,
    done: Callable[[], object] = str,
    threads: int | None = None,
) -> list[str]:
    """Return for each participant what differs from a training part, the most unlike first; empty if nothing does.

    Args:
        profile: Of the training part.
        records: The participants; recordings that the model does not use are left out.
        settings: How the recordings are read.
        done: Called after each file.
        threads: How many threads read files; None: one for each core.

    Raises:
        InputError: A recording cannot be read.
    """
    used = [restricted_to(record, settings.modalities) for record in records]
    return [joined(differences(profile, facts)) for facts in participant_facts(used, settings, done, threads)]


class UnlikeTraining:
    """Tell how unlike the training participants of a model others are.

    Args:
        model: The run folder; without ``cohort_profile.json`` (earlier versions) nothing is compared, which is logged.
        settings: How the recordings are read.

    Raises:
        InputError: The profile is not one that a training writes.
    """

    def __init__(self, model: str | os.PathLike[str], settings: NumberSettings) -> None:
        self.profile = read_profile(model)
        self.settings = settings
        self._texts: dict[str, str | None] = {}
        if self.profile is None:
            logger.info(
                "the model has no %s (trained by an earlier version): "
                "the program does not report how unlike the training participants these are",
                COHORT_PROFILE_FILE,
            )

    def prepare(
        self, records: Sequence[ParticipantRecord], done: Callable[[], object] = str, threads: int | None = None
    ) -> None:
        """Compare many participants; without it each is compared when it is asked for.

        Args:
            records: The participants; recordings that the model does not use are left out.
            done: Called after each file.
            threads: How many threads read files; None: one for each core.
        """
        if self.profile is None:
            return
        try:
            texts: Sequence[str | None] = unlike_texts(self.profile, records, self.settings, done, threads)
        except InputError as error:
            # The files were prepared for the network: a chain of one's own may read what these numbers cannot.
            logger.warning("no comparison with the training participants: %s", error)
            texts = [None] * len(records)
        self._texts |= zip((record.participant_id for record in records), texts, strict=True)

    def __call__(self, record: ParticipantRecord, threads: int | None = None) -> str | None:
        """Return what differs, ``; `` between; empty if nothing does, None if it is not known."""
        if record.participant_id not in self._texts:
            self.prepare([record], threads=threads)
        return self._texts.get(record.participant_id)
