"""On a GPU the blocks that only run have their own form: the answers of the general one, and fit for CUDA graphs."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from monai_fusion.networks import MRIEncoder
from monai_fusion.networks.cuda_form import FusedBasicBlock
from monai_fusion.networks.folded_block import folded
from monai_fusion.networks.fused_convolution import ConvolutionReLU, decisions
from monai_fusion.networks.mri import MRI_BLOCKS
from monai_fusion.networks.slice_stem import SliceStem

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.usefixtures("_without_tf32"),
]
SLAB = (24, 40, 44)
TOLERANCES = {torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 1e-2}


@pytest.fixture
def _without_tf32() -> Iterator[None]:
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


@pytest.fixture(scope="module")
def built() -> MRIEncoder:
    """With BatchNorm statistics as after a training, in evaluation mode."""
    torch.manual_seed(0)
    encoder = MRIEncoder(pretrained=False, dropout=0.0)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean = torch.randn_like(module.running_mean) * 0.1
            module.running_var = torch.rand_like(module.running_var) + 0.5
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias, 0.0, 0.2)
    return encoder.cuda().eval()


@pytest.fixture
def encoder(built: MRIEncoder) -> MRIEncoder:
    return copy.deepcopy(built)


def volumes(batch: int, slab: tuple[int, int, int] = SLAB) -> Tensor:
    return torch.rand(batch, 1, *slab, generator=torch.Generator().manual_seed(batch)).cuda()


def by_the_general_form(encoder: MRIEncoder, x: Tensor, dtype: torch.dtype, blocks: int = 5) -> Tensor:
    x = ((x - encoder.input_mean) / encoder.input_std).to(dtype)
    with torch.autocast("cuda", enabled=False):
        for place, name in enumerate(MRI_BLOCKS[:blocks]):
            x = folded(encoder.backbone.get_submodule(name), 64 if place else 1).to(dtype)(x)
    return x


def by_the_forms(encoder: MRIEncoder, x: Tensor, blocks: int = 5) -> Tensor:
    for place, name in enumerate(MRI_BLOCKS[:blocks]):
        normalisation = () if place else (encoder.input_mean, encoder.input_std)
        x = encoder._forms[name](encoder.backbone.get_submodule(name), x, *normalisation)
    return x


def relative(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).norm() / other.float().norm())


@pytest.mark.parametrize("batch", [1, 4, 16])
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_the_answer_is_that_of_the_general_form(encoder: MRIEncoder, dtype: torch.dtype, batch: int) -> None:
    """After all five blocks, two forms in bfloat16 differ by 0.011, but each by less from what float32 gives."""
    x = volumes(batch)
    with torch.no_grad(), torch.autocast("cuda", dtype=dtype, enabled=dtype != torch.float32):
        for blocks in (1, 4, 5):
            found = by_the_forms(encoder, x, blocks)
            assert found.dtype == dtype
            wanted = by_the_general_form(encoder, x, torch.float32 if blocks == 5 else dtype, blocks)
            assert relative(found, wanted) <= TOLERANCES[dtype], blocks
    assert isinstance(encoder._forms["stem"].form, SliceStem)
    assert {type(each) for each in encoder._forms["layer4"].form or []} == {FusedBasicBlock}


@pytest.mark.parametrize("slab", [(1, 17, 9), (5, 33, 30), (7, 16, 50), (3, 9, 9)])
def test_odd_and_small_volumes_are_right(encoder: MRIEncoder, slab: tuple[int, int, int]) -> None:
    x = volumes(2, slab)
    with torch.no_grad():
        assert relative(by_the_forms(encoder, x), by_the_general_form(encoder, x, torch.float32)) <= 1e-4


@pytest.mark.parametrize("channels", [1, 3])
def test_evaluation_embeds_as_the_plain_network(encoder: MRIEncoder, channels: int) -> None:
    x = volumes(3).expand(-1, channels, -1, -1, -1)
    with torch.no_grad():
        wanted = encoder.embed(encoder.backbone((x - encoder.input_mean) / encoder.input_std))
        torch.testing.assert_close(encoder(x), wanted, rtol=1e-3, atol=1e-4)
        assert list(encoder.inference_forms()) == list(MRI_BLOCKS)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            assert relative(encoder(x), wanted) <= 0.01
    half = encoder.inference_forms()
    assert isinstance(half["stem"], SliceStem) == (channels == 1)


def test_training_gets_the_plain_gradients(encoder: MRIEncoder) -> None:
    encoder.set_trainable(["layer4"])
    x, direction = volumes(2), torch.randn(2, 512, device="cuda")
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    found = torch.autograd.grad((encoder(x) * direction).sum(), trained)
    plain = encoder.embed(encoder.backbone((x - encoder.input_mean) / encoder.input_std))
    for one, other in zip(found, torch.autograd.grad((plain * direction).sum(), trained), strict=True):
        assert relative(one, other) <= 0.01  # a rounding may move a value over a ReLU's edge
    assert list(encoder.inference_forms()) == ["stem", "layer1", "layer2", "layer3"]


def test_the_fused_kernels_are_used_in_bfloat16(encoder: MRIEncoder) -> None:
    with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
        encoder(volumes(4))
    of_this_shape = {key: fused for key, fused in decisions().items() if torch.bfloat16 in key}  # type: ignore[operator]
    assert of_this_shape and all(of_this_shape.values()), [key for key, fused in of_this_shape.items() if not fused]


def test_the_same_volume_gives_the_same_bits(encoder: MRIEncoder) -> None:
    x = volumes(4)
    with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
        first = by_the_forms(encoder, x)
        for _ in range(10):
            assert torch.equal(by_the_forms(encoder, x), first)


def test_memory_that_held_nan_does_not_reach_the_answer(encoder: MRIEncoder) -> None:
    conv = ConvolutionReLU(
        torch.randn(64, 64, 3, 3, 3, device="cuda").bfloat16().contiguous(memory_format=torch.channels_last_3d),
        torch.randn(64, device="cuda").bfloat16(),
        (1, 1, 1),
        (1, 1, 1),
    )
    x = torch.randn(2, 64, 8, 16, 16, device="cuda").bfloat16().contiguous(memory_format=torch.channels_last_3d)
    wanted = conv(x).clone()
    for _ in range(5):
        answer = conv(x)
        assert torch.equal(answer, wanted)
        answer.fill_(float("nan"))
        del answer


def test_a_broken_volume_shows_in_its_embedding_only(encoder: MRIEncoder) -> None:
    x = volumes(3)
    x[1, 0, 5, 20, 20] = float("nan")
    with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
        embedding = encoder(x)
    assert embedding.isnan().any(dim=1).tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_captured_graph_gives_the_bits_of_the_call_and_sees_new_volumes(
    encoder: MRIEncoder, dtype: torch.dtype
) -> None:
    given = volumes(2)

    def embed() -> Tensor:
        with torch.no_grad(), torch.autocast("cuda", dtype=dtype, enabled=dtype != torch.float32):
            answer: Tensor = encoder(given)
        return answer

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            embed()
    torch.cuda.current_stream().wait_stream(stream)
    kept = encoder.inference_forms()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = embed()
    for scale in (1.0, 0.5):
        given.copy_(volumes(2) * scale)
        graph.replay()
        assert torch.equal(answer, embed())
    assert encoder.inference_forms() == kept


def test_a_capture_that_would_make_a_form_is_refused(encoder: MRIEncoder) -> None:
    given = volumes(2)
    with torch.no_grad():
        encoder(given)
        encoder.backbone.get_submodule("layer1.0.conv1.0").weight.mul_(1.5)
        with pytest.raises(RuntimeError, match="call the network once first"), torch.cuda.graph(torch.cuda.CUDAGraph()):
            encoder(given)


def test_no_call_waits_for_the_device_once_the_forms_are_made(encoder: MRIEncoder) -> None:
    given = volumes(2)
    with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
        by_the_forms(encoder, given)
        torch.cuda.set_sync_debug_mode("error")
        try:
            by_the_forms(encoder, given)
            encoder(given)
        finally:
            torch.cuda.set_sync_debug_mode("default")
