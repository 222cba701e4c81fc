from collections.abc import Sequence

import pytest

from monai_fusion.data import DistributedEvaluationSampler, DistributedTrainingSampler, EpochSample, ParticipantSampler


def in_batches(draws: Sequence[EpochSample], size: int) -> list[list[EpochSample]]:
    return [list(draws[start : start + size]) for start in range(0, len(draws), size)]


def shares(
    participants: int, batch_size: int, count: int
) -> tuple[list[EpochSample], list[DistributedTrainingSampler]]:
    sampler = ParticipantSampler([number % 2 for number in range(participants)], seed=1)
    sampler.set_epoch(4)
    return list(sampler), [DistributedTrainingSampler(sampler, batch_size, rank, count) for rank in range(count)]


@pytest.mark.parametrize("participants", range(1, 26))
@pytest.mark.parametrize(("batch_size", "count"), [(4, 1), (4, 2), (4, 4), (6, 3), (8, 4), (3, 3)])
def test_the_ranks_slices_are_the_batches_of_one_rank(participants: int, batch_size: int, count: int) -> None:
    whole, of_ranks = shares(participants, batch_size, count)
    batches = in_batches(whole, batch_size)
    sliced = [in_batches(list(share), batch_size // count) for share in of_ranks]
    assert [len(slices) for slices in sliced] == [len(batches)] * count  # all ranks take as many steps
    assert [len(share) for share in of_ranks] == [sum(map(len, slices)) for slices in sliced]
    for number, batch in enumerate(batches):
        counted = [slices[number] for slices, share in zip(sliced, of_ranks, strict=True) if share.weight(number)]
        assert [draw for part in counted for draw in part] == batch
        # What is repeated to fill up weighs nothing; of the rest each participant weighs the same.
        weights = [share.weight(number) for share in of_ranks]
        assert sum(weights) == pytest.approx(count)
        assert [weight for weight in weights if weight] == pytest.approx(
            [len(part) * count / len(batch) for part in counted]
        )
        assert all(slices[number] for slices in sliced)


def test_shares_follow_the_samplers_epoch() -> None:
    sampler = ParticipantSampler([0, 1] * 4, seed=1)
    share = DistributedTrainingSampler(sampler, 4, rank=1, count=2)
    first = list(share)
    sampler.set_epoch(2)
    assert {draw.epoch for draw in first} == {1} and {draw.epoch for draw in share} == {2}
    assert [draw.position for draw in share] == [2, 3, 6, 7]


def test_alone_a_share_is_the_whole() -> None:
    sampler = ParticipantSampler([0, 1] * 3)
    assert list(DistributedTrainingSampler(sampler, 4)) == list(sampler)
    assert list(DistributedEvaluationSampler(range(5))) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("batch_size", [0, 1, 3])
def test_a_batch_that_the_ranks_cannot_share_is_refused(batch_size: int) -> None:
    with pytest.raises(ValueError, match="multiple of the 2 ranks"):
        DistributedTrainingSampler(ParticipantSampler([0, 1]), batch_size, rank=0, count=2)


@pytest.mark.parametrize(("participants", "count"), [(5, 2), (6, 3), (3, 4), (1, 3)])
def test_every_participant_is_evaluated_and_no_rank_is_idle(participants: int, count: int) -> None:
    of_ranks = [list(DistributedEvaluationSampler(range(participants), rank, count)) for rank in range(count)]
    assert {index for share in of_ranks for index in share} == set(range(participants)) and all(of_ranks)
    evaluated = sum(map(len, of_ranks))
    assert evaluated == max(participants, count)  # a repetition only if a rank would have no participant
