"""A changed implementation cannot be missed by the preprocessed store."""

from pathlib import Path

import pytest

from tests.transforms import code_versions
from tests.transforms.code_versions import code_alone, current, main, recorded


def test_no_transform_changed_without_its_version() -> None:
    before, now = recorded(), current()
    changed = [name for name in now if name in before and before[name] != now[name]]
    unraised = [name for name in changed if before[name]["version"] == now[name]["version"]]
    assert not unraised, (
        f"the code of {', '.join(unraised)} changed under the same version: the preprocessed store would serve what "
        "the old code computed. Raise `version` in the class, or state that no number changed; see code_versions.py"
    )
    assert now == before, "record the new versions: python tests/transforms/code_versions.py"


def test_changed_code_is_noticed_and_changed_words_are_not() -> None:
    source = '"""Doc."""\n\n\ndef f(x):  # why\n    """Doc."""\n    return "# no comment", x + 1\n'
    assert code_alone(source) == 'def f(x):\n    return "# no comment", x + 1'
    assert code_alone(source.replace("Doc", "Other").replace("# why", "# because")) == code_alone(source)
    assert code_alone(source.replace("+ 1", "+ 2")) != code_alone(source)


@pytest.mark.parametrize(
    ("module", "affected"),
    [
        ("monai_fusion.transforms.electrode_zscore", {"ZScoreElectrodesd"}),
        ("monai_fusion.percentile_selection", {"LoadVolumed", "ScaleIntensityPercentilesd", "ResampleSlabd"}),
        ("monai_fusion.file_formats.nifti_header", {"LoadVolumed", "ScaleIntensityPercentilesd", "ResampleSlabd"}),
        ("monai_fusion.npy_header", {"LoadScalogramd"}),
        (
            "monai_fusion.file_formats.content",
            {"LoadScalogramd", "LoadVolumed", "ScaleIntensityPercentilesd", "ResampleSlabd"},
        ),
    ],
)
def test_a_change_reaches_every_transform_that_uses_the_module(
    module: str, affected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, _, name = module.rpartition(".")
    source = code_versions.path_of(module)
    for path in source.parent.glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    with (tmp_path / f"{name}.py").open("a") as stream:
        stream.write("\nCHANGED = True\n")
    before = current()
    monkeypatch.setattr(code_versions, "SOURCES", code_versions.SOURCES | {package: tmp_path})
    now = current()
    assert {name for name in now if now[name] != before[name]} == affected


def test_the_table_refuses_code_that_changed_under_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.json"
    table.write_text(code_versions.TABLE.read_text().replace(str(recorded()["LoadVolumed"]["code"]), "0" * 16, 1))
    before = table.read_text()
    monkeypatch.setattr(code_versions, "TABLE", table)
    assert main([]) == 1 and table.read_text() == before
    assert "LoadVolumed" in capsys.readouterr().out
    assert main(["--same-numbers", "LoadVolumed"]) == 0 and recorded() == current()
