"""What is known of the participants of a datalist: problems, pictures, and who is unusual."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monai_fusion import __version__
from monai_fusion.baseline.participant_numbers import NumberSettings
from monai_fusion.datalist.changes.row_texts import FileText
from monai_fusion.datalist.contents.recording_files import Recording
from monai_fusion.datalist.examination import Examination
from monai_fusion.datalist.records import ParticipantRecord
from monai_fusion.datalist.reporting import Finding
from monai_fusion.datalist_page.looking import Looker
from monai_fusion.datalist_page.page import PageFacts
from monai_fusion.datalist_page.rows import findings_of, numbers_of_rows, records_of, text_of
from monai_fusion.datalist_page.unusual import Unusual, unusual
from monai_fusion.wording import counted

if TYPE_CHECKING:
    from monai_fusion.datalist.contents.checking import RecordingOpener


@dataclass
class Cohort:
    """A datalist, its rows by number, and what looks at the recordings.

    Attributes:
        examination: The datalist after the check.
        text: Its text in pieces.
        records: The participants by the number of their row, those left out too.
        looker: Sees the recordings while the check has them open.
    """

    examination: Examination
    text: FileText
    records: dict[int, ParticipantRecord]
    looker: Looker

    @classmethod
    def of(cls, examination: Examination, pictures: bool) -> Cohort:
        """Number the rows of a datalist.

        Raises:
            InputError: The file is no JSON, or has no rows.
        """
        text = text_of(examination)
        records = records_of(examination, numbers_of_rows(text))
        return cls(examination, text, records, Looker(records, pictures))

    def left_out_recordings(self) -> list[Recording]:
        """The files of the participants who are left out: the check does not open them, but a reader may look."""
        numbers = numbers_of_rows(self.text)
        return [
            Recording(row, field, path.name, path)
            for row in self.examination.left_out
            for record in [self.records[numbers[row.section, row.number - 1]]]
            for field, paths in (("eeg", record.eeg), ("mri", () if record.mri is None else (record.mri,)))
            for path in paths
            if path.is_file()
        ]

    def look_at_left_out(self, opener: RecordingOpener) -> None:
        """Take pictures of the participants who are left out; what is wrong with their files is no finding."""
        for recording in self.left_out_recordings():
            opener(recording)

    def unusual(self, settings: NumberSettings, done: Callable[[], object] = str) -> dict[int, Unusual]:
        """Compare each participant in use with the others, where the recordings can be used.

        Raises:
            InputError: A file changed after it was opened, or what stands beside it cannot be used.
        """
        left_out = {(row.section, row.number - 1) for row in self.examination.left_out}
        numbers = {number: place for place, number in numbers_of_rows(self.text).items()}
        records = [record for number, record in self.looker.usable_records().items() if numbers[number] not in left_out]
        return {int(name): each for name, each in unusual(records, settings, done).items()}

    def facts(self, findings: Iterable[Finding], of_unusual: dict[int, Unusual]) -> PageFacts:
        """All that the page shows."""
        layout, sheets = self.looker.layout()
        return PageFacts(
            self.examination,
            self.text,
            findings_of(findings, numbers_of_rows(self.text)),
            of_unusual,
            layout,
            sheets,
            about=_about(self.examination, layout is not None, of_unusual),
        )


def _about(examination: Examination, pictures: bool, of_unusual: dict[int, Unusual]) -> str:
    parts = [f"Made by monai-fusion {__version__} from {examination.path.name}. The page uses no network."]
    if pictures:
        parts.append("It shows pictures of participants: handle it as you handle the recordings.")
    if of_unusual:
        number = sum(each.score > 1 for each in of_unusual.values())
        looks = "looks" if number == 1 else "look"
        parts.append(f"{counted(number, 'participant')} of {len(of_unusual)} {looks} unusual; some do by chance.")
    return " ".join(parts)
