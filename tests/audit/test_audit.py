"""``monai-fusion audit``: what it finds, what it fills in, and what it leaves to the author."""

from __future__ import annotations

import shutil
import statistics
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_fusion.audit.citation import bibtex_of
from monai_fusion.audit.page import audit_run, render_audit
from monai_fusion.audit.reporting import guidelines
from monai_fusion.errors import InputError
from monai_fusion.report.methods import methods_of
from monai_fusion.report.run_results import read_results
from tests.audit.conftest import EVALUATION, AuditedRun
from tests.commands import call
from tests.report.page_reader import Page

Capture = pytest.CaptureFixture[str]
RECORDINGS, FAMILIES = "No recording in two parts", "No family in two parts"


def test_a_run_with_nothing_wrong_ends_with_exit_code_0_and_two_files(run: AuditedRun, capsys: Capture) -> None:
    code, out, err = call(capsys, "audit", run.folder)
    assert (code, err) == (0, "")
    assert "Nothing wrong was found" in out and "wrong:" not in out
    found = run.statuses()
    assert {name for name, status in found.items() if status == "right"} == {
        *("Same datalist as in the training", "No participant in two parts", RECORDINGS, FAMILIES),
        "Calibration and threshold fitted without the test part",
        *("Scores of participants whom the model has not seen", "Test part scored once"),
    }
    # two validation participants choose an epoch by chance, and both sites are in all parts
    assert {name for name, status in found.items() if status == "note"} == {
        "Epoch chosen without the test part",
        "New site",
    }
    assert (run.folder / "audit.html").is_file()


def test_the_same_files_give_the_same_page(run: AuditedRun, capsys: Capture, tmp_path: Path) -> None:
    call(capsys, "audit", run.folder)
    code, _, _ = call(capsys, "audit", run.folder, "--out", tmp_path / "new" / "folder")
    assert code == 0
    for name in ("audit.html", "audit.json"):
        assert (tmp_path / "new" / "folder" / name).read_bytes() == (run.folder / name).read_bytes()


def test_the_page_names_the_score_that_chose_the_epoch(run: AuditedRun, capsys: Capture) -> None:
    call(capsys, "audit", run.folder)
    (epoch,) = (fact for fact in run.audit()["choices"] if fact["name"] == "Epoch")
    chosen = "lowest validation cross-entropy (each class weighted equally) of 2 validation participants"
    assert epoch["value"] == f"{chosen}; epoch 6 was kept"
    run.edit("manifest.json", lambda manifest: manifest["identity"].pop("epoch_score"))  # of an earlier version
    call(capsys, "audit", run.folder)
    (epoch,) = (fact for fact in run.audit()["choices"] if fact["name"] == "Epoch")
    assert epoch["value"] == "lowest validation cross-entropy of 2 validation participants; epoch 6 was kept"


def test_a_participant_in_two_parts_is_wrong(run: AuditedRun, capsys: Capture) -> None:
    run.sections["test"].append({**run.sections["training"][0]})
    run.write()
    code, out, _ = call(capsys, "audit", run.folder)
    assert code == 1 and "wrong: No participant in two parts: p0" in out


def test_one_recording_under_two_ids_is_wrong_and_names_both(run: AuditedRun, capsys: Capture) -> None:
    shutil.copyfile(run.data / "p1.nii", run.data / "p9.nii")
    run.write()
    code, out, _ = call(capsys, "audit", run.folder)
    assert code == 1
    assert "wrong: No recording in two parts: 2 recordings of the training part also in the test part (p1, p9)" in out


def test_without_a_store_the_recipe_alone_shows_a_recording_in_training_and_validation(
    run: AuditedRun, capsys: Capture
) -> None:
    shutil.rmtree(run.store)
    run.edit("recipe.json", lambda recipe: recipe["validated_on"].append(recipe["trained_on"][0]))
    code, out, _ = call(capsys, "audit", run.folder)
    assert code == 1 and "of the training part also in the validation part" in out
    assert "the contents of 8 recordings are not known; nothing is known of the test part" in out


def test_a_family_in_two_parts_is_wrong_by_its_name_or_by_group_by(run: AuditedRun, capsys: Capture) -> None:
    run.sections["test"][0]["family"] = "f0"
    for group_by in ([], ["family"]):
        run.head["group_by"] = group_by
        run.write()
        code, out, _ = call(capsys, "audit", run.folder)
        assert code == 1 and 'wrong: No family in two parts: family: 1 of 5 groups is in several parts: "f0"' in out


