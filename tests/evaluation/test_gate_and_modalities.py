"""Where the gates lie, and what becomes of predictions without a modality."""

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_fusion.evaluation.modalities import with_mean_gate, without_each_modality
from monai_fusion.metrics import Prediction
from monai_fusion.metrics.fields_of_scores import Score
from monai_fusion.metrics.gate import changes_nothing, collapsed_to, distribution, gate_section, modalities_section
from monai_fusion.networks.ensemble_net import EnsembleNet
from tests.support import tiny_absence_net


def test_a_distribution_is_numpys() -> None:
    values = np.random.default_rng(0).random(17)
    found = distribution(values.tolist())
    assert (found.mean, found.sd, found.median) == pytest.approx((values.mean(), values.std(ddof=1), np.median(values)))
    assert (found.minimum, found.maximum) == (values.min(), values.max())
    assert (found.lower_quartile, found.upper_quartile) == pytest.approx(tuple(np.percentile(values, [25, 75])))
    assert distribution([0.3]).sd is None


def people(gates: list[float]) -> list[Prediction]:
    """Alternating classes; the first two predictions are correct, the others wrong."""
    rows = []
    for place, gate in enumerate(gates):
        label, right = place % 2, place < 2
        predicted = label if right else 1 - label
        rows.append(Prediction(f"sub-{place}", label, (0.8, 0.2) if predicted == 0 else (0.2, 0.8), gate, 1))
    return rows


def test_gates_are_described_by_class_and_by_correctness() -> None:
    found = gate_section(people([0.1, 0.2, 0.3, 0.4]), ["M", "F"])
    assert found.overall.mean == pytest.approx(0.25) and found.collapsed is None
    assert [(each.class_name, each.gate.mean) for each in found.by_class] == [
        ("M", pytest.approx(0.2)),
        ("F", pytest.approx(0.3)),
    ]
    assert found.right is not None and found.right.mean == pytest.approx(0.15)
    assert found.wrong is not None and found.wrong.mean == pytest.approx(0.35)
    alone = gate_section(people([0.1]), ["M", "F"])
    assert [each.class_name for each in alone.by_class] == ["M"] and alone.wrong is None


@pytest.mark.parametrize(
    ("gates", "modality"),
    [
        ([0.01, 0.049], "mri"),
        ([0.96, 1.0], "eeg"),
        ([0.01, 0.05], None),
        ([0.95, 0.99], None),
        ([0.01, 0.99], None),
    ],
)
def test_a_gate_has_collapsed_if_it_is_on_one_side_for_all_participants(
    gates: list[float], modality: str | None
) -> None:
    assert collapsed_to(gates) == modality


class OneSided:
    """A head that hears one modality only: its first number is the log-odds."""

    def __init__(self, hears: str) -> None:
        self.hears = hears
        self.rows = 0

    def fuse(self, eeg_embedding: Tensor, mri_embedding: Tensor) -> dict[str, Tensor]:
        """[B, D], [B, D] -> logits [B, 2]."""
        self.rows += len(eeg_embedding)
        heard = eeg_embedding if self.hears == "eeg" else mri_embedding
        return {"logits": torch.stack([-heard[:, 0] / 2, heard[:, 0] / 2], dim=1)}


def embeddings(number: int) -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(0)
    eeg = [torch.randn(1 + place % 3, 4, generator=generator) for place in range(number)]
    return eeg, [torch.randn(1, 4, generator=generator) for _ in range(number)]


