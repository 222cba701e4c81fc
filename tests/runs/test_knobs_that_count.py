"""Which knobs of the shipped training count for its identity, and which may change for a reason."""

from pathlib import Path
from typing import Any

from monai_fusion.options.command_line import CommandLine
from monai_fusion.runs import identity_settings
from monai_fusion.runs.identity import HARMLESS
from monai_fusion.runs.resolved import knobs_of, parser_of
from tests.support import BUNDLE_CONFIGS

TRAIN = BUNDLE_CONFIGS / "train.yaml"


def knobs_of_training(**given: Any) -> dict[str, Any]:
    command = CommandLine((str(TRAIN),), {"datalist": "a.json", "output_dir": "runs/x", "device": "cpu", **given})
    return knobs_of(parser_of(command))


def test_every_knob_at_the_top_of_the_config_counts_or_is_harmless_for_a_reason() -> None:
    head = TRAIN.read_text(encoding="utf-8").split("# ---- the parts")[0]
    named = {line.partition(":")[0] for line in head.splitlines() if line[:1].isalpha()}
    counted = identity_settings(knobs_of_training())
    assert named - counted.keys() <= HARMLESS.keys()
    assert len(named & counted.keys()) > 35 and not counted.keys() & HARMLESS.keys()
    assert all(len(reason) > 15 for reason in HARMLESS.values())


def test_every_harmless_name_is_still_a_knob() -> None:
    overlay = BUNDLE_CONFIGS / "multi_gpu_train.yaml"
    command = CommandLine((str(TRAIN), str(overlay)), {"datalist": "a.json", "output_dir": "runs/x"})
    assert HARMLESS.keys() <= knobs_of(parser_of(command)).keys()


def test_a_knob_that_an_overlay_adds_counts(tmp_path: Path) -> None:
    overlay = tmp_path / "own.yaml"
    overlay.write_text("my_knob: 3\n", encoding="utf-8")
    command = CommandLine((str(TRAIN), str(overlay)), {"datalist": "a.json"})
    counted = identity_settings(knobs_of(parser_of(command)), precision="float32")
    assert counted["my_knob"] == 3 and counted["precision"] == "float32"
