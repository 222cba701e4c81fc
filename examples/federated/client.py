"""A site of a federated training: NVFlare brings the weights, MONAI's client trains through the installed bundle.

`job.py` sends this file to every site. What all sites agreed on (classes and knobs) comes with the job; what is a
site's own (paths, the device) stands in ``$FEDERATED_SITE_FOLDER/SITE.json`` and never leaves it:

    {"datalist": "/data/site-1.json", "output_dir": "/runs/federated/site-1", "device": "cuda"}
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.parse import unquote

import nvflare.client as flare
from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems
from monai.fl.utils.exchange_object import ExchangeObject
from nvflare.apis.dxo import MetaKey

from monai_fusion.causes import causes_of
from monai_fusion.datalist import read_datalist
from monai_fusion.errors import InputError, Problem
from monai_fusion.runs import write_recipe
from monai_fusion.shipped_bundle import shipped_bundle


def make_client(site: str, own: dict, agreed: dict) -> MonaiAlgo:
    """MONAI's client on train.yaml of the bundle that is installed here; the server can send no other config."""
    classes = list(read_datalist(own["datalist"]).classes)
    if classes != agreed["classes"]:  # the weights of the last layer belong to classes in this order
        raise InputError(Problem(own["datalist"], "classes", repr(classes), f"as agreed {agreed['classes']}"))
    client = MonaiAlgo(
        bundle_root=str(shipped_bundle()),
        config_train_filename="configs/train.yaml",
        config_evaluate_filename=None,
        send_weight_diff=False,
        train_kwargs={**agreed["knobs"], **own},
    )
    client.initialize({ExtraItems.CLIENT_NAME: site})
    part = client.train_workflow.parser.get_parsed_content
    names = ("cohort", "run_config", "identity", "preprocessing", "modality_policy")
    write_recipe(part("paths::output_dir"), *map(part, names))  # an evaluation of the weights needs it
    return client


def main() -> None:
    """Train an epoch in every round, from the weights that the server sends."""
    flare.init()
    site = flare.get_site_name()
    own = json.loads(Path(os.environ["FEDERATED_SITE_FOLDER"], f"{site}.json").read_text(encoding="utf-8"))
    try:
        client = make_client(site, own, json.loads(unquote(sys.argv[1])))
    except RuntimeError as error:  # MONAI's, around what is wrong with the site's input
        raise next((cause for cause in causes_of(error) if isinstance(cause, InputError)), error) from None
    people = len(client.train_workflow.train_dataset)
    while flare.is_running():
        received = flare.receive()
        if received is None:  # the last round is over
            break
        client.train(ExchangeObject(weights=received.params))
        counted = {MetaKey.NUM_STEPS_CURRENT_ROUND: people}  # the site's share in the average
        flare.send(flare.FLModel(params=client.get_weights().weights, meta=counted))
    client.finalize()


if __name__ == "__main__":
    main()
