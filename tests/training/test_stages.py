"""Which parameters train in which epochs."""

import copy
import logging
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import yaml
from ignite.engine import Engine
from monai.engines import SupervisedTrainer
from monai.handlers import LrScheduleHandler
from torch import nn

from monai_fusion.data import FusionPrepareBatch
from monai_fusion.errors import InputError
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import FusionNet
from monai_fusion.training import StageHandler, StagePlan, parameter_groups
from tests.support import BUNDLE_CONFIGS, TinyFusionNet

TRAIN = yaml.safe_load((BUNDLE_CONFIGS / "train.yaml").read_text(encoding="utf-8"))
BLOCKS = TRAIN["stage_blocks"]


def plan_of(*num_epochs: int) -> StagePlan:
    return StagePlan(num_epochs, BLOCKS)


@pytest.mark.parametrize(
    ("num_epochs", "stages"),
    [
        ((3, 2), "AAABBB"),  # past the end the last stage stays
        ((1, 1), "ABBB"),
        ((0, 2), "BBB"),
        ((2, 0), "AA"),
    ],
)
def test_epochs_belong_to_the_stages_in_order(num_epochs: tuple[int, int], stages: str) -> None:
    plan = plan_of(*num_epochs)
    assert "".join(plan.at(epoch).name for epoch in range(1, len(stages) + 1)) == stages
    assert plan.total_epochs == sum(num_epochs)


def test_the_default_plan_changes_stage_after_epoch_15() -> None:
    plan = StagePlan(TRAIN["num_epochs"], BLOCKS)
    assert (plan.at(15).name, plan.at(16).name, plan.total_epochs) == ("A", "B", 25)
    assert plan.at(16).eeg_blocks == ("stage2", "stage3", "stage4") and plan.at(16).mri_blocks == ("layer3", "layer4")


