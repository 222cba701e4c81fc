import pytest
import torch
from torch import Tensor

from monai_fusion.errors import InputError
from monai_fusion.losses import AlignedCrossEntropy
from monai_fusion.networks import FusionNet

STAGE_A = (["stage3", "stage4"], ["layer4"])
STAGE_B = (["stage2", "stage3", "stage4"], ["layer3", "layer4"])

# The names under which timm and torchvision store what a stage trains, written out independently of the code's blocks.
ALWAYS = ("eeg_enc.backbone.head.norm.", "eeg_enc.projection.", "mri_enc.projection.", "head.")
STEM = ("eeg_enc.backbone.stem.",)
TRAINED_IN_A = ("eeg_enc.backbone.stages.2.", "eeg_enc.backbone.stages.3.", "mri_enc.backbone.layer4.")
TRAINED_IN_B = (*TRAINED_IN_A, "eeg_enc.backbone.stages.1.", "mri_enc.backbone.layer3.")


def _train_one_step(net: FusionNet, eeg: Tensor, mri: Tensor, lr: float = 1e-3) -> set[str]:
    """One step as SupervisedTrainer does it, all parameters in the optimiser; the names of what changed."""
    before = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=1e-2)
    net.train()
    optimizer.zero_grad()
    AlignedCrossEntropy()(net(eeg, mri), torch.tensor([0, 1, 1])).backward()
    optimizer.step()
    return {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}


def _named(net: FusionNet, prefixes: tuple[str, ...]) -> set[str]:
    return {name for name in net.state_dict() if name.startswith(prefixes)}


@pytest.mark.parametrize(("stage", "trained"), [(STAGE_A, TRAINED_IN_A), (STAGE_B, TRAINED_IN_B)], ids=["A", "B"])
def test_a_stage_changes_exactly_its_parameters_and_batchnorm_statistics(
    net: FusionNet, eeg: Tensor, mri: Tensor, stage: tuple[list[str], list[str]], trained: tuple[str, ...]
) -> None:
    net.set_trainable(*stage)
    changed = _train_one_step(net, eeg, mri)
    assert changed == _named(net, (*ALWAYS, *STEM, *trained))
    assert any(name.endswith("running_mean") for name in changed)  # the trained blocks' statistics do move


def test_stage_b_after_stage_a_trains_what_a_froze_and_a_again_freezes_it(
    net: FusionNet, eeg: Tensor, mri: Tensor
) -> None:
    net.set_trainable(*STAGE_A)
    _train_one_step(net, eeg, mri)
    net.set_trainable(*STAGE_B)
    assert _train_one_step(net, eeg, mri) == _named(net, (*ALWAYS, *STEM, *TRAINED_IN_B))
    net.set_trainable(*STAGE_A)
    net.zero_grad(set_to_none=True)
    assert _train_one_step(net, eeg, mri) == _named(net, (*ALWAYS, *STEM, *TRAINED_IN_A))