def test_without_a_field_of_families_the_audit_does_not_say_that_there_are_none(
    run: AuditedRun, capsys: Capture
) -> None:
    for row in (row for rows in run.sections.values() for row in rows):
        del row["family"]
    run.head["group_by"] = []
    run.write()
    code, out, _ = call(capsys, "audit", run.folder)
    assert code == 0 and "not known: No family in two parts" in out
    assert "family" not in " ".join(fact["value"] for fact in run.items()["CLAIM 2024 20"]["facts"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda metrics: metrics.update(section="validation"), "the scores of the validation part"),
        (lambda metrics: metrics["calibration"].update(fitted_on="test"), "fitted on the test part"),
        (
            lambda metrics: metrics["warnings"].append("this model has learned from 3: optimistically biased"),
            "has learned from 3",
        ),
    ],
)
def test_scores_of_participants_who_chose_or_taught_the_model_are_wrong(
    run: AuditedRun, capsys: Capture, change: Any, words: str
) -> None:
    run.edit("metrics.json", change)
    code, out, _ = call(capsys, "audit", run.folder)
    assert code == 1 and words in out


def test_every_evaluation_is_listed_and_several_settings_are_a_note(run: AuditedRun, capsys: Capture) -> None:
    youden = {**EVALUATION, "settings": {**EVALUATION["settings"], "operating_point": "youden"}}  # type: ignore[dict-item]
    run.write([EVALUATION, {**youden, "settings_digest": "bb"}, {**EVALUATION, "datalist": "another <b>"}])
    code, out, _ = call(capsys, "audit", run.folder)
    assert code == 0 and "note: Test part scored once: 3 times, with 3 different settings or datalists" in out
    listed = run.audit()["evaluations"]
    assert [each["settings"] for each in listed] == ["", "operating_point youden", ""]
    assert [each["datalist"] for each in listed] == ["trained", "trained", "another <b>"]


def test_the_same_evaluation_again_is_no_choice(run: AuditedRun, capsys: Capture) -> None:
    run.write([EVALUATION] * 3)
    call(capsys, "audit", run.folder)
    assert run.statuses()["Test part scored once"] == "right"


def test_scores_that_no_manifest_counts_are_not_taken_for_the_first(run: AuditedRun, capsys: Capture) -> None:
    run.edit("manifest.json", lambda manifest: manifest.pop("evaluations"))
    code, out, _ = call(capsys, "audit", run.folder)
    assert code == 0 and "not known: Test part scored once: not counted" in out
    assert run.items()["CLAIM 2024 32"]["status"] == "author"  # nothing shows that it was the training's own datalist


def test_other_runs_scored_on_the_same_test_recordings_are_a_note(run: AuditedRun, capsys: Capture) -> None:
    other = run.folder.parent / "other"
    other.mkdir()
    shutil.copyfile(run.folder / "manifest.json", other / "manifest.json")
    _, out, _ = call(capsys, "audit", run.folder)
    assert "note: Other runs: 1 other run beside this one was scored on the same test recordings" in out


def test_a_run_that_was_not_scored_can_be_audited(run: AuditedRun, capsys: Capture) -> None:
    for name in ("predictions.csv", "metrics.json", "report_data.json"):
        (run.folder / name).unlink()
    run.write([])
    code, _, _ = call(capsys, "audit", run.folder)
    assert code == 0 and run.statuses()["Test part scored once"] == "right"
    items = run.items()
    assert items["TRIPOD+AI 23a"]["status"] == items["CLAIM 2024 37"]["status"] == "author"


def test_flow_and_characteristics_have_the_numbers_of_the_datalist(run: AuditedRun, capsys: Capture) -> None:
    run.sections["training"][0]["exclude"] = "moved <script>alert(1)</script>"
    del run.sections["training"][1]["age"]
    run.write()
    call(capsys, "audit", run.folder)
    found = run.audit()
    assert [(row["part"], row["listed"], row["excluded"]) for row in found["flow"]] == [
        ("training", 6, 1),
        ("validation", 2, 0),
        ("test", 4, 0),
    ]
    assert found["left_out"][0]["participants"] == 1
    rows = {(row["field"], row["category"]): row for row in found["characteristics"]}
    ages = [22, 23, 24, 25]  # p0 is excluded, p1 has no age
    assert rows["age", ""]["by_part"]["training"] == f"{statistics.mean(ages)} ({statistics.stdev(ages):.3g})"
    assert rows["age", ""]["missing"] == 1
    assert rows["class", "M"]["by_part"] == {"training": "2 (40 %)", "validation": "1 (50 %)", "test": "2 (50 %)"}
    assert rows["site", "B"]["by_part"]["training"] == "3 (60 %)"
    assert not any(field == "family" for field, _ in rows)


def test_text_of_the_datalist_is_no_markup_of_the_page(run: AuditedRun, capsys: Capture) -> None:
    run.sections["training"][0]["exclude"] = "moved <script>alert(1)</script>"
    run.sections["test"][0]["family"] = run.sections["training"][2]["family"] = "<img src=x onerror=alert(1)>"
    run.write()
    assert call(capsys, "audit", run.folder)[0] == 1
    text = (run.folder / "audit.html").read_text(encoding="utf-8")
    assert "<script" not in text and "<img" not in text and "http" not in text.replace("http-equiv", "")
    page = Page(run.folder / "audit.html")
    assert "<script>alert(1)</script>" in page.section("flow").text
    assert str(run.folder.parent) not in text


