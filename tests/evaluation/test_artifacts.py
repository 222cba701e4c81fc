"""What an evaluation keeps of its participants: embeddings and thumbnails."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform

from monai_fusion.evaluation import ParticipantInferer
from monai_fusion.evaluation.artifacts import EmbeddingWriter, ThumbnailWriter, middle_slices
from tests.support import TinyFusionNet

SEGMENTS = {"sub-1": 3, "Jörg, 2": 1}


def evaluated(*handlers: EmbeddingWriter | ThumbnailWriter, network: torch.nn.Module | None = None) -> list[dict]:
    """Run a bare engine over two participants; its batches."""
    generator = torch.Generator().manual_seed(0)
    batches = [
        {
            "eeg": torch.randn(segments, 3, 20, 30, generator=generator),
            "mri": torch.rand(1, 1, 12, 16, 16, generator=generator),
            "participant_id": [name],
        }
        for name, segments in SEGMENTS.items()
    ]
    network = network or TinyFusionNet()
    inferer = ParticipantInferer(segment_batch_size=2)

    def step(engine: Engine, batch: dict) -> dict:
        with torch.no_grad():
            return {"pred": inferer(batch["eeg"], network, batch["mri"])}

    engine = Engine(step)
    for handler in handlers:
        handler.attach(engine)
    engine.run(batches)
    engine.run(batches)  # the second evaluation replaces the first, it does not add to it
    return batches


def test_embeddings_are_means_over_the_segments(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = TinyFusionNet()
    batches = evaluated(EmbeddingWriter(tmp_path / "made"), network=network)
    with np.load(tmp_path / "made" / "embeddings.npz", allow_pickle=False) as stored:
        assert stored["participant_id"].tolist() == list(SEGMENTS)
        assert {name: stored[name].shape for name in stored.files[1:]} == {
            "eeg": (2, 4),
            "mri": (2, 4),
            "fused": (2, 4),
        }
        for row, batch in enumerate(batches):
            with torch.no_grad():
                eeg, mri = network.encode_eeg(batch["eeg"]), network.encode_mri(batch["mri"])
                gate = network.fuse(eeg, mri.expand(len(eeg), -1))["gate"]
            np.testing.assert_allclose(stored["eeg"][row], eeg.mean(0), atol=1e-6)
            np.testing.assert_allclose(stored["mri"][row], mri[0], atol=1e-6)
            np.testing.assert_allclose(stored["fused"][row], (gate * eeg + (1 - gate) * mri).mean(0), atol=1e-6)


def test_thumbnails_are_small_pictures_of_each_participant(tmp_path: Path) -> None:
    batches = evaluated(ThumbnailWriter(tmp_path))
    with np.load(tmp_path / "thumbnails.npz", allow_pickle=False) as stored:
        assert stored["participant_id"].tolist() == list(SEGMENTS)
        assert stored["mri"].shape == (2, 3, 96, 96) and stored["eeg"].shape == (2, 96, 96)
        assert stored["mri"].dtype == stored["eeg"].dtype == np.uint8
        for row, batch in enumerate(batches):
            # Each pixel of the mean scalogram (20 x 30) is some of the 64 x 96 in the middle: their order is kept.
            mean = batch["eeg"].mean(dim=(0, 1)).numpy()
            picture = stored["eeg"][row][16:80].astype(float)
            assert not stored["eeg"][row][:16].any() and not stored["eeg"][row][80:].any()
            centres = picture[(np.arange(20) * 3.2 + 1.6).astype(int)][:, (np.arange(30) * 3.2 + 1.6).astype(int)]
            assert np.corrcoef(centres.ravel(), np.clip(mean, *np.percentile(mean, [1, 99])).ravel())[0, 1] > 0.95


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPI", "ASR"])
def test_slices_show_the_same_side_whatever_the_orientation(orientation: str) -> None:
    ras = np.arange(6 * 8 * 10, dtype=np.float32).reshape(6, 8, 10)
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(tuple(orientation)))
    sagittal, coronal, axial = middle_slices(apply_orientation(ras, turn), orientation)
    assert sagittal.shape == (10, 8) and coronal.shape == (10, 6) and axial.shape == (8, 6)
    assert sagittal[0, -1] == ras[3, -1, -1]  # top and front
    assert coronal[0, 0] == ras[0, 4, -1]  # top and left
    assert axial[0, 0] == ras[0, -1, 5]  # front and left


def test_an_mri_without_contrast_is_black(tmp_path: Path) -> None:
    writer = ThumbnailWriter(tmp_path)
    engine = Engine(lambda engine, batch: {"pred": {}})
    writer.attach(engine)
    engine.run([{"eeg": torch.zeros(1, 2, 4, 4), "mri": torch.ones(1, 1, 4, 4, 4), "participant_id": ["a"]}])
    with np.load(tmp_path / "thumbnails.npz") as stored:
        assert not stored["mri"].any() and not stored["eeg"].any()


def test_without_thumbnails_those_of_an_earlier_evaluation_go(tmp_path: Path) -> None:
    evaluated(ThumbnailWriter(tmp_path))
    assert (tmp_path / "thumbnails.npz").is_file()
    evaluated(ThumbnailWriter(tmp_path, enabled=False))
    assert not (tmp_path / "thumbnails.npz").exists()


def test_equal_evaluations_leave_equal_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        torch.manual_seed(3)
        evaluated(EmbeddingWriter(tmp_path / name), ThumbnailWriter(tmp_path / name))
    for file in ("embeddings.npz", "thumbnails.npz"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
