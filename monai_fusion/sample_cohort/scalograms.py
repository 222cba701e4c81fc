"""Simulated resting EEG whose beta rhythm shows the participant's latent score.

A scalogram is z-scored per electrode before the network sees it, which erases any gain; the ratio of beta to the rest
of one electrode's spectrum survives, and carries the score. With `eeg_signal` ``global``, every electrode's beta rises
with it, the centro-parietal ones' most; with ``topography``, the frontal ones lose the power that these gain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from monai_fusion.recordings.montage import ELECTRODES_1020_17, POSITIONS_1020_17
from monai_fusion.recordings.morlet import row_frequencies
from monai_fusion.recordings.options import SAMPLING_HZ
from monai_fusion.recordings.scalogram import scalogram
from monai_fusion.sample_cohort.options import CONDITIONS, SampleCohortOptions
from monai_fusion.sample_cohort.participant import Stream, SyntheticParticipant, generator

SECONDS = 10
SAMPLES = int(SECONDS * SAMPLING_HZ)
BETA_ELECTRODES = ("C3", "Cz", "C4", "P3", "Pz", "P4")
FRONTAL_ELECTRODES = ("F7", "F3", "Fz", "F4", "F8")
BETA_HZ, BETA_WIDTH_HZ = 20.0, 3.0  # a Gaussian peak in the spectrum: its centre and standard deviation
BETA_GAIN = 0.4  # log-amplitude of beta per unit of the latent score
TOPOGRAPHY_GAIN = 0.4  # with eeg_signal topography: what C and P gain and F loses is tanh of this times the score

_BACKGROUND_UV = 8.0
_BETA_UV = 10.0
_TOPOGRAPHY_UV = 22.0  # with eeg_signal topography: the root of beta's total power over C, P and F
_ALPHA_UV = {"EO": 3.5, "EC": 7.0}  # alpha grows when the eyes close
_POSITIONS = np.array([POSITIONS_1020_17[name] for name in ELECTRODES_1020_17])
_DISTANCES = np.linalg.norm(_POSITIONS[:, None] - _POSITIONS[None], axis=-1)
_FREQUENCIES = scipy.fft.rfftfreq(SAMPLES, 1 / SAMPLING_HZ)


def _unit_noise(rng: np.random.Generator, sources: int, spectrum: NDArray[np.float64]) -> NDArray[np.float64]:
    """``[source, time]`` independent Gaussian signals with this amplitude spectrum and a standard deviation of 1."""
    white = rng.standard_normal((sources, 2, len(spectrum)))
    signal = scipy.fft.irfft((white[:, 0] + 1j * white[:, 1]) * spectrum, SAMPLES)
    return signal / signal.std(axis=-1, keepdims=True)


def _rhythm(rng: np.random.Generator, sources: int, centre_hz: float, width_hz: float) -> NDArray[np.float64]:
    """``[source, time]`` waxing and waning rhythms: a Gaussian peak in the spectrum, a standard deviation of 1."""
    return _unit_noise(rng, sources, np.exp(-(((_FREQUENCIES - centre_hz) / width_hz) ** 2) / 2))


def _spread(width: float) -> NDArray[np.float64]:
    """``[electrode, source]``: volume conduction from a source under each electrode; keeps every electrode's power."""
    mixing = np.exp(-((_DISTANCES / width) ** 2) / 2)
    return mixing / np.linalg.norm(mixing, axis=1, keepdims=True)


def _beta(score: float, eeg_signal: str) -> tuple[float, NDArray[np.float64]]:
    """Microvolts of beta, and each electrode's share: all rise with the score, or F loses what C and P gain."""
    if eeg_signal == "global":
        central = np.array([1.0 if name in BETA_ELECTRODES else 0.12 for name in ELECTRODES_1020_17])
        return _BETA_UV * np.exp(BETA_GAIN * score), central
    # What C and P gain in power, F loses: the power of all electrodes together is the same for every score.
    change = np.tanh(TOPOGRAPHY_GAIN * score)
    power = np.full(len(ELECTRODES_1020_17), 0.12**2)
    for names, sign in ((BETA_ELECTRODES, 1), (FRONTAL_ELECTRODES, -1)):
        for name in names:
            power[ELECTRODES_1020_17.index(name)] = (1 + sign * change) / len(names)
    return _TOPOGRAPHY_UV, np.sqrt(power)


