"""The config of a run, seen from within the run, and its parts as data."""

from typing import Any

import pytest
from monai.bundle import ConfigParser, ConfigWorkflow

from monai_fusion.errors import InputError
from monai_fusion.runs import RunConfig

CONFIG: dict[str, Any] = {
    "imports": ["$import os"],
    "width": 3,
    "twice": "$@width * 2",
    "switch": "no",
    "resume": "latest",
    "fails": "$1 / 0",
    "layers": [
        {"_target_": "torch.nn.ReLU"},
        {"_target_": "torch.nn.Linear", "in_features": "@width", "out_features": 1},
    ],
    "network_def": {"_target_": "torch.nn.Sequential", "parts": "@layers", "sizes": ["@twice", "$os.path.sep * 0"]},
    "run_config": {"_target_": "monai_fusion.runs.RunConfig"},
    "run": ["$None"],
}


def test_a_config_describes_itself_where_it_is_run() -> None:
    parser = ConfigParser(dict(CONFIG))
    parser["width"] = 5  # an override
    found = parser.get_parsed_content("run_config")
    assert found.config["width"] == 5 and found.config["twice"] == "$@width * 2"
    knobs = {"width": 5, "twice": 10, "switch": False, "resume": True, "fails": "$1 / 0"}
    assert found.knobs == knobs


def test_a_run_that_is_started_from_python_describes_itself_too(tmp_path: Any) -> None:
    path = tmp_path / "own.json"
    ConfigParser.export_config_file({**CONFIG, "initialize": [], "run": ["$@run_config.knobs"]}, str(path))
    workflow = ConfigWorkflow(config_file=str(path), workflow_type="train", width=7)
    workflow.initialize()
    [knobs] = workflow.run()
    assert knobs["width"] == 7 and knobs["twice"] == 14


def test_a_part_is_data_with_its_references_filled_in_and_nothing_is_built() -> None:
    assert RunConfig(ConfigParser(dict(CONFIG))).part("network_def") == {
        "_target_": "torch.nn.Sequential",
        "parts": [
            {"_target_": "torch.nn.ReLU"},
            {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 1},
        ],
        "sizes": [6, ""],
    }


def test_an_object_in_a_part_is_named_with_its_place() -> None:
    config = CONFIG | {"network_def": {"_target_": "torch.nn.Sequential", "deep": ["$os.environ"]}}
    with pytest.raises(InputError, match=r"^network_def#deep#0: \$os.environ: returns an object of the class _Environ"):
        RunConfig(ConfigParser(config)).part("network_def")


def test_only_a_config_makes_it() -> None:
    with pytest.raises(RuntimeError, match="an entry of a config"):
        RunConfig()
