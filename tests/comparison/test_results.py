"""What a comparison writes and prints, from run folders with made-up predictions."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from monai_fusion.cli import main
from monai_fusion.comparison.comparison_file import FILE, Comparison
from monai_fusion.comparison.comparison_page import render_comparison
from monai_fusion.comparison.fusion_verdict import fusion_verdict
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.results import compare_runs, read_runs, write_results
from monai_fusion.comparison.saved_comparison import read_comparison
from monai_fusion.comparison.statistics import corrected_t_test
from monai_fusion.comparison.terminal_table import table_lines
from monai_fusion.errors import InputError
from monai_fusion.run_folder import PREDICTIONS_FILE
from tests.comparison.finished import finished
from tests.message_parts import assert_parts
from tests.report.page_reader import Page, table_of
from tests.support import BUNDLE_CONFIGS

Planner = Callable[..., Plan]
PAGE = Path(__file__).parents[2] / "docs" / "comparing.md"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def compared(plan: Plan) -> Comparison:
    return compare_runs(plan, read_runs(finished(plan)), draws=300)


def test_the_numbers_are_those_of_the_out_of_fold_table(plan_of: Planner) -> None:
    plan = plan_of(folds=4, seeds=2)
    runs = read_runs(finished(plan))
    found = compare_runs(plan, runs, draws=300)
    written = write_results(plan, runs, found)
    assert Comparison.model_validate_json((plan.options.output_dir / FILE).read_bytes()) == found
    rows = rows_of(plan.options.output_dir / "out_of_fold.csv")
    assert len(rows) == 20 * 2 * 2 and len({row["participant_id"] for row in rows}) == 20
    for variant in found.variants:
        own = [row for row in rows if row["variant"] == variant.name]
        of_seeds = [[row for row in own if row["seed"] == seed] for seed in ("1337", "1338")]
        hits = [accuracy_score([row["label"] for row in some], [row["predicted"] for row in some]) for some in of_seeds]
        assert variant.accuracy.value == pytest.approx(np.mean(hits))
        for fold in range(4):
            areas = [
                roc_auc_score([row["label"] == "F" for row in here], [float(row["probability_F"]) for row in here])
                for some in of_seeds
                if (here := [row for row in some if row["fold"] == str(fold)])
            ]
            assert variant.auroc.folds[fold] == pytest.approx(np.mean(areas))
        assert variant.auroc.fold_mean == pytest.approx(np.mean(np.array(variant.auroc.folds, dtype=np.float64)))
        assert variant.auroc.interval is not None and variant.accuracy.baseline == pytest.approx(12 / 20)
        assert variant.kept_epochs == [1, 1, 2, 2, 3, 3, 4, 4][:: len(found.seeds)] * 2
        assert variant.minutes == pytest.approx(8.0)
    (row, other) = rows_of(plan.options.output_dir / "comparison.csv")
    assert [path.name for path in written if not path.is_file()] == []
    assert row["variant"] == "gated" and row["auroc_difference"] == "" and float(other["auroc_difference_p_holm"]) > 0


def test_differences_are_tested_over_the_folds_with_all_that_is_not_tested_as_training(plan_of: Planner) -> None:
    found = compared(plan_of(folds=4, variants=("concat", "mean")))
    gated, concat, _ = found.variants
    difference = next(each for each in found.differences if (each.variant, each.score) == ("concat", "auroc"))
    assert gated.auroc.value is not None and concat.auroc.value is not None
    assert difference.value == pytest.approx(concat.auroc.value - gated.auroc.value)
    assert difference.interval is not None and difference.interval[0] <= difference.value <= difference.interval[1]
    of_folds = np.array([concat.auroc.folds, gated.auroc.folds], dtype=np.float64)
    test = corrected_t_test((of_folds[0] - of_folds[1]).tolist(), 5 / 15)  # each fold tests 5 of 20
    assert test is not None and difference.t_test is not None
    assert (difference.t_test.p, difference.t_test.mean) == (pytest.approx(test.p), pytest.approx(test.mean))
    pair = [each.t_test for each in found.differences if each.score == "auroc"]
    assert len(pair) == 2 and all(each is not None and each.p <= each.p_holm for each in pair)
    assert {each.variant for each in found.differences} == {"concat", "mean"}


def test_the_terminal_shows_scores_differences_and_limits(plan_of: Planner) -> None:
    found = compared(plan_of(folds=4))
    text = "\n".join(table_lines(found))
    assert text.startswith("twenty: 20 participants (12 M, 8 F), 4 folds, 1 seed\n")
    assert f"{found.variants[0].auroc.value:.3f}" in text and "minus gated" in text
    assert_parts(
        text, "fewer than 10", "(8 F)", "3 degrees of freedom", "one seed", "--seeds 3", "best of 2 variants (gated)"
    )
    assert "mind:" not in text and text.endswith(" ".join(fusion_verdict(found)).replace("\u2212", "-"))


def test_runs_with_other_participants_are_not_compared(plan_of: Planner) -> None:
    records = finished(plan_of(folds=4))
    path = records[1].run.folder / PREDICTIONS_FILE
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(InputError, match=r"^concat, fold 0, seed 1337 predictions.csv: other participants"):
        read_runs(records)


def names_in(schema: Any) -> Iterator[str]:
    """The names of all fields of a JSON Schema."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from names_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from names_in(part)


