"""Recordings of several sites, each in folders of its own, in one datalist; also on two drives of Windows."""

import json
from pathlib import Path, PureWindowsPath

import pytest

from monai_fusion import cli
from monai_fusion.datalist import check_datalist, read_datalist
from monai_fusion.datalist.building.assembling import rows_from
from monai_fusion.datalist.building.build_options import BuildOptions, FolderOptions, OutputOptions, TableOptions
from monai_fusion.datalist.building.new_datalist import build_datalist
from monai_fusion.datalist.paths import FilesBelow, below_root
from monai_fusion.datalist.roots import drive_of, is_on_another_drive, outermost
from monai_fusion.datalist.saving.document import Document, DocumentRow
from monai_fusion.errors import InputError
from tests.datalist.lines import Like

LEIPZIG = [f"lei-{number:02d}" for number in range(1, 21)]
BERLIN = [f"ber-{number:02d}" for number in range(1, 21)]


def site(place: Path, participants: list[str]) -> None:
    for folder in ("eeg", "mri"):
        (place / folder).mkdir(parents=True)
    for name in participants:
        for segment in (0, 1):
            (place / f"eeg/{name}_seg{segment}.npy").touch()
        (place / f"mri/{name}_T1w.nii.gz").touch()
    table = ["participant_id,gender", *(f"{name},{'MF'[n % 3 == 0]}" for n, name in enumerate(participants))]
    (place / "people.csv").write_text("\n".join(table) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site(tmp_path / "data/leipzig", LEIPZIG)
    site(tmp_path / "data/new/berlin", BERLIN)
    both = (tmp_path / "data/leipzig/people.csv").read_text(encoding="utf-8")
    both += (tmp_path / "data/new/berlin/people.csv").read_text(encoding="utf-8").partition("\n")[2]
    (tmp_path / "both.csv").write_text(both, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(command.split())
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def rows(path: str) -> dict[str, dict[str, object]]:
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    return {row["participant_id"]: row for part in ("training", "validation", "test") for row in document[part]}


FIRST = "datalist build --eeg-dir data/leipzig/eeg --mri-dir data/leipzig/mri --participants data/leipzig/people.csv"
SECOND = (
    "datalist build --eeg-dir data/new/berlin/eeg --mri-dir data/new/berlin/mri "
    "--participants data/new/berlin/people.csv"
)


@pytest.mark.parametrize("form", ["--eeg-dir {} {}", "--eeg-dir {} --eeg-dir {}"])
def test_two_sites_are_built_at_once_with_paths_from_the_folder_that_holds_both(
    form: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = form.format("data/leipzig/eeg", "data/new/berlin/eeg")
    options += f" {options.replace('eeg', 'mri')}"
    code, printed = call(capsys, f"datalist build {options} --participants both.csv --out all.json")
    assert code == 0, printed
    assert json.loads(Path("all.json").read_text(encoding="utf-8"))["data_root"] == "data"
    assert rows("all.json")["ber-01"]["eeg"] == "new/berlin/eeg/ber-01_*.npy"
    assert rows("all.json")["lei-01"]["mri"] == "leipzig/mri/lei-01_T1w.nii.gz"
    assert check_datalist("all.json") == []
    assert len(rows("all.json")) == 40


@pytest.mark.parametrize("root", ["", " --data-root data", " --data-root ."])
def test_a_site_in_another_folder_is_added_to_an_older_datalist(
    root: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, f"{FIRST} --out old.json")[0] == 0
    text = Path("old.json").read_text(encoding="utf-8")
    written = '"eeg": ["eeg/lei-02_seg0.npy", "eeg/lei-02_seg1.npy"]'
    Path("old.json").write_text(text.replace('"eeg": "eeg/lei-02_*.npy"', written), encoding="utf-8")
    before = read_datalist("old.json")
    code, printed = call(capsys, f"{SECOND} --extend old.json --out new.json{root}")
    assert code == 0, printed
    after = read_datalist("new.json")
    files = {
        record.participant_id: (record.section, record.eeg, record.mri)
        for section in after.sections
        for record in after.records(section)
    }
    assert len(files) == 40
    for section in before.sections:
        for record in before.records(section):
            assert files[record.participant_id] == (section, record.eeg, record.mri)


def test_who_is_in_folders_of_two_sites_is_a_question_with_both_paths(folder: Path) -> None:
    (folder / "data/new/berlin/mri/lei-03_T1w.nii.gz").touch()
    (folder / "data/new/berlin/eeg/lei-04_seg7.npy").touch()
    places = [folder / "data/leipzig", folder / "data/new/berlin"]
    options = BuildOptions(
        folders=FolderOptions(tuple(place / "eeg" for place in places), tuple(place / "mri" for place in places)),
        table=TableOptions(folder / "both.csv"),
        output=OutputOptions(folder / "all.json"),
    )
    with pytest.raises(InputError) as raised:
        build_datalist(options)
    assert [str(problem) for problem in raised.value.problems] == [
        Like(
            f"lei-04 eeg: 2 folders have files: {places[0]}/eeg/lei-04_seg0.npy and {places[1]}/eeg/lei-04_seg7.npy, "
            "expected files in one: which are meant? Leave out one --eeg-dir, … rename … participant"
        ),
        Like(
            f"lei-03 mri: 2 folders have files: {places[0]}/mri/lei-03_T1w.nii.gz and {places[1]}/mri/lei-03_T1w.nii.gz"
            ", expected files in one: which are meant? Leave out one --mri-dir, … rename … participant"
        ),
    ]
    assert not options.output.out.exists()


def test_a_folder_given_twice_or_inside_another_counts_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outermost([Path("a/b"), Path("a"), Path("a/"), Path("ab")]) == (Path("a"), Path("ab"))
    more = FIRST.replace("--mri-dir", "--eeg-dir data/leipzig data/leipzig/eeg --mri-dir")
    assert call(capsys, f"{more} --out all.json")[0] == 0
    assert rows("all.json")["lei-01"]["eeg"] == "eeg/lei-01_*.npy"


def test_one_of_several_folders_that_holds_nothing_is_reported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = call(capsys, f"{FIRST} --eeg-dir nowhere --out all.json")
    assert (code, printed) == (2, "error: EEG folder: nowhere: there is no such folder, expected a folder\n")


def test_a_data_root_that_does_not_hold_both_sites_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, f"{FIRST} --out old.json")
    code, printed = call(capsys, f"{SECOND} --extend old.json --out new.json --data-root data/new")
    assert (code, printed) == (
        2, f"error: --data-root: {folder}/data/new, expected a folder that holds {folder}/data\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "another"),
    [
        ("E:/new/eeg/a.npy", True),
        ("E:\\new\\eeg\\a.npy", True),
        ("//server/share/a.npy", True),
        ("D:/new/a.npy", False),  # relative would do
        ("d:/new/a.npy", False),
        ("E:a.npy", False),  # from wherever that drive's current folder is
        ("eeg/a.npy", False),
        ("/data/a.npy", False),
    ],
)
def test_a_path_on_another_drive_than_data_root_cannot_be_relative(path: str, another: bool) -> None:
    assert is_on_another_drive(path, PureWindowsPath("D:\\study")) == another
    assert not is_on_another_drive(path, Path("/study"))  # a datalist of Windows on another system: named as wrong


def test_paths_on_another_drive_are_found_written_and_kept(tmp_path: Path) -> None:
    """The drive is played by a folder: ``root / "E:/..."`` is below root here, and on drive E on Windows."""
    site(tmp_path / "E:/new", BERLIN)
    drive = PureWindowsPath("D:/study")
    pattern, reason = below_root("E:\\new\\./eeg\\ber-01_*.npy", drive)  # type: ignore[arg-type]
    assert (pattern, reason) == ("E:/new/eeg/ber-01_*.npy", "")
    files = FilesBelow(tmp_path)
    assert sorted(files.matching(pattern)) == ["E:/new/eeg/ber-01_seg0.npy", "E:/new/eeg/ber-01_seg1.npy"]
    assert files.named("E:/new/mri/ber-01_T1w.nii.gz") == ["E:/new/mri/ber-01_T1w.nii.gz"]
    assert files.same_but_for_case("E:/NEW/mri/ber-01_T1w.nii.gz") == "E:/new/mri/ber-01_T1w.nii.gz"
    assert below_root("E:/../..", drive)[1] != ""  # type: ignore[arg-type]
    assert [drive_of(text) for text in ("E:/a", "E:", "//server/share/a/b", "e:a", "a/E:/b", "")] == [
        "E:", "E:", "//server/share", "", "", ""
    ]  # fmt: skip
    row = DocumentRow("test", {"participant_id": "a", "eeg": ["E:/x/a.npy", "eeg/a.npy"], "mri": None})
    older = Document(tmp_path / "lists/old.json", {"data_root": "../data/both"}, (row,))
    assert [each.fields["eeg"] for each in rows_from(tmp_path, older)] == [["E:/x/a.npy", "data/both/eeg/a.npy"]]
