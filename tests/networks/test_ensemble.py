"""An ensemble predicts the mean of its members' predictions for a participant."""

import copy

import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.evaluation import ParticipantInferer
from monai_fusion.networks import EnsembleNet, FusionNet, joined_states, with_members
from tests.support import ELECTRODES, tiny_absence_net


def members(number: int = 3) -> list[FusionNet]:
    torch.manual_seed(0)
    nets = [tiny_absence_net().eval() for _ in range(number)]
    for net in nets:
        for parameter in net.head.parameters():
            torch.nn.init.normal_(parameter)  # so that they do not agree, also where a recording is absent
    return nets


def recordings() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return 3 * torch.randn(5, ELECTRODES, 8, 10, generator=generator), torch.rand(1, 1, 4, 6, 6, generator=generator)


@pytest.mark.parametrize("at_once", [2, 16])
def test_its_probabilities_are_the_mean_of_the_members_own(at_once: int) -> None:
    nets, inferer = members(), ParticipantInferer(segment_batch_size=at_once)
    eeg, mri = recordings()
    alone = [inferer(eeg, net, mri) for net in nets]
    together = inferer(eeg, EnsembleNet(nets), mri)
    spread = torch.stack([each["probabilities"] for each in alone])
    assert spread.std(dim=0).min() > 0.01  # they do not agree
    torch.testing.assert_close(together["probabilities"], spread.mean(dim=0))
    torch.testing.assert_close(together["gate"], torch.stack([each["gate"] for each in alone]).mean(dim=0))
    of_segments = torch.stack([each["segment_probabilities"] for each in alone])
    torch.testing.assert_close(together["segment_probabilities"], of_segments.mean(dim=0))


def test_it_loads_what_its_members_were_saved_as() -> None:
    nets = members()
    fresh = EnsembleNet([copy.deepcopy(members(1)[0]) for _ in range(3)])
    fresh.load_state_dict(joined_states([net.state_dict() for net in nets]))
    eeg, mri = recordings()
    torch.testing.assert_close(fresh(eeg[:1], mri)["logits"], EnsembleNet(nets)(eeg[:1], mri)["logits"])


def test_a_recipe_without_members_is_a_single_network() -> None:
    (net,) = members(1)
    assert with_members(net, None) is net
    several = with_members(net, 3)
    assert isinstance(several, EnsembleNet) and len(several.members) == 3
    pointers = {next(member.parameters()).data_ptr() for member in several.members}
    assert len(pointers) == 3  # each has weights of its own


@pytest.mark.parametrize("number", [0, 101, "3", 2.0, True, [2]])
def test_a_strange_number_of_members_is_refused(number: object) -> None:
    with pytest.raises(InputError, match=r"^recipe.json members: .* expected a whole number from 1 to 100$"):
        with_members(members(1)[0], number)


@pytest.mark.parametrize("lacking", ["eeg", "mri"])
def test_each_member_treats_a_participant_who_lacks_a_recording_in_its_own_way(lacking: str) -> None:
    nets, inferer = members(2), ParticipantInferer()
    eeg, mri = recordings()
    given = (None, mri) if lacking == "eeg" else (eeg, None)
    alone = [inferer(given[0], net, given[1])["probabilities"] for net in nets]
    together = inferer(given[0], EnsembleNet(nets), given[1])
    torch.testing.assert_close(together["probabilities"], torch.stack(alone).mean(dim=0))
    assert together["gate"].item() == (0.0 if lacking == "eeg" else 1.0)
    assert not torch.equal(alone[0], alone[1])