def test_every_field_is_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert not [name for name in names_in(Comparison.model_json_schema()) if f"`{name}`" not in page]
    assert json.loads(json.dumps(Comparison.model_json_schema()))["title"] == "monai-fusion comparison"


def test_the_page_has_the_same_results_and_needs_no_other_file(plan_of: Planner) -> None:
    plan = plan_of(folds=4, variants=("concat", "mean"), config_files=(BUNDLE_CONFIGS / "demo.yaml",))
    runs = read_runs(finished(plan))
    found = compare_runs(plan, runs, draws=300).model_copy(update={"datalist": "<script>alert(1)</script>"})
    write_results(plan, runs, found)
    page = Page(plan.options.output_dir / "comparison.html")
    assert not page.root.all("script") and "alert(1)" in page.section("headline").text
    assert len(page.figures()) == 4
    assert not [value for _, name, value in page.attributes if name in ("src", "href") and value[:1] not in ("#", "d")]
    head, *rows = table_of(page.section("scores"))
    assert [row[0].split()[0] for row in rows] == ["gated", "concat", "mean"]
    assert rows[0][head.index("AUROC")] == f"{found.variants[0].auroc.value:.3f}"
    assert [row[0] for row in table_of(page.section("differences"))[1:]] == ["concat", "mean"]
    assert len(table_of(page.section("folds"))) == 5
    assert "train.yaml, demo.yaml" in page.section("run").text
    assert page.root.all("p", id="verdict")[0].text == " ".join(fusion_verdict(found))
    sections = [each.attributes["id"] for each in page.root.all("section")]
    assert sections == ["headline", "limits", "scores", "differences", "folds", "run"]
    assert "--" not in page.section("limits").text  # a reader of the page has no command line


def test_no_folder_and_no_user_stands_in_the_page(plan_of: Planner) -> None:
    found = compared(plan_of(folds=4)).model_copy(update={"shared_settings": {"mri_weights": "/home/Jane Doe/m.pth"}})
    html = render_comparison(found)
    assert "m.pth" in html and not [name for name in ("jane", "Jane", "/home", str(Path.cwd())) if name in html]


def test_the_page_is_made_again_from_its_numbers_and_gives_figures_and_tables(
    plan_of: Planner, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_of(folds=4, variants=("concat", "mri"))
    runs = read_runs(finished(plan))
    found = compare_runs(plan, runs, draws=300)
    write_results(plan, runs, found)
    run, paper = plan.options.output_dir, plan.options.output_dir.parent / "paper"
    before = (run / "comparison.html").read_bytes()
    (run / "comparison.html").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["report", str(run), "--figures", str(paper), "--figure-formats", "svg"])
    assert ended.value.code == 0 and (run / "comparison.html").read_bytes() == before
    assert f"4 figures, 3 tables and methods_comparison.md to {paper}" in capsys.readouterr().out
    rows = {row["variant"]: row for row in rows_of(paper / "table_variants.csv")}
    assert float(rows["concat"]["auroc"]) == found.variants[1].auroc.value
    apart = rows_of(paper / "table_differences_from_gated.csv")
    assert [float(row["difference"]) for row in apart] == [each.value for each in found.differences]
    text = (paper / "methods_comparison.md").read_text(encoding="utf-8")
    assert "in the same 4 folds" in text and "doi:10.1023/A:1024068626366" in text


@pytest.mark.parametrize("content", ["", "{}", '{"schema_version": 9}', "[" * 100_000])
def test_numbers_that_are_damaged_are_refused_in_a_line(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"comparison\.json: not the layout.*run the comparison again"):
        read_comparison(tmp_path)
