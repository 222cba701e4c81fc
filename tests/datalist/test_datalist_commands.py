"""``datalist build`` and ``datalist split`` as you type them: every option arrives, table and warning appear."""

import json
from pathlib import Path

import pytest

from monai_fusion import cli
from monai_fusion.cli import balance_table
from monai_fusion.datalist.building.build_options import (
    BuildOptions,
    FolderOptions,
    IdOptions,
    LabelOptions,
    OutputOptions,
    TableOptions,
)
from monai_fusion.datalist.choosing import Choice
from monai_fusion.datalist.saving.replacing import Replacing
from monai_fusion.datalist.split.split_options import SplitFiles, SplitOptions
from tests.commands import call

SPLIT = (
    "--method kfold --test-fraction 0.3 --validation-fraction 0.1 --seed 7 --stratify-by age site --group-by family "
    "--folds 4 --test-fold 1 --validation-fold 2 --all-folds --allow-missing --extend old.json --force"
)
SPLIT_OPTIONS = SplitOptions("kfold", 0.3, 0.1, 7, ("age", "site"), ("family",), 4, 1, 2, allow_missing=True)


class _ArrivedError(Exception):
    pass


def _stop(*arguments: object) -> None:
    raise _ArrivedError(*arguments)


def test_every_option_of_build_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.datalist.building.new_datalist.build_datalist", _stop)
    command = (
        "datalist build --out o.json --eeg-dir e --eeg-dir e2 --mri-dir m n --participants p.csv --sheet S --bids b "
        "--preset lemon "
        "--session 01 02 --t1w-pattern *x* * --eeg-condition EO --id-map n.csv --loose-ids --id-column ID "
        "--label-column age --classes a b c --label-map 1=a 2=b --bin x=1 --bin y=2,3 "
        f"--columns age site --drop-unlabelled --model run --name N --data-root r {SPLIT}"
    )
    with pytest.raises(_ArrivedError) as arrived:
        cli.main(command.split())
    assert arrived.value.args[0] == BuildOptions(
        folders=FolderOptions((Path("e"), Path("e2")), (Path("m"), Path("n")), Path("b")),
        choice=Choice(("01", "02"), ("*x*", "*"), "EO"),
        table=TableOptions(Path("p.csv"), "S", "lemon", ("age", "site")),
        labels=LabelOptions("age", ("a", "b", "c"), ("1=a", "2=b"), ("x=1", "y=2,3"), True, Path("run")),
        ids=IdOptions("ID", Path("n.csv"), True),
        split=SPLIT_OPTIONS,
        output=OutputOptions(Path("o.json"), "N", Path("r"), Path("old.json"), True, True),
    )


def test_without_options_build_has_the_librarys_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.datalist.building.new_datalist.build_datalist", _stop)
    with pytest.raises(_ArrivedError) as arrived:
        cli.main(["datalist", "build", "--out", "o.json"])
    assert arrived.value.args[0] == BuildOptions(output=OutputOptions(Path("o.json")))


@pytest.mark.parametrize("file_last", [False, True])
def test_every_option_of_split_arrives_wherever_the_file_is(file_last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.datalist.split.resplitting.split_datalist", _stop)
    options = f"{SPLIT} --keep-test --keep-folds --match age tiv --out o.json --group-by family"
    with pytest.raises(_ArrivedError) as arrived:
        cli.main(["datalist", "split", *(f"{options} g.json" if file_last else f"g.json {options}").split()])
    file, files, split_options, extend, measured = arrived.value.args
    assert (file, files, extend, measured) == (
        Path("g.json"),
        SplitFiles(Path("o.json"), Replacing(True, None, "g.json"), True),
        Path("old.json"),
        {},
    )
    expected = {**{name: getattr(SPLIT_OPTIONS, name) for name in SplitOptions.__slots__}}
    expected |= {"keep_test": True, "keep_folds": True, "group_by": ("family", "family"), "match": ("age", "tiv")}
    assert split_options == SplitOptions(**expected)


def test_splitting_without_options_needs_a_place_to_write(datalist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "datalist", "split", datalist)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {datalist} already exists, with a split of its own (")
    assert err.endswith(
        "To write another file, choose another --out. "
        f"--force replaces it and keeps the old file as {datalist}.1.bak.\n"
    )


@pytest.fixture
def datalist(tmp_path: Path) -> Path:
    """Eighty participants; nearly all of the F are old."""
    rows = [
        {
            "participant_id": f"sub-{n:02d}",
            "label": "MF"[n % 2],
            "eeg": "e.npy" if n == 0 else f"e{n}.npy",
            "mri": f"m{n}.nii",
            "age": "60-65" if n % 2 and n % 5 else "20-25",
        }
        for n in range(80)
    ]
    path = tmp_path / "gender.json"
    path.write_text(json.dumps({"target": "gender", "classes": ["M", "F"], "training": rows}), encoding="utf-8")
    return path


def test_the_table_and_the_warning_are_printed(datalist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(
        capsys, "datalist", "split", datalist, "--method", "kfold", "--folds", 2, "--stratify-by", "age", "--all-folds"
    )
    assert code == 0
    lines = [line.split() for line in out.splitlines() if line.strip()]
    first, second = (datalist.with_name(f"gender_fold{i}.json") for i in (0, 1))
    assert out.startswith(f"{first}: 80 participants split\n{second}: 80 participants split\n")
    assert ["n", "M", "F", "M", ":", "F", "age", "20-25", "age", "60-65"] in lines
    assert ["all", "80", "40", "40", "1.00", ":", "1", "48", "(40:8)", "32", "(0:32)"] in lines
    assert ["fold", "0", "40", "20", "20", "1.00", ":", "1", "24", "(20:4)", "16", "(0:16)"] in lines
    assert err == (
        "warning: age goes together with the class (Cramer's V 0.82, chi-squared p 2.8e-13): "
        "age is 20-25 in 100 % of M, 20 % of F. "
        "A network may learn age instead, and no split changes that: look within age, too.\n"
    )


def test_a_narrow_window_gets_a_table_for_each_column_and_no_cell_is_cut(
    datalist: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balance_table, "_WIDTH_OF_A_FILE", 60)
    code, out, _ = call(
        capsys, "datalist", "split", datalist, "--method", "stratified", "--stratify-by", "age", "--force"
    )
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["all", "80", "40", "40", "1.00", ":", "1"] in lines and ["all", "48", "(40:8)", "32", "(0:32)"] in lines
    assert "…" not in out and max(map(len, out.splitlines()[1:])) <= 60


def test_a_split_file_checks_and_reads_for_training(datalist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "datalist", "split", datalist, "--method", "stratified", "--force")[0] == 0
    document = json.loads(datalist.read_text(encoding="utf-8"))
    assert [len(document[section]) for section in ("training", "validation", "test")] == [54, 10, 16]