def test_only_what_the_files_say_is_filled_in(run: AuditedRun, capsys: Capture) -> None:
    call(capsys, "audit", run.folder)
    items = run.items()
    for number in ("1", "5b", "14", "17", "18a", "18d", "19", "26"):
        assert items[f"TRIPOD+AI {number}"]["status"] == "author"
        assert items[f"TRIPOD+AI {number}"]["wanted"] and not items[f"TRIPOD+AI {number}"]["facts"]
    assert items["CLAIM 2024 22"]["status"] == items["CLAIM 2024 23"]["status"] == "filled"
    assert "ConvNeXt-Tiny" in items["CLAIM 2024 22"]["facts"][0]["value"]
    assert "[" not in items["TRIPOD+AI 7"]["facts"][0]["value"]  # places for the authors are not facts
    assert items["TRIPOD+AI 7"]["status"] == "partly"
    assert {item["status"] for item in items.values()} == {"filled", "partly", "author"}


# The numbers of the checklist of 2024 with their parts.
PARTS = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc", 23: "ab", 27: "abc"}
TRIPOD_AI = [f"{number}{part}".strip() for number in range(1, 28) for part in PARTS.get(number, " ")]


def test_every_item_of_both_guidelines_is_there_once_and_asks_for_facts_that_exist(
    run: AuditedRun, capsys: Capture
) -> None:
    tripod, claim = guidelines()
    assert [each.item for each in tripod.items] == TRIPOD_AI and len(TRIPOD_AI) == 52
    assert [each.item for each in claim.items] == [str(number) for number in range(1, 45)]
    call(capsys, "audit", run.folder)
    known = {fact["name"] for item in run.audit()["items"] for fact in item["facts"]}
    asked = {name for guideline in (tripod, claim) for item in guideline.items for name in item.facts}
    # what this run has not: baselines, an ensemble, and a value that is missing
    assert asked - known == {"plain_numbers", "ensemble", "missing_values"}


def test_the_methods_text_is_that_of_the_report(run: AuditedRun, capsys: Capture) -> None:
    call(capsys, "audit", run.folder)
    assert run.audit()["methods"] == methods_of(read_results(run.folder))


def test_the_bibtex_entry_is_that_of_citation_cff() -> None:
    cited = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8"))
    entry = bibtex_of(None, "0123456789")
    for value in (cited["title"], cited["authors"][0]["name"], cited["version"], cited["license"], "commit 0123456789"):
        assert value in entry
    assert bibtex_of("}\n@evil{", "").count("@") == 1  # a version of a manifest from outside


def test_a_datalist_that_changed_since_the_training_is_said(run: AuditedRun, capsys: Capture) -> None:
    run.datalist.write_text(run.datalist.read_text(encoding="utf-8") + " ", encoding="utf-8")
    code, out, _ = call(capsys, "audit", run.folder)
    assert code == 0 and "note: Same datalist as in the training: its content has changed since" in out


def test_a_datalist_that_moved_is_named(run: AuditedRun, capsys: Capture) -> None:
    moved = run.datalist.rename(run.datalist.with_name("moved.json"))
    code, _, err = call(capsys, "audit", run.folder)
    assert code == 2 and "no such file: give its place: --datalist PATH" in err
    assert not (run.folder / "audit.html").exists()
    assert call(capsys, "audit", run.folder, "--datalist", moved)[0] == 0


def test_wrong_input_is_one_message_and_exit_code_2(run: AuditedRun, capsys: Capture, tmp_path: Path) -> None:
    empty, compared = tmp_path / "empty", tmp_path / "compared"
    empty.mkdir()
    compared.mkdir()
    (compared / "comparison.json").write_text("{}", encoding="utf-8")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    for arguments, words in (
        ((tmp_path / "no"), "no such folder"),
        (empty, "no manifest.json"),
        (compared, "a comparison"),
        ((run.folder, "--out", run.datalist), "is a file"),
        ((run.folder, "--datalist", tmp_path / "broken.json"), "broken.json"),
    ):
        code, _, err = call(capsys, "audit", *(arguments if isinstance(arguments, tuple) else (arguments,)))
        assert code == 2 and words in err and "Traceback" not in err
    assert not (run.folder / "audit.json").exists()


def test_a_manifest_of_other_types_gives_a_page_or_a_message(run: AuditedRun) -> None:
    written = run.audit("manifest.json")
    pages = 0
    for name in written:
        for value in (None, [1], {"a": [1]}, "x"):
            run.write_json("manifest.json", {**written, name: value})
            with suppress(InputError):
                pages += len(render_audit(*audit_run(run.folder))) > 0
    assert pages > len(written)