@pytest.mark.parametrize(
    ("num_epochs", "message"),
    [
        (25, r"^num_epochs: 25, expected 2 numbers, one per stage: e\.g\. \"\[15, 10\]\"$"),
        ([15], r"^num_epochs: \[15\], expected 2 numbers"),
        ([1, 2, 3], r"^num_epochs: \[1, 2, 3\], expected 2 numbers"),
        ("15,10", r"^num_epochs: '15,10', expected 2 numbers"),
        ([1.5, 2], r"^num_epochs: \[1\.5, 2\], expected whole numbers, not all 0$"),
        (["a", 2], "expected whole numbers"),
        ([-1, 2], "expected whole numbers"),
        ([0, 0], "not all 0"),
    ],
)
def test_a_wrong_number_of_epochs_is_refused(num_epochs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        StagePlan(num_epochs, BLOCKS)


class Recorder(nn.Module):
    """Records what it has to train."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.calls: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def set_trainable(self, eeg_blocks: Any, mri_blocks: Any) -> None:
        self.calls.append((tuple(eeg_blocks), tuple(mri_blocks)))


def run(engine: Engine, epochs: int, resume_after: int = 0) -> None:
    """Run from the start, or as after a resume from a checkpoint."""
    data = [0, 1]
    if resume_after:
        engine.load_state_dict({"epoch": resume_after, "max_epochs": epochs, "epoch_length": len(data)})
        engine.run(data)
    else:
        engine.run(data, max_epochs=epochs)


def entered(plan: StagePlan, epochs: int, resume_after: int = 0) -> list[tuple[int, str]]:
    """The epochs in which the stage of the network was set, and that stage."""
    network, found = Recorder(), []

    def step(engine: Engine, batch: int) -> None:
        while network.calls:
            blocks = network.calls.pop(0)
            (stage,) = (stage for stage in plan.stages if (stage.eeg_blocks, stage.mri_blocks) == blocks)
            found.append((engine.state.epoch, stage.name))

    engine = Engine(step)
    StageHandler(network, plan).attach(engine)
    run(engine, epochs, resume_after)
    return found


def test_the_stage_changes_at_the_start_of_its_first_epoch_and_only_then() -> None:
    assert entered(plan_of(3, 2), 5) == [(1, "A"), (4, "B")]
    assert entered(plan_of(0, 2), 2) == [(1, "B")]


def test_a_run_resumed_in_stage_b_trains_stage_b() -> None:
    assert entered(plan_of(3, 2), 5, resume_after=3) == [(4, "B")]
    assert entered(plan_of(3, 2), 5, resume_after=4) == [(5, "B")]
    assert entered(plan_of(3, 2), 5, resume_after=1) == [(2, "A"), (4, "B")]


def test_the_log_reports_what_trains(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(lambda engine, batch: None)
    StageHandler(Recorder(), StagePlan([1], [{"eeg": ["stage4"]}])).attach(engine)
    with caplog.at_level(logging.INFO, logger="monai_fusion"):
        run(engine, 1)
    assert "stage A (1 epoch): EEG stage4, MRI nothing, and the heads; 0.0 M parameters train" in caplog.text


# What a stage trains, in timm's and torchvision's names, written out independently of the code's blocks.
ALWAYS = (
    *("eeg_enc.backbone.stem.", "eeg_enc.backbone.head.norm.", "eeg_enc.projection.", "mri_enc.projection.", "head."),
)
TRAINED_IN_A = (*ALWAYS, "eeg_enc.backbone.stages.2.", "eeg_enc.backbone.stages.3.", "mri_enc.backbone.layer4.")
TRAINED_IN_B = (*TRAINED_IN_A, "eeg_enc.backbone.stages.1.", "mri_enc.backbone.layer3.")


def groups_by_name(net: nn.Module, plan: StagePlan) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    groups = parameter_groups(net, plan, head_lr=2e-4, encoder_lr=1e-4)
    head, encoders = ([names[id(parameter)] for parameter in group["params"]] for group in groups)
    return head, encoders, groups


@pytest.mark.parametrize(
    ("num_epochs", "trained"), [((2, 1), TRAINED_IN_B), ((2, 0), TRAINED_IN_A), ((0, 1), TRAINED_IN_B)]
)
def test_the_optimiser_holds_every_parameter_that_any_stage_trains_once(
    built_net: FusionNet, num_epochs: tuple[int, int], trained: tuple[str, ...]
) -> None:
    net = copy.deepcopy(built_net)
    head, encoders, groups = groups_by_name(net, plan_of(*num_epochs))
    assert head == [name for name, _ in net.named_parameters() if name.startswith("head.")]
    assert encoders == [
        name for name, _ in net.named_parameters() if name.startswith(trained) and not name.startswith("head.")
    ]  # each once, in the network's order, and nothing that never trains
    assert [(group["name"], group["lr"]) for group in groups] == [("fusion_head", 2e-4), ("encoders", 1e-4)]


def test_without_train_stem_the_optimiser_leaves_the_stem_out(built_net: FusionNet) -> None:
    net = copy.deepcopy(built_net)
    net.eeg_enc.always_trained = ("projection",)
    _, encoders, _ = groups_by_name(net, plan_of(1, 1))
    assert encoders and not [name for name in encoders if "backbone.stem" in name]


def test_collecting_the_parameters_leaves_the_network_in_its_first_stage(tiny_net: TinyFusionNet) -> None:
    parameter_groups(tiny_net, plan_of(2, 1), 2e-4, 1e-4)
    assert not tiny_net.eeg_blocks["stage2"].weight.requires_grad
    assert tiny_net.eeg_blocks["stage3"].weight.requires_grad


def test_real_training_changes_exactly_what_each_stage_trains(built_net: FusionNet) -> None:
    """Through MONAI's trainer with AdamW: blocks that stage B unfreezes are updated, frozen ones do not change."""
    net, plan = copy.deepcopy(built_net), plan_of(1, 1)
    generator = torch.Generator().manual_seed(5)
    batch = {
        "eeg": torch.randn(2, 17, 32, 32, generator=generator),
        "mri": torch.rand(2, 1, 16, 32, 32, generator=generator),
        "label": torch.tensor([0, 1]),
    }
    optimizer = torch.optim.AdamW(parameter_groups(net, plan, 2e-4, 1e-4), weight_decay=1e-1)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=plan.total_epochs,
        train_data_loader=[batch, batch],
        network=net,
        optimizer=optimizer,
        loss_function=AlignedCrossEntropy(),
        prepare_batch=FusionPrepareBatch(),
        train_handlers=[StageHandler(net, plan)],
        optim_set_to_none=TRAIN["train"]["trainer"]["optim_set_to_none"],
        decollate=False,
    )
    states = [copy.deepcopy(net.state_dict())]
    trainer.add_event_handler("EPOCH_COMPLETED", lambda: states.append(copy.deepcopy(net.state_dict())))
    trainer.run()

    def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
        return {name for name in before if not torch.equal(before[name], after[name])}

    def named(prefixes: tuple[str, ...]) -> set[str]:
        return {name for name in states[0] if name.startswith(prefixes)}

    in_a, in_b = changed(states[0], states[1]), changed(states[1], states[2])
    assert in_a == named(TRAINED_IN_A)
    assert in_b == named(TRAINED_IN_B)
    moved = {name.rsplit(".", 2)[0] for name in in_a if name.endswith("running_mean")}
    assert moved and all(name.startswith("mri_enc.backbone.layer4.") for name in moved)
    assert "mri_enc.backbone.layer3.0.conv1.1.running_var" in in_b
    assert "mri_enc.backbone.stem.1.running_mean" not in in_a | in_b


def test_the_learning_rates_follow_one_cosine_over_both_stages(tiny_net: TinyFusionNet) -> None:
    plan = plan_of(2, 2)
    optimizer = torch.optim.AdamW(parameter_groups(tiny_net, plan, 2e-4, 1e-4))
    definition = TRAIN["lr_scheduler"]
    assert definition["_target_"] == "torch.optim.lr_scheduler.CosineAnnealingLR"
    assert definition["T_max"] == "$@plan.total_epochs"
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=plan.total_epochs)
    rates: list[tuple[float, ...]] = []

    def step(engine: Engine, batch: int) -> None:
        optimizer.step()
        if engine.state.iteration % 2:  # the first of two iterations of an epoch
            rates.append(tuple(group["lr"] for group in optimizer.param_groups))

    engine = Engine(step)
    LrScheduleHandler(scheduler, print_lr=False).attach(engine)
    run(engine, plan.total_epochs)
    half = 0.5**0.5
    shares = [1.0, (1 + half) / 2, 0.5, (1 - half) / 2]  # (1 + cos(pi * (epoch - 1) / 4)) / 2
    assert rates == [pytest.approx((2e-4 * share, 1e-4 * share)) for share in shares]
    assert scheduler.get_last_lr() == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("interval", [0, -1, 2, 4])
def test_an_interval_that_leaves_the_last_epoch_unvalidated_is_refused(interval: int) -> None:
    blocks: list[dict[str, Sequence[str]]] = [{"eeg": ["stage4"]}, {"eeg": ["stage3"]}]
    with pytest.raises(InputError, match="val_interval"):
        StagePlan([2, 1], blocks, val_interval=interval)
    assert StagePlan([2, 1], blocks, val_interval=3).total_epochs == 3
