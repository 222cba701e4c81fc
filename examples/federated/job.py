"""Train one network on the cohorts of several sites, simulated on this machine; no recording leaves its site.

    python examples/federated/job.py site-1.json site-2.json --out runs/federated --batch_size 8

Each datalist is a site. What stands behind them are knobs of the training (``monai-fusion train --help``). The averaged
network is the model of ``runs/federated/global``, which ``monai-fusion evaluate`` and ``predict`` take.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

import torch
import yaml
from monai.bundle import ConfigParser
from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe
from nvflare.recipe import SimEnv

from monai_fusion.datalist import read_datalist
from monai_fusion.errors import InputError, Problem
from monai_fusion.options.overrides import check_values
from monai_fusion.shipped_bundle import config_files

NAME = "federated"


def first_weights(knobs: dict, classes: list[str], path: Path) -> tuple[dict, int]:
    """Write the weights that all sites start from; return them, and the number of rounds: one for each epoch."""
    parser = ConfigParser()
    parser.read_config(str(config_files("train")[0]))
    parser.update(knobs)
    if problems := check_values(parser.get()):
        raise InputError(problems)
    parser["network_def::head::num_classes"] = len(classes)
    torch.manual_seed(parser.get_parsed_content("seed"))
    weights = parser.get_parsed_content("network_def").state_dict()
    torch.save(weights, path)
    return weights, sum(parser.get_parsed_content("num_epochs"))


def write_global_model(averaged: Path, weights: dict, sites: list[Path], out: Path) -> None:
    """Make a run folder of the server's last weights; its recipe recognises the participants of every site."""
    out.mkdir(parents=True, exist_ok=True)
    average = torch.load(averaged, weights_only=True)["model"]
    torch.save({name: average[name].to(value.dtype) for name, value in weights.items()}, out / "model.pt")
    recipes = [json.loads((site / "recipe.json").read_text(encoding="utf-8")) for site in sites]
    for entry in ("trained_on", "validated_on"):
        recipes[0][entry] = sorted({digest for recipe in recipes for digest in recipe[entry]})
    (out / "recipe.json").write_text(json.dumps(recipes[0], indent=2, ensure_ascii=False), encoding="utf-8")


def same_classes(datalists: list[Path]) -> list[str]:
    """The classes that all datalists have, in their order."""
    found = {path: list(read_datalist(path, ("training", "validation", "test")).classes) for path in datalists}
    first = found[datalists[0]]
    if problems := [
        Problem(str(path), "classes", repr(seen), repr(first)) for path, seen in found.items() if seen != first
    ]:
        raise InputError(problems)
    return first


def simulate(datalists: list[Path], out: Path, knobs: dict) -> Path:
    """Train on all sites, and return the run folder of the averaged model."""
    classes, names = same_classes(datalists), [f"site-{number}" for number in range(1, len(datalists) + 1)]
    (out / "sites").mkdir(parents=True, exist_ok=True)
    for name, datalist in zip(names, datalists, strict=True):
        own = {"datalist": str(datalist.resolve()), "output_dir": str(out / name), "overwrite": True}
        (out / "sites" / f"{name}.json").write_text(json.dumps(own), encoding="utf-8")
    os.environ["FEDERATED_SITE_FOLDER"] = str(out / "sites")
    weights, rounds = first_weights(knobs, classes, out / "first_weights.pt")
    recipe = FedAvgRecipe(
        name=NAME,
        model={"class_path": "torch.nn.Identity", "args": {}},  # the server averages tensors by name, it runs nothing
        initial_ckpt=str(out / "first_weights.pt"),
        min_clients=len(names),
        num_rounds=rounds,
        train_script=str(Path(__file__).with_name("client.py")),
        train_args=quote(json.dumps({"classes": classes, "knobs": knobs})),  # NVFlare splits arguments at spaces
    )
    recipe.execute(SimEnv(clients=names, workspace_root=str(out / "nvflare")))
    averaged = out / "nvflare" / NAME / "server" / "simulate_job" / "app_server" / "FL_global_model.pt"
    write_global_model(averaged, weights, [out / name for name in names], out / "global")
    return out / "global"


def main() -> int:
    """Simulate the sites, and write the averaged model; return the exit code."""
    parser = argparse.ArgumentParser(description="Federated training, simulated.", allow_abbrev=False)
    parser.add_argument("datalists", type=Path, nargs="+", help="one for each site")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the results")
    given, more = parser.parse_known_args()
    if len(more) % 2 or not all(name.startswith("--") for name in more[::2]):
        parser.error(f"expected --KNOB VALUE, got {' '.join(more)}")
    knobs = {name.removeprefix("--"): yaml.safe_load(value) for name, value in zip(more[::2], more[1::2], strict=True)}
    try:
        print("the averaged model:", simulate(given.datalists, given.out.resolve(), knobs))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except RuntimeError as error:  # NVFlare's; a site has failed
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