@pytest.mark.parametrize("number", [2, 5, 40])
def test_without_the_one_modality_it_uses_a_network_predicts_the_same_for_all(number: int) -> None:
    eeg, mri = embeddings(number)
    network = OneSided("mri")
    without_eeg, without_mri = without_each_modality(network, eeg, mri)
    own = [torch.sigmoid(one[0, 0]).item() for one in mri]
    assert [positive for _, positive in without_eeg] == pytest.approx(own, abs=1e-6)
    lenders = [own[place * number // 16] for place in range(16)] if number > 16 else own
    assert [positive for _, positive in without_mri] == pytest.approx([np.mean(lenders)] * number, abs=1e-6)
    segments = sum(len(one) for one in eeg)
    assert network.rows < 40 * segments  # about 16 a segment for either modality


def test_a_lender_counts_once_however_many_segments_it_has() -> None:
    eeg = [torch.tensor([[2.0]]), torch.tensor([[-1.0], [-3.0], [-5.0]])]
    mri = [torch.zeros(1, 1), torch.zeros(1, 1)]
    without_eeg, _ = without_each_modality(OneSided("eeg"), eeg, mri)
    expected = (torch.sigmoid(eeg[0]).mean() + torch.sigmoid(eeg[1]).mean()) / 2
    assert [positive for _, positive in without_eeg] == pytest.approx([expected.item()] * 2, abs=1e-6)


def predictions(without_eeg: list[float], without_mri: list[float]) -> list[Prediction]:
    return [
        Prediction(f"sub-{place}", place % 2, (1 - own, own), 0.5, 2, without_eeg=(1 - e, e), without_mri=(1 - m, m))
        for place, (own, e, m) in enumerate(zip([0.1, 0.9, 0.4, 0.6], without_eeg, without_mri, strict=True))
    ]


def test_what_a_modality_contributes_is_what_changes_without_it() -> None:
    found = modalities_section(predictions([0.11, 0.9, 0.39, 0.61], [0.5, 0.4, 0.5, 0.4]), 4)
    assert found is not None and found.reference_participants == 4
    assert found.without_eeg.changes_nothing and found.without_eeg.mean_change == pytest.approx(0.0075)
    assert (found.without_eeg.auroc, found.without_eeg.changed_predictions) == (1.0, 0)
    assert not found.without_mri.changes_nothing and found.without_mri.mean_change == pytest.approx(0.3)
    assert (found.without_mri.auroc, found.without_mri.balanced_accuracy) == (0.0, 0.5)
    assert found.without_mri.changed_predictions == 2


def test_a_changed_class_is_not_nothing_even_if_little_moves() -> None:
    close = [Prediction("a", 0, (0.51, 0.49), 0.5, 1, without_eeg=(0.49, 0.51), without_mri=(0.51, 0.49))]
    found = modalities_section(close, 1)
    assert found is not None and not found.without_eeg.changes_nothing and found.without_mri.changes_nothing
    assert found.without_eeg.auroc is None  # one class


def test_a_modality_that_decides_the_order_has_an_effect_even_if_no_class_changes() -> None:
    """Each probability moves by 0.01 or less, and the AUROC falls from 1 to 0.5."""
    rows = [
        Prediction(f"s{n}", n % 2, (1 - p, p), 0.5, 1, without_eeg=(0.6, 0.4), without_mri=(1 - p, p))
        for n, p in enumerate([0.39, 0.41] * 20)
    ]
    found = modalities_section(rows, 4)
    assert found is not None and found.without_eeg.changed_predictions == 0
    assert found.without_eeg.mean_change == pytest.approx(0.01)
    assert found.without_eeg.lost_auroc.value == 0.5
    assert not found.without_eeg.changes_nothing
    assert found.without_mri.changes_nothing


@pytest.mark.parametrize(
    ("changed", "moved", "value", "interval", "nothing"),
    [
        (0, 0.01, 0.0, None, True),
        (0, 0.01, 0.01, (-0.02, 0.04), True),
        (0, 0.01, 0.01, (0.005, 0.015), False),
        (0, 0.01, -0.25, None, False),
        (0, 0.01, None, None, True),
        (1, 0.01, 0.0, None, False),
        (0, 0.02, 0.0, None, False),
    ],
)
def test_no_effect_is_none_on_classes_probabilities_and_scores(
    changed: int, moved: float, value: float | None, interval: tuple[float, float] | None, nothing: bool
) -> None:
    assert changes_nothing(changed, moved, [Score(value=value, interval=interval)]) is nothing


def test_there_is_no_section_unless_it_was_computed_for_all_participants() -> None:
    assert modalities_section(people([0.5, 0.5]), 2) is None


def test_with_the_mean_gate_only_the_gate_is_another() -> None:
    """A gate of the network's own for one participant gives its own prediction; a network without a gate has none."""
    torch.manual_seed(0)
    network = tiny_absence_net().eval()
    eeg = [torch.nn.functional.normalize(torch.randn(2, network.embedding_dim), dim=1) for _ in range(3)]
    mri = [torch.nn.functional.normalize(torch.randn(1, network.embedding_dim), dim=1) for _ in range(3)]
    with torch.no_grad():
        own = [network.fuse(one[:1], other) for one, other in zip(eeg, mri, strict=True)]
        gate = float(own[0]["gate"])
        found = with_mean_gate(network, [one[:1] for one in eeg], mri, gate)
    assert found is not None
    assert found[0] == pytest.approx(own[0]["logits"].softmax(dim=1)[0].tolist(), abs=1e-6)
    assert found[1] != pytest.approx(own[1]["logits"].softmax(dim=1)[0].tolist(), abs=1e-7)
    joined = EnsembleNet([network, network])
    wide_eeg, wide_mri = [torch.cat([one, one], dim=1) for one in eeg], [torch.cat([one, one], dim=1) for one in mri]
    of_two = with_mean_gate(joined, wide_eeg, wide_mri, gate)
    of_one = with_mean_gate(network, eeg, mri, gate)
    assert of_two is not None and of_one is not None
    assert np.allclose(of_two, of_one, atol=1e-6)
    assert with_mean_gate(OneSided("mri"), eeg, mri, 0.5) is None
