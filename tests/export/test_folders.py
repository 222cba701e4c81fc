"""The bundle's zip and the folder for a hub: what is in them, and what never is."""

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml

from monai_fusion.errors import InputError
from monai_fusion.export.bundle_zip import filled_metadata
from monai_fusion.export.electrodes import electrodes_of
from monai_fusion.export.facts import facts_of
from monai_fusion.export.model_card import model_card
from monai_fusion.export.trained_run import facts_of_training, handed_on, read_trained_run
from monai_fusion.metrics.predictions import Prediction
from monai_fusion.metrics.summary import summarize
from monai_fusion.run_folder import COHORT_PROFILE_FILE
from monai_fusion.sidecar import KIND, LAYOUT
from tests.export.conftest import exported
from tests.export.runs import EEG_SHAPE, write_run
from tests.support import BUNDLE_CONFIGS, write_datalist, write_scalogram, write_volume

PRIVATE = re.compile(r"secret|/home|/tmp|list\.json|[\\/]runs0?[\\/]")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose test part was scored."""
    folder = write_run(tmp_path_factory.mktemp("evaluated") / "run")
    rows = [
        Prediction(f"sub-secret{number}", number % 2, (1 - p, p), gate=0.5, segments=2)
        for number, p in enumerate((0.2, 0.8, 0.4, 0.7, 0.6, 0.9, 0.3, 0.35))
    ]
    (folder / "metrics.json").write_text(summarize(rows, ["M", "F"]).model_dump_json(), encoding="utf-8")
    return folder


def test_a_folder_for_a_hub_has_weights_card_and_what_inference_reads_and_nothing_else(
    evaluated: Path, tmp_path: Path
) -> None:
    told = exported(evaluated, "hub", tmp_path / "upload")
    names = {path.name for path in (tmp_path / "upload").iterdir()}
    assert names == {
        *("model.safetensors", "config.json", "README.md", "LICENSE"),
        *("recipe.json", "calibration.json", "manifest.json", "own_test.json"),
    }
    assert "ready for an upload, which is yours to make" in told[-2]
    for name in names - {"model.safetensors", "LICENSE"}:
        text = (tmp_path / "upload" / name).read_text(encoding="utf-8")
        assert not PRIVATE.search(text) and str(tmp_path) not in text, name
    config = json.loads((tmp_path / "upload" / "config.json").read_text(encoding="utf-8"))
    assert config["classes"] == ["M", "F"] and config["inputs"]["eeg"]["shape"] == ["batch", 3, 32, 40]


def test_the_card_has_a_header_for_hubs_scores_with_intervals_and_counts_alone(evaluated: Path) -> None:
    run = read_trained_run(evaluated)
    card = model_card(facts_of(run), "Use it.")
    _, header, body = card.split("---\n", 2)
    read = yaml.safe_load(header)
    assert read["license"] == "apache-2.0" and read["library_name"] == "monai-fusion"
    assert {"eeg", "mri", "monai"} <= set(read["tags"])
    (result,) = read["model-index"][0]["results"]
    scores = {each["type"]: each for each in result["metrics"]}
    assert run.metrics is not None
    auroc = run.metrics.scores.auroc
    assert auroc.value is not None and auroc.interval is not None
    assert scores["auroc"]["value"] == round(auroc.value, 4)
    low, high = auroc.interval
    assert f"| AUROC | {auroc.value:.3f} | {low:.3f} to {high:.3f} |" in body
    assert scores["auroc"]["name"] == f"AUROC (95 % interval {low:.3f} to {high:.3f})"
    for wanted in ("## Intended use", "## Limits", "40 (training)", "M 75 %, F 25 %", "Use it."):
        assert wanted in body


def test_class_names_of_a_datalist_are_shown_and_not_obeyed(evaluated: Path) -> None:
    run = read_trained_run(evaluated)
    facts = facts_of(run)
    hostile = {**facts.content, "classes": ["<script>", "a|b\n# c"], "target": "x\n---\ny"}
    card = model_card(type(facts)(hostile), "")
    assert "\\<script\\>" in card and "a\\|b \\# c" in card
    assert yaml.safe_load(card.split("---\n", 2)[1])["license"] == "apache-2.0"


def test_the_bundle_has_its_own_model_and_metadata_that_is_true_of_it(evaluated: Path, tmp_path: Path) -> None:
    exported(evaluated, "bundle", tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        assert archive.testzip() is None
        texts = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert {"models/model.pt", "models/recipe.json", "README.md", "LICENSE", "docs/README.md"} <= texts.keys()
    assert {f"configs/{path.name}" for path in BUNDLE_CONFIGS.iterdir() if path.is_file()} <= texts.keys()
    for name in ("configs/inference.yaml", "configs/evaluate.yaml"):
        assert re.search(rb"(?m)^model_dir: \$@bundle_root \+ '/models'  +#", texts[name])
    for name in (
        "README.md",
        "configs/metadata.json",
        "models/recipe.json",
        "models/manifest.json",
        "models/calibration.json",
    ):
        assert not PRIVATE.search(texts[name].decode()) and str(tmp_path) not in texts[name].decode(), name
    assert b"python -m monai.bundle run --config_file configs/inference.yaml" in texts["README.md"]


def test_the_filled_metadata_describes_the_trained_model(evaluated: Path) -> None:
    run = read_trained_run(evaluated)
    filled = filled_metadata(replace(run, electrodes=("Cz", "Pz", "Oz")))
    inputs = filled["network_data_format"]["inputs"]
    assert inputs["eeg"]["num_channels"] == 3 and inputs["eeg"]["spatial_shape"] == [32, 40]
    assert inputs["mri"]["spatial_shape"] == [16, 18, 16]
    assert inputs["eeg"]["channel_def"] == {"0": "Cz", "1": "Pz", "2": "Oz"}
    assert run.metrics is not None
    assert filled["eval_metrics"]["scores"]["auroc"]["value"] == run.metrics.scores.auroc.value
    assert filled["training_data"]["participants"] == {"training": 40}
    schema = json.loads((BUNDLE_CONFIGS / "metadata.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(filled, schema)


def test_the_same_run_gives_the_same_bytes(evaluated: Path, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        exported(evaluated, "bundle", tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_knob_of_one_s_own_with_text_stays_at_home_and_the_user_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", my_note="of Anna", my_number=3)
    told = exported(run, "hub", tmp_path / "hub")
    assert told[0] == "not handed on: 1 knob of a config of your own with text (my_note)"
    recipe = json.loads((tmp_path / "hub" / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["my_number"] == 3 and "my_note" not in recipe


@pytest.mark.parametrize("place", ["/home/anna/nets", "C:\\nets", "~/nets", "\\\\server\\nets"])
def test_a_place_on_this_machine_in_what_is_handed_on_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run = write_run(tmp_path / "run", precision=place)
    with pytest.raises(InputError) as raised:
        exported(run, "hub", tmp_path / "hub")
    assert "names a place on this machine" in str(raised.value) and not (tmp_path / "hub").exists()


def test_of_a_manifest_only_numbers_versions_and_digests_are_handed_on() -> None:
    manifest = {
        "manifest": 1, "status": "finished", "seed": 3, "command": {"folder": "/home/anna"},
        "times": {"started": "a", "ended": "b"}, "hardware": {"cpu": "c"}, "config": {"x": "/home/anna"},
        "data": {"training": {"participants": 7, "digest": "d", "ids": ["sub-1"]}, "test": "broken"},
        "best": {"epoch": 2, "note": "e"}, "versions": {"torch": "2"}, "evaluations": [{"datalist": "f"}],
    }  # fmt: skip
    facts = facts_of_training(manifest)
    assert facts["data"] == {"training": {"participants": 7}} and facts["times"] == {"ended": "b"}
    assert facts["best"]["epoch"] == 2 and facts["versions"] == {"torch": "2"} and facts["seed"] == 3
    assert not {"command", "hardware", "config", "evaluations"} & facts.keys()
    assert facts_of_training({"data": [], "versions": 3})["data"] == {}


def test_what_a_training_writes_into_a_recipe_is_handed_on_whole(evaluated: Path) -> None:
    recipe = json.loads((evaluated / "recipe.json").read_text(encoding="utf-8"))
    assert handed_on(recipe) == (recipe, [])


def test_the_order_of_the_electrodes_comes_from_the_sidecars_where_they_agree(tmp_path: Path) -> None:
    names = ["Cz", "Pz", "Oz"]
    for number in range(2):
        write_scalogram(tmp_path / f"sub-{number}_EO_seg0.npy", number, EEG_SHAPE)
        write_volume(tmp_path / f"sub-{number}_T1w.nii.gz", number)
        sidecar = {"Kind": KIND, "Layout": LAYOUT, "Electrodes": names}
        (tmp_path / f"sub-{number}_EO_scalogram.json").write_text(json.dumps(sidecar), encoding="utf-8")
    rows = [
        {"participant_id": f"sub-{n}", "label": "MF"[n], "eeg": f"sub-{n}_*.npy", "mri": f"sub-{n}_T1w.nii.gz"}
        for n in range(2)
    ]
    write_datalist(tmp_path / "list.json", {"training": rows})
    manifest = {"command": {"folder": str(tmp_path), "overrides": {"datalist": "list.json"}}}
    recipe = {"eeg_shape": list(EEG_SHAPE)}
    assert electrodes_of(recipe, manifest, None) == ("Cz", "Pz", "Oz")
    assert electrodes_of({"eeg_shape": [32, 40, 4]}, manifest, None) == ()
    sidecar = {"Kind": KIND, "Layout": LAYOUT, "Electrodes": names[::-1]}
    (tmp_path / "sub-1_EO_scalogram.json").write_text(json.dumps(sidecar), encoding="utf-8")
    assert electrodes_of(recipe, manifest, None) == ()
    profile = json.dumps({"texts": {"electrodes": {"Cz Pz Oz": 7}}})
    assert electrodes_of(recipe, {}, profile) == ("Cz", "Pz", "Oz")
    assert electrodes_of({**recipe, "scalogram_recipe": {"electrodes": names}}, manifest, None) == tuple(names)
    assert electrodes_of(recipe, {}, None) == ()


def test_the_fingerprint_of_the_cohort_goes_with_the_model(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / COHORT_PROFILE_FILE).write_text('{"texts": {"electrodes": {"A B C": 40}}}', encoding="utf-8")
    exported(run, "hub", tmp_path / "hub")
    assert (tmp_path / "hub" / COHORT_PROFILE_FILE).is_file()
    assert "Electrodes: A, B, C." in (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
