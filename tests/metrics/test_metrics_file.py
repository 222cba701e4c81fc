"""``metrics.json``: it fits its schema and its page, for odd cohorts too."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema

from monai_fusion.evaluation.result_writer import ResultWriter
from monai_fusion.metrics import Prediction
from monai_fusion.metrics.metrics_file import Metrics, metrics_schema_text
from tests.metrics.people import calibration_of, cohort, predictions_of, sets_of, some_lacking

DOCS = Path(__file__).parents[2] / "docs"


def written_files(folder: Path) -> Iterator[dict[str, Any]]:
    """Files of usual and odd cohorts, as an evaluation writes them."""
    cohorts: list[tuple[list[Prediction], list[str], Any]] = [
        (cohort(), ["M", "F"], calibration_of(cohort())),
        (cohort(classes=3), ["a", "b", "c"], calibration_of(cohort(classes=3))),
        (cohort(90), ["M", "F"], None),
        (predictions_of([[0.9, 0.1]], [0]), ["M", "F"], None),
        (some_lacking(cohort()), ["M", "F"], None),
        (predictions_of([[0.9, 0.1]] * 4, [0, 1, 0, 1], recordings="eeg"), ["M", "F"], None),
        (predictions_of([[0.9, 0.1]] * 3, [0, None, 1]), ["M", "F"], None),
    ]
    for place, (rows, classes, calibration) in enumerate(cohorts):
        sets = sets_of(rows, len(classes)) if place in (0, 1, 3, 4) else None
        ResultWriter(folder / str(place), classes, calibration, "Köln", "test", sets=sets)(rows)
        text = (folder / str(place) / "metrics.json").read_text(encoding="utf-8")
        assert "NaN" not in text and "Infinity" not in text
        yield json.loads(text)


def test_what_is_written_fits_the_committed_schema(tmp_path: Path) -> None:
    schema = json.loads((DOCS / "metrics.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for content in written_files(tmp_path):
        validator.validate(content)
        assert Metrics.model_validate(content).model_dump(mode="json") == content
    assert content["datalist"] == "Köln"
    broken = content | {"participants": "ten"}
    assert not validator.is_valid(broken) and not validator.is_valid(content | {"more": 1})


def test_the_committed_schema_is_current_and_describes_every_field() -> None:
    text = (DOCS / "metrics.schema.json").read_text(encoding="utf-8")
    assert text == metrics_schema_text(), (
        "write monai_fusion.metrics.metrics_file.metrics_schema_text() to docs/metrics.schema.json"
    )
    schema = json.loads(text)
    for part in (schema, *schema["$defs"].values()):
        assert part["additionalProperties"] is False
        assert all("description" in field for field in part["properties"].values())


def test_the_page_lists_every_field_and_every_column(tmp_path: Path) -> None:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    listed = {name.replace("\\|", "|") for name in re.findall(r"^\| `([^`]+)`", page, flags=re.MULTILINE)}
    schema = json.loads((DOCS / "metrics.schema.json").read_text(encoding="utf-8"))
    fields = {name for part in (schema, *schema["$defs"].values()) for name in part["properties"]}
    list(written_files(tmp_path))
    head = (tmp_path / "4" / "predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    head = re.sub(r"_[MF]\b|_[MF](?=_in)", "_CLASS", head).replace("_in_EC", "_in_CONDITION")
    columns = set(re.sub(r"stratum_\w+", "stratum_FIELD", head.replace("_in_EO", "_in_CONDITION")).split(","))
    of_three = (tmp_path / "1" / "predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "share_a,share_b,share_c,threshold" in of_three
    assert fields | columns | {"share_CLASS", "group", "unlike_training", "not_used", "error"} == listed
