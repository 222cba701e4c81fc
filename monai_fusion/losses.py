"""The training's loss: cross-entropy, and the alignment of a participant's two embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_fusion import keys
from monai_fusion.errors import InputError, Problem


class AlignedCrossEntropy(nn.Module):
    """Cross-entropy + ``lambda_align`` * mean(1 - cos(e, m)), in float32 also under autocast.

    A participant who lacks a recording has nothing to align, and adds 0 to that mean over the batch. So every
    participant has the same weight in any batch, and slices of a batch (on several devices, or accumulated) add up to
    the whole batch.

    The loss has neither parameters nor buffers: it works on the device of the predictions, and has no state to save.

    Args:
        lambda_align: Weight of the alignment, 0 or more.
        label_smoothing: As in ``torch.nn.CrossEntropyLoss``, in [0, 1).
        class_weights: One weight per class, or None. As in ``torch.nn.CrossEntropyLoss`` the mean over the batch is
            then divided by the sum of its samples' weights; the alignment is not weighted.

    Raises:
        InputError: A value is not a number or out of its range.
    """

    def __init__(
        self,
        lambda_align: float = 0.15,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        problems = [*_outside("lambda_align", lambda_align), *_outside("label_smoothing", label_smoothing, below=1.0)]
        for weight in class_weights or ():
            problems += _outside("class_weights", weight)
        if problems:
            raise InputError(problems)
        self.lambda_align = lambda_align
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else tuple(float(weight) for weight in class_weights)
        # A copy for each device: one that a recorded step reads must stay where it is.
        self._weights: dict[torch.device, Tensor] = {}

    def forward(self, pred: Mapping[str, Tensor], label: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            pred: The output of :class:`monai_fusion.networks.FusionNet`: ``logits`` [B, C], ``eeg_embedding`` and
                ``mri_embedding`` [B, D], of any floating dtype; and ``present`` [B, 2] bool (EEG, MRI), if recordings
                may be missing.
            label: Class indices [B], int64.

        Returns:
            The mean over the batch, a float32 scalar.

        Raises:
            ValueError: ``label`` is missing or of another shape, or ``class_weights`` do not fit the classes.
        """
        return self.cross_entropy(pred, label) + self.lambda_align * self.misalignment(pred)

    def cross_entropy(self, pred: Mapping[str, Tensor], label: Tensor) -> Tensor:
        """The first term, a float32 scalar.

        Raises:
            ValueError: Labels are missing, or they or the class weights do not fit the logits [B, K].
        """
        logits = pred[keys.LOGITS].float()
        if label is None or label.shape != logits.shape[:1]:
            seen = "missing" if label is None else f"shape {list(label.shape)}"
            raise ValueError(f"label: {seen}, expected [{logits.shape[0]}] for logits {list(logits.shape)}")
        weight = None
        if self.class_weights is not None:
            if len(self.class_weights) != logits.shape[1]:
                raise ValueError(f"class_weights: {len(self.class_weights)} values for {logits.shape[1]} classes")
            weight = self._weights_on(logits.device)
        return F.cross_entropy(logits, label, weight=weight, label_smoothing=self.label_smoothing)

    def _weights_on(self, device: torch.device) -> Tensor:
        """The class weights [C] float32, copied once: a step that is recorded as a CUDA graph can copy nothing."""
        if device not in self._weights:
            self._weights[device] = torch.tensor(self.class_weights, dtype=torch.float32, device=device)
        return self._weights[device]

    def misalignment(self, pred: Mapping[str, Tensor]) -> Tensor:
        """Mean over the batch of 1 - cos(e, m), in [0, 2], a float32 scalar, not yet weighted."""
        eeg, mri = pred[keys.EEG_EMBEDDING].float(), pred[keys.MRI_EMBEDDING].float()
        if keys.PRESENT not in pred or (both := pred[keys.PRESENT].all(dim=1)).all():
            return (1 - F.cosine_similarity(eeg, mri, dim=1)).mean()
        rows = both.nonzero().flatten().to(eeg.device)
        return (1 - F.cosine_similarity(eeg[rows], mri[rows], dim=1)).sum() / len(eeg)


def _outside(name: str, value: object, below: float = float("inf")) -> list[Problem]:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < below:
        return []
    # YAML 1.1 reads 1e-4 as text, 1.0e-4 as a number.
    advice = "write 1.0e-4, not 1e-4, in YAML" if isinstance(value, str) else ""
    return [Problem(name, seen=repr(value), wanted=f"a number in [0, {below:g})", advice=advice)]
