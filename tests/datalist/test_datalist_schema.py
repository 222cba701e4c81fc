"""The files in data_manifests/ agree with the models."""

import json
import re
from pathlib import Path

from monai_fusion.datalist import datalist_json_schema, read_datalist
from monai_fusion.datalist.saving.writing import datalist_text
from monai_fusion.datalist.schema import DatalistFile

MANIFESTS = Path(__file__).parents[2] / "data_manifests"


def test_the_committed_schema_is_current() -> None:
    committed = json.loads((MANIFESTS / "datalist.schema.json").read_text(encoding="utf-8"))
    assert committed == datalist_json_schema(), (
        "run: monai-fusion datalist schema --out data_manifests/datalist.schema.json"
    )


def test_the_schema_describes_every_field_and_allows_further_ones_in_rows_only() -> None:
    schema = datalist_json_schema()
    entry = schema["$defs"]["Entry"]
    assert set(schema["properties"]) == {
        "$schema", "name", "target", "classes", "data_root", "group_by", "training", "validation", "test"
    }  # fmt: skip
    assert set(entry["properties"]) == {"participant_id", "label", "eeg", "mri", "fold", "exclude"}
    assert all("description" in field for field in [*schema["properties"].values(), *entry["properties"].values()])
    assert (schema["additionalProperties"], entry["additionalProperties"]) == (False, True)
    pattern = re.compile(entry["properties"]["participant_id"]["pattern"])
    assert [bool(pattern.search(name)) for name in ("sub-01", "é 1", "", "a/b", "a\\b", " a", "a ", "a\nb")] == [
        True, True, False, False, False, False, False, False
    ]  # fmt: skip


def test_the_example_is_a_right_datalist_written_as_we_write_them() -> None:
    path = MANIFESTS / "example.json"
    example = read_datalist(path, require_files=False)
    assert [len(example.records(section)) for section in example.sections] == [3, 2, 3]
    text = path.read_text(encoding="utf-8")
    assert datalist_text(DatalistFile.model_validate_json(text)) == text


def test_the_clinicians_page_shows_rows_that_are_json() -> None:
    page = (MANIFESTS / "README.md").read_text(encoding="utf-8")
    rows = [line.rstrip(",") for line in page.splitlines() if line.startswith('{"participant_id"')]
    assert len(rows) >= 4
    for row in rows:
        assert "participant_id" in json.loads(row)
