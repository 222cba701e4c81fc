import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_fusion.errors import InputError
from monai_fusion.losses import AlignedCrossEntropy


@pytest.fixture
def pred() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1337)
    return {
        "logits": torch.randn(5, 3, generator=generator),
        "gate": torch.rand(5, 1, generator=generator),
        "eeg_embedding": F.normalize(torch.randn(5, 8, generator=generator), dim=1),
        "mri_embedding": F.normalize(torch.randn(5, 8, generator=generator), dim=1),
    }


LABEL = torch.tensor([0, 2, 1, 1, 0])


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def _misalignment(pred: dict[str, Tensor]) -> float:
    e, m = (pred[name].double().numpy() for name in ("eeg_embedding", "mri_embedding"))
    return float(np.mean(1 - (e * m).sum(1) / np.linalg.norm(e, axis=1) / np.linalg.norm(m, axis=1)))


def test_loss_is_cross_entropy_plus_015_times_1_minus_cosine_by_hand(pred: dict[str, Tensor]) -> None:
    log_p = _log_softmax(pred["logits"].double().numpy())
    expected = -log_p[np.arange(5), LABEL.numpy()].mean() + 0.15 * _misalignment(pred)
    loss = AlignedCrossEntropy()(pred, LABEL)
    assert loss.dtype == torch.float32
    assert loss.shape == ()
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_class_weights_and_label_smoothing_are_those_by_hand(pred: dict[str, Tensor]) -> None:
    weights, smoothing = np.array([1.0, 2.0, 0.5]), 0.1
    log_p = _log_softmax(pred["logits"].double().numpy())
    target = np.eye(3)[LABEL.numpy()] * (1 - smoothing) + smoothing / 3
    cross_entropy = -(target * weights * log_p).sum() / weights[LABEL.numpy()].sum()
    loss = AlignedCrossEntropy(lambda_align=2.0, label_smoothing=smoothing, class_weights=[1.0, 2.0, 0.5])(pred, LABEL)
    assert loss.item() == pytest.approx(cross_entropy + 2.0 * _misalignment(pred), rel=1e-6)


def test_terms_are_available_alone(pred: dict[str, Tensor]) -> None:
    loss = AlignedCrossEntropy(lambda_align=0.4)
    total = loss.cross_entropy(pred, LABEL) + 0.4 * loss.misalignment(pred)
    torch.testing.assert_close(loss(pred, LABEL), total)
    assert loss.misalignment(pred).item() == pytest.approx(_misalignment(pred), rel=1e-6)


def test_aligned_embeddings_cost_nothing_and_opposite_ones_two(pred: dict[str, Tensor]) -> None:
    loss = AlignedCrossEntropy()
    e = pred["eeg_embedding"]
    assert loss.misalignment({**pred, "mri_embedding": e}).item() == pytest.approx(0, abs=1e-6)
    assert loss.misalignment({**pred, "mri_embedding": -e}).item() == pytest.approx(2, abs=1e-6)


def test_loss_is_computed_in_float32_under_autocast_and_from_half_precision(pred: dict[str, Tensor]) -> None:
    half = {name: value.bfloat16() for name, value in pred.items()}
    exact = AlignedCrossEntropy()({name: value.float() for name, value in half.items()}, LABEL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = AlignedCrossEntropy()(half, LABEL)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, exact)


def test_gradients_reach_logits_and_both_embeddings(pred: dict[str, Tensor]) -> None:
    names = ("logits", "eeg_embedding", "mri_embedding")
    for name in names:
        pred[name].requires_grad_()
    AlignedCrossEntropy()(pred, LABEL).backward()
    assert all(pred[name].grad is not None and pred[name].grad.abs().max() > 0 for name in names)


def test_loss_keeps_no_state() -> None:
    loss = AlignedCrossEntropy(class_weights=[1.0, 2.0])
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == []
    assert list(loss.buffers()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda_align": -0.1}, r"lambda_align: -0.1, expected a number in \[0, inf\)"),
        ({"lambda_align": "1e-1"}, r"lambda_align: '1e-1', .*: write 1.0e-4, not 1e-4, in YAML"),
        ({"lambda_align": float("nan")}, "lambda_align: nan"),
        ({"label_smoothing": 1.0}, r"label_smoothing: 1.0, expected a number in \[0, 1\)"),
        ({"class_weights": [1.0, -2.0]}, "class_weights: -2.0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AlignedCrossEntropy(**options)


def test_missing_or_misshapen_labels_are_named(pred: dict[str, Tensor]) -> None:
    loss = AlignedCrossEntropy()
    with pytest.raises(ValueError, match=r"label: missing, expected \[5\]"):
        loss(pred, None)
    with pytest.raises(ValueError, match=r"label: shape \[5, 1\], expected \[5\]"):
        loss(pred, LABEL[:, None])


def test_weights_on_one_device_stay_when_the_loss_is_used_on_another(pred: dict[str, Tensor]) -> None:
    """A recorded step of a GPU reads them where they were when it was recorded."""
    loss = AlignedCrossEntropy(class_weights=[1.0, 2.0, 0.5])
    first = loss._weights_on(torch.device("cpu"))
    assert loss({name: value.to("meta") for name, value in pred.items()}, LABEL.to("meta")).is_meta
    assert loss._weights_on(torch.device("cpu")) is first


def test_class_weights_must_fit_the_classes(pred: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="class_weights: 2 values for 3 classes"):
        AlignedCrossEntropy(class_weights=[1.0, 1.0])(pred, LABEL)


def test_who_lacks_a_recording_adds_nothing_to_the_alignment_and_counts_in_its_mean() -> None:
    eeg = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]], requires_grad=True)
    mri = torch.tensor([[0.0, 1.0], [0.3, 0.4], [0.6, 0.8], [0.6, 0.8]], requires_grad=True)
    present = torch.tensor([[True, True], [True, False], [True, True], [False, True]])
    pred = {"logits": torch.zeros(4, 2), "eeg_embedding": eeg, "mri_embedding": mri, "present": present}
    loss = AlignedCrossEntropy(lambda_align=0.5)
    # 1 - cos is 1 for the first and 0.4 for the third; the others have no pair.
    misalignment = loss.misalignment(pred)
    assert misalignment.item() == pytest.approx((1 + 0.4) / 4, abs=1e-6)
    assert loss(pred, torch.tensor([0, 1, 0, 1])).item() == pytest.approx(math.log(2) + 0.5 * 0.35, abs=1e-6)
    misalignment.backward()
    assert eeg.grad is not None and eeg.grad[[0, 2]].any() and not eeg.grad[[1, 3]].any()
    # So slices of a batch add up to it.
    halves = [{name: value[rows] for name, value in pred.items()} for rows in (slice(0, 1), slice(1, 4))]
    assert (0.25 * loss.misalignment(halves[0]) + 0.75 * loss.misalignment(halves[1])).item() == pytest.approx(
        misalignment.item(), abs=1e-7
    )
    no_pairs = {**pred, "present": torch.tensor([[True, False]] * 4)}
    assert loss.misalignment(no_pairs).item() == 0
    all_pairs = {**pred, "present": torch.ones(4, 2, dtype=torch.bool)}
    without = {name: value for name, value in pred.items() if name != "present"}
    assert torch.equal(loss.misalignment(all_pairs), loss.misalignment(without))