def beta_region(options: SampleCohortOptions) -> dict[str, Any]:
    """Where in a scalogram the score shows: the entry ``signal.eeg.region`` of ``cohort.json``."""
    low, high = BETA_HZ - 2 * BETA_WIDTH_HZ, BETA_HZ + 2 * BETA_WIDTH_HZ
    hertz = row_frequencies()
    rows = np.flatnonzero((hertz >= low) & (hertz <= high))
    falling = FRONTAL_ELECTRODES if options.eeg_signal == "topography" else ()
    return {
        "name": "beta",
        "hz": [low, high],
        "rows": [int(rows[0]), int(rows[-1])],
        "rising": list(BETA_ELECTRODES),
        "falling": list(falling),
        "rising_planes": [ELECTRODES_1020_17.index(name) for name in BETA_ELECTRODES],
        "falling_planes": [ELECTRODES_1020_17.index(name) for name in falling],
        "coordinates": (
            "rows: the first and the last of a scalogram file's first axis, from 0; planes: of its last axis; rising:"
            " electrodes with more beta for a higher score"
        ),
    }


def simulate_eeg(
    participant: SyntheticParticipant, options: SampleCohortOptions, condition: str, segment: int
) -> NDArray[np.float64]:
    """One segment of simulated EEG.

    Returns:
        ``[17, 2500]`` float64 in microvolts (electrode, time), 10 s at 250 Hz, electrodes in the order of
        :data:`~monai_fusion.recordings.montage.ELECTRODES_1020_17`: a 1/f background, posterior alpha near 10 Hz
        (stronger with eyes closed), and beta near 20 Hz that shows the latent score.
    """
    traits = generator(options.seed, participant.index, Stream.EEG_TRAITS)
    exponent = 1.2 + 0.1 * traits.standard_normal()
    alpha_hz = 10 + 0.7 * traits.standard_normal()
    alpha_gain = np.exp(0.3 * traits.standard_normal())
    gain = np.exp(0.3 * traits.standard_normal())  # impedances and skulls differ: a nuisance that the z-score removes

    rng = generator(options.seed, participant.index, Stream.EEG_SEGMENT, CONDITIONS.index(condition), segment)
    sources = len(ELECTRODES_1020_17)
    slope = np.maximum(_FREQUENCIES, 0.5) ** (-exponent / 2) * (_FREQUENCIES > 0)
    background = _spread(0.35) @ _unit_noise(rng, sources, slope)
    posterior = np.exp(-np.maximum(_POSITIONS[:, 1] + 0.75, 0) / 0.4)
    alpha = posterior[:, None] * (_spread(0.6) @ _rhythm(rng, sources, alpha_hz, 0.8))
    beta_uv, share = _beta(participant.eeg_score, options.eeg_signal)
    beta = share[:, None] * (_spread(0.35) @ _rhythm(rng, sources, BETA_HZ, BETA_WIDTH_HZ))
    signal = _BACKGROUND_UV * background + _ALPHA_UV[condition] * alpha_gain * alpha + beta_uv * beta
    return np.asarray(gain * signal)


def render_scalogram(
    participant: SyntheticParticipant, options: SampleCohortOptions, condition: str, segment: int
) -> NDArray[np.float32]:
    """The scalogram of :func:`simulate_eeg`: ``[224, 224, 17]`` float32, (frequency, time, electrode), microvolts."""
    return scalogram(simulate_eeg(participant, options, condition, segment))