def test_without_train_stem_the_stem_is_frozen_too(net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    net.eeg_enc.always_trained = ("projection",)
    net.set_trainable(*STAGE_A)
    assert _train_one_step(net, eeg, mri) == _named(net, (*ALWAYS, *TRAINED_IN_A))


def test_frozen_blocks_stay_in_eval_mode_for_any_argument_of_train(net: FusionNet) -> None:
    net.train()
    net.set_trainable(*STAGE_A)
    for _ in range(2):
        frozen = [*net.blocks()["mri_enc.stem"], *net.blocks()["mri_enc.layer3"], *net.blocks()["eeg_enc.stage1"]]
        assert not any(module.training for block in frozen for module in block.modules())
        trained = [*net.blocks()["mri_enc.layer4"], *net.blocks()["eeg_enc.projection"], *net.blocks()["head"]]
        assert all(module.training for block in trained for module in block.modules())
        net.train()
    net.eval()
    assert not any(module.training for module in net.modules())


def test_a_network_never_frozen_trains_everything(net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    assert _train_one_step(net, eeg, mri) == set(net.state_dict())


def test_frozen_blocks_record_no_gradient_unless_something_before_them_is_trained(
    net: FusionNet, eeg: Tensor, mri: Tensor
) -> None:
    net.set_trainable(*STAGE_A)
    outputs: dict[str, Tensor] = {}
    for name, (block, *_) in net.blocks().items():
        block.register_forward_hook(lambda _module, _args, output, name=name: outputs.update({name: output}))
    net.train()
    pred = net(eeg, mri)
    pred["logits"].sum().backward()

    for name in ("mri_enc.stem", "mri_enc.layer1", "mri_enc.layer2", "mri_enc.layer3"):
        assert not outputs[name].requires_grad, name
    assert outputs["mri_enc.layer4"].requires_grad
    assert outputs["eeg_enc.stage1"].requires_grad  # on the way to the trained stem
    gradients = net.block_parameters()
    assert all(parameter.grad is None for parameter in gradients["eeg_enc.stage1"])
    assert all(parameter.grad is not None for parameter in gradients["eeg_enc.stem"])


def test_gradients_reach_the_inputs_through_frozen_blocks(net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    net.set_trainable(*STAGE_A)
    net(eeg.requires_grad_(), mri.requires_grad_())["logits"][:, 1].sum().backward()
    assert eeg.grad is not None and eeg.grad.abs().max() > 0
    assert mri.grad is not None and mri.grad.abs().max() > 0


def test_electrode_order_matters_only_once_the_stem_was_trained(net: FusionNet, eeg: Tensor, mri: Tensor) -> None:
    order = torch.randperm(17)

    def change() -> float:
        net.eval()
        with torch.no_grad():
            return (net(eeg, mri)["logits"] - net(eeg[:, order], mri)["logits"]).abs().max().item()

    before = change()
    net.set_trainable(*STAGE_A)
    _train_one_step(net, eeg, mri)
    assert before < 1e-5
    assert change() > 1e-4


def test_blocks_hold_every_parameter_once(built_net: FusionNet) -> None:
    in_blocks = [id(parameter) for parameters in built_net.block_parameters().values() for parameter in parameters]
    assert sorted(in_blocks) == sorted(id(parameter) for parameter in built_net.parameters())


def test_summary_counts_what_each_block_has_and_trains(net: FusionNet) -> None:
    net.set_trainable(*STAGE_A)
    summary = net.trainable_summary()
    assert list(summary) == [
        *(f"eeg_enc.{name}" for name in ("stem", "stage1", "stage2", "stage3", "stage4", "projection")),
        *(f"mri_enc.{name}" for name in ("stem", "layer1", "layer2", "layer3", "layer4", "projection")),
        "head",
    ]
    trained = {name for name, size in summary.items() if size.trainable}
    assert trained == {
        *("eeg_enc.stem", "eeg_enc.stage3", "eeg_enc.stage4", "eeg_enc.projection"),
        *("mri_enc.layer4", "mri_enc.projection", "head"),
    }
    assert all(size.trainable in (0, size.parameters) for size in summary.values())
    assert sum(size.parameters for size in summary.values()) == sum(p.numel() for p in net.parameters())
    assert summary["mri_enc.stem"].parameters == 64 * 3 * 3 * 7 * 7 + 2 * 64


def test_unknown_block_is_refused_with_the_likely_meaning_and_nothing_changes(net: FusionNet) -> None:
    net.set_trainable(*STAGE_A)
    before = net.trainable_summary()
    with pytest.raises(InputError) as caught:
        net.set_trainable(["stage2", "stage 3"], ["layer5", "projection"])
    assert [problem.where for problem in caught.value.problems] == ["eeg_blocks", "mri_blocks", "mri_blocks"]
    assert "'stage 3', expected one of stem, stage1, stage2, stage3, stage4: did you mean 'stage3'?" in str(
        caught.value
    )
    assert "did you mean 'layer" in str(caught.value)
    assert net.trainable_summary() == before


def test_a_text_in_place_of_a_list_of_blocks_is_refused(net: FusionNet) -> None:
    with pytest.raises(InputError, match=r"mri_blocks: the text 'layer4', expected a list .*: write \['layer4'\]"):
        net.set_trainable(["stage4"], "layer4")
