"""A comparison goes on where it stopped, and refuses what was made otherwise; small programs stand for the bundle.

`tests/bundle/test_compare.py` runs the bundle itself.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from monai_fusion import output_folder
from monai_fusion.comparison.children import ChildFailed, Stopped
from monai_fusion.comparison.ensemble import ensemble_is_made
from monai_fusion.comparison.planning import Plan
from monai_fusion.comparison.run_records import RunRecord
from monai_fusion.comparison.training_runs import check_folder, duration, run_missing, space_needed
from monai_fusion.errors import InputError
from monai_fusion.run_folder import MODEL_FILE
from tests.comparison.finished import finish, finished, with_programs, write_folds, write_training
from tests.message_parts import assert_parts
from tests.support import another

Planner = Callable[..., Plan]

# They note how they were called; the results of the runs stand in a folder beside.
TRAIN = """
with here.joinpath('calls').open('a') as stream: print('train', *sys.argv[2:], file=stream)
for name in ('manifest.json', 'model.pt', 'recipe.json'): shutil.copy(here.parents[2] / 'done' / here.parent.name / here.name / name, here)
(here / 'checkpoints').mkdir(exist_ok=True); (here / 'checkpoints' / 'epoch_0001.pt').touch()
"""  # noqa: E501
EVALUATE = """
with here.joinpath('calls').open('a') as stream: print('evaluate', file=stream)
for name in ('predictions.csv', 'metrics.json'): shutil.copy(here.parents[2] / 'done' / here.parent.name / here.name / name, here)
"""  # noqa: E501


def calls_of(plan: Plan) -> list[list[str]]:
    files = [run.folder / "calls" for run in plan.runs]
    return [file.read_text(encoding="utf-8").splitlines() if file.exists() else [] for file in files]


@pytest.fixture
def plan(plan_of: Planner, tmp_path: Path) -> Plan:
    """Two variants in two folds, with programs that copy what such runs leave."""
    done = plan_of(folds=2, output_dir=tmp_path / "done")
    finished(done)
    return with_programs(plan_of(folds=2), TRAIN, EVALUATE)


def refused(plan: Plan) -> str:
    with pytest.raises(InputError) as caught:
        check_folder(plan)
    return str(caught.value)


def test_every_run_is_trained_evaluated_reported_and_cleared_of_its_weights(plan: Plan) -> None:
    lines: list[str] = []
    records = run_missing(plan, lines.append)
    assert all(record.finished and not record.has_model for record in records)
    assert not [path for run in plan.runs for path in run.folder.glob("checkpoints/*")]
    assert calls_of(plan) == [["train --overwrite true", "evaluate"]] * 4
    assert_parts(lines[0], "4 of 4 runs", "2 GB")
    assert [line.split(":")[0] for line in lines[2:]] == [
        *("[1/4] gated, fold 0, seed 1337", "[2/4] concat, fold 0, seed 1337"),
        *("[3/4] gated, fold 1, seed 1337", "[4/4] concat, fold 1, seed 1337"),
    ]
    assert all("AUROC 0." in line or "AUROC 1." in line for line in lines[2:])
    lines.clear()
    run_missing(plan, lines.append)
    assert lines == [] and calls_of(plan) == [["train --overwrite true", "evaluate"]] * 4


def test_weights_stay_where_an_ensemble_needs_them_or_the_user_wants_them(plan: Plan) -> None:
    records = run_missing(replace(plan, options=replace(plan.options, ensemble="concat")), lambda _: None)
    assert [record.has_model for record in records] == [False, True, False, True]
    records[1].remove_model()
    ensemble = replace(plan, options=replace(plan.options, ensemble="gated"))
    assert "gated, fold 0, seed 1337: its model was removed" in refused(ensemble)
    assert not ensemble_is_made(ensemble, records[::2])
    for record in records:
        (record.run.folder / "calls").unlink()
    again = replace(ensemble, options=replace(ensemble.options, overwrite=True, keep_models=True))
    assert all(record.finished for record in run_missing(again, lambda _: None))
    assert calls_of(plan) == [["train --overwrite true", "evaluate"], [], ["train --overwrite true", "evaluate"], []]
    assert (plan.runs[0].folder / MODEL_FILE).is_file()


def test_a_run_that_was_cut_off_goes_on_and_a_trained_one_is_only_evaluated(plan: Plan, plan_of: Planner) -> None:
    write_folds(plan)
    RunRecord(plan.runs[0]).begin()  # killed in its first epoch
    RunRecord(plan.runs[1]).begin()
    write_training(plan.runs[1], plan)  # killed before its evaluation
    finish(plan.runs[2], plan)
    run_missing(plan, lambda _: None)
    assert calls_of(plan) == [
        ["train --resume true", "evaluate"],
        ["evaluate"],
        [],
        ["train --overwrite true", "evaluate"],
    ]


@pytest.mark.parametrize(
    ("program", "error"),
    [("print('error: no'); sys.exit(2)", ChildFailed), ("sys.exit(1)", ChildFailed), ("sys.exit(143)", Stopped)],
)
def test_what_was_done_before_a_failure_stays(program: str, error: type[Exception], plan: Plan) -> None:
    broken = replace(plan, runs=(plan.runs[0], *with_programs(plan, program, EVALUATE).runs[1:]))
    with pytest.raises(error):
        run_missing(broken, lambda _: None)
    assert [RunRecord(run).finished for run in plan.runs] == [True, False, False, False]
    assert all(record.finished for record in run_missing(plan, lambda _: None))
    assert calls_of(plan)[:2] == [["train --overwrite true", "evaluate"], ["train --resume true", "evaluate"]]


def test_other_settings_are_refused_with_what_differs_and_repeated_with_overwrite(plan_of: Planner) -> None:
    finished(plan_of(folds=2, words=("--batch_size", "3")))
    other = plan_of(folds=2, words=("--batch_size", "2", "--lambda_align", "0.1", "--num_workers", "0"))
    head, *problems = refused(other).splitlines()
    assert_parts(head, f"{other.options.output_dir} ", "--output-dir", "--overwrite", "2 problems")
    assert problems == [
        "  4 runs, the first: gated, fold 0, seed 1337 batch_size: 2, expected 3 as before",
        "  4 runs, the first: gated, fold 0, seed 1337 lambda_align: 0.1, expected not given as before",
    ]
    assert len(check_folder(plan_of(folds=2, words=("--batch_size", "3", "--num_workers", "1")))) == 4
    again = with_programs(other, "sys.exit(143)", "")
    with pytest.raises(Stopped):
        run_missing(replace(again, options=replace(again.options, overwrite=True)), lambda _: None)
    assert json.loads((other.runs[0].folder / "comparison_run.json").read_text())["settings"]["shared"] == {
        "batch_size": 2,
        "lambda_align": 0.1,
    }


def test_more_variants_or_seeds_repeat_no_run(plan_of: Planner) -> None:
    finished(plan_of(folds=2))
    records = check_folder(plan_of(folds=2, variants=("mean", "concat"), seeds=2))
    assert [record.run.title for record in records if record.finished] == [
        *("gated, fold 0, seed 1337", "concat, fold 0, seed 1337"),
        *("gated, fold 1, seed 1337", "concat, fold 1, seed 1337"),
    ]


def test_other_folds_are_refused(plan_of: Planner) -> None:
    finished(plan_of(folds=2))
    assert "4 runs, the first: gated, fold 0, seed 1337: other participants or folds" in refused(plan_of(folds=4))
    assert "fold0.json: has other participants or folds" in refused(plan_of(folds=2, seed=1400))


def test_a_changed_recording_is_noticed(plan_of: Planner) -> None:
    plan = plan_of(folds=2)
    finished(plan)
    (plan.options.datalist.parent / "files" / "sub-03_T1w.nii.gz").write_bytes(b"another brain")
    assert refused(plan).splitlines()[1:] == [f"  {run.title} recordings: differ from before" for run in plan.runs]


def test_a_folder_with_other_files_is_left_alone(plan_of: Planner) -> None:
    plan = plan_of(folds=2)
    folder = plan.runs[0].folder
    folder.mkdir(parents=True)
    (folder / "thesis.txt").touch()
    assert_parts(refused(plan), f"gated, fold 0, seed 1337: {folder} ", "other files", "move")


def test_space_and_time_are_given_in_words(plan_of: Planner) -> None:
    assert "at most 2 GB" in space_needed(plan_of(folds=2)) and "0.5 GB" not in space_needed(plan_of(folds=2))
    assert_parts(space_needed(plan_of(folds=2, ensemble="gated")), "at most 5 GB", "0.5 GB")
    assert (duration(59), duration(7512)) == ("1 min", "2 h 05 min")


def test_runs_in_another_precision_or_from_other_weight_files_are_not_put_beside_each_other(plan: Plan) -> None:
    records = run_missing(plan, lambda _: None)
    for place, record in enumerate(records):
        identity = {"precision": "bfloat16" if place == 2 else "float32", "files": {"eeg_weights": "0123"}}
        write_training(record.run, plan, identity=identity, times={"ended": f"2026-11-22T10:0{place}:00"})
    text = refused(plan)
    assert 'gated, fold 1, seed 1337 precision: "bfloat16", expected "float32", as in concat, fold 1' in text
    assert text.count("seed 1337 precision") == 1 and "files" not in text
    again = replace(plan, options=replace(plan.options, overwrite=True))
    assert [record.finished for record in check_folder(again)] == [True] * 4
    with pytest.raises(InputError, match="earlier runs cannot be compared"):  # these runs have no precision
        run_missing(again, lambda _: None)


def test_a_run_whose_results_and_model_are_gone_is_named_and_repeated(plan: Plan) -> None:
    (run_missing(plan, lambda _: None)[1].run.folder / "predictions.csv").unlink()
    assert "concat, fold 0, seed 1337: its results and its model are missing" in refused(plan)
    run_missing(replace(plan, options=replace(plan.options, overwrite=True)), lambda _: None)
    assert [len(calls) for calls in calls_of(plan)] == [2, 4, 2, 2]


def test_datalists_of_folds_that_are_gone_are_written_again(plan: Plan) -> None:
    run_missing(plan, lambda _: None)
    (plan.options.output_dir / "folds" / "fold0.json").unlink()
    assert all(record.finished for record in check_folder(plan))
    written = (plan.options.output_dir / "folds" / "fold0.json").read_text(encoding="utf-8")
    assert written == plan.folds.texts["fold0.json"]


def test_a_look_at_a_new_folder_writes_nothing(plan: Plan) -> None:
    check_folder(plan)
    assert not (plan.options.output_dir / "folds").exists()


def test_a_second_comparison_in_the_same_folder_is_refused(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_folder, "PATIENCE_SECONDS", 0.1)
    with another(plan.options.output_dir, "compare"):
        with pytest.raises(InputError, match=r"--output-dir: .*another run \(compare\)"):
            run_missing(plan, lambda _: None)
        assert not (plan.options.output_dir / "folds").exists()
    assert all(record.finished for record in run_missing(plan, lambda _: None))
