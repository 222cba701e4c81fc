"""From a recording's channels to the electrodes of a scalogram: by name, by place, or interpolated."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_fusion.errors import InputError, Problem
from monai_fusion.recordings.electrode_names import electrode_key, electrode_keys, standard_name
from monai_fusion.recordings.electrode_presets import PRESETS
from monai_fusion.recordings.positions import directions, sphere_positions
from monai_fusion.recordings.recording import Electrodes, Recording
from monai_fusion.recordings.splines import spline_weights
from monai_fusion.wording import a_few, counted, did_you_mean, one_of

Place = tuple[float, float, float]

NEAREST = "nearest:"
"""What comes before a preset or a list that is looked up by place and not by name."""

_FARTHEST_DEGREES = 20.0  # from an ideal place; neighbours in a cap of 64 lie 18 to 22 degrees apart
_DONORS = 8  # electrodes with a place, without which an interpolated one would be a guess
_MADE_AT_MOST = 0.25  # of the electrodes, for which interpolation is proposed
_BIOSEMI = re.compile(r"[A-H](?:[1-9]|[12]\d|3[0-2])")
_OF_A_BUNDLE = 24  # of its 32 electrodes; a few may have been taken out
_FIT_FROM = 8  # positions that determine the centre of the head


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for: electrodes, the labels they may have, and whether by place."""

    names: tuple[str, ...]
    labels: Mapping[str, str]
    by_place: bool


def choose_electrodes(recording: Recording, wanted: str | Sequence[str], interpolate: int = 0) -> Electrodes:
    """Find the channels of some electrodes; a channel that is bad, or no EEG, is none.

    Args:
        recording: The recording.
        wanted: A preset of `PRESETS`, names in any spelling (in a list, or one text with commas), or either behind
            ``nearest:``, which takes the channel nearest to each electrode's ideal place.
        interpolate: How many missing electrodes may be interpolated from all others that have a place.

    Raises:
        InputError: Two channels are one electrode, or electrodes are missing, more than may be interpolated.
    """
    asked = _asked(wanted)
    found = _by_place(recording, asked) if asked.by_place else _by_name(recording, asked)
    missing = [name for name in asked.names if name not in found]
    if len(missing) > interpolate:
        raise InputError(_missing(recording, asked, missing, interpolate))
    donors = _donors(recording, found) if missing else {}
    if placeless := [name for name in missing if name not in sphere_positions()]:
        seen = f"{a_few(placeless)} cannot be interpolated"
        raise InputError(Problem(str(recording.path), "electrodes", seen, "electrodes of the 10-10 system"))
    if missing and len(donors) < _DONORS:
        seen = f"{a_few(missing)} cannot be interpolated: {counted(len(donors), 'other electrode')} with a known place"
        raise InputError(Problem(str(recording.path), "electrodes", seen, f"at least {_DONORS}"))
    channels = sorted({*found.values(), *donors})
    weights = np.zeros((len(asked.names), len(channels)))
    column = {channel: number for number, channel in enumerate(channels)}
    for row, name in enumerate(asked.names):
        if name in found:
            weights[row, column[found[name]]] = 1.0
    if missing:
        made = spline_weights(list(donors.values()), [sphere_positions()[name] for name in missing])
        for name, values in zip(missing, made, strict=True):
            weights[asked.names.index(name), [column[channel] for channel in donors]] = values
    return Electrodes(asked.names, tuple(channels), weights, tuple(missing))


def wanted_electrodes(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """The names of the electrodes that a preset, a list or ``nearest:`` of either means, in order.

    Raises:
        InputError: There is no such preset, or an electrode is named twice.
    """
    return _asked(wanted).names


def _asked(wanted: str | Sequence[str]) -> _Wanted:
    by_place = False
    items = [wanted] if isinstance(wanted, str) else list(wanted)
    if len(items) >= 1 and items[0].casefold().startswith(NEAREST):
        by_place = True
        items[0] = items[0][len(NEAREST) :]
    if len(items) == 1 and (preset := PRESETS.get(items[0].strip().casefold())) is not None:
        return _Wanted(preset.electrodes, {} if by_place else preset.labels, by_place)
    parts = [part.strip() for item in items for part in item.replace(";", ",").split(",") if part.strip()]
    parts = [each for part in parts for each in (part.split() if len(items) == 1 else [part])]
    if not parts:
        raise InputError(Problem("--electrodes", seen="none", wanted=one_of(list(PRESETS)) + " or a list of names"))
    if len(parts) == 1 and standard_name(parts[0]) not in sphere_positions():
        advice = did_you_mean(parts[0], PRESETS) or "or names with commas: Fz,Cz,Pz"
        raise InputError(Problem("--electrodes", seen=parts[0], wanted=one_of(list(PRESETS)), advice=advice))
    names = [standard_name(part) for part in parts]
    doubled = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if doubled:
        written = [part for part in parts if standard_name(part) == doubled[0]]
        raise InputError(Problem("--electrodes", seen=" and ".join(written), wanted=f"{doubled[0]} once"))
    if by_place and (placeless := [name for name in names if name not in sphere_positions()]):
        raise InputError(Problem("--electrodes", seen=a_few(placeless), wanted="electrodes of the 10-10 system"))
    return _Wanted(tuple(names), {}, by_place)


def _keys(recording: Recording) -> list[str]:
    """What each channel is called, in one spelling; of a BioSemi cap its own labels, whose C3 is not that of 10-20."""
    if _biosemi_bundles(recording):
        return [name.strip().upper() for name in recording.channels]
    return electrode_keys(recording.channels)


def _biosemi_bundles(recording: Recording) -> set[str]:
    """The bundles of 32 electrodes of a BioSemi cap with labels of its own: A to D of 128; empty of any other cap."""
    labels = {name.strip().upper() for name in recording.channels}
    bundles = {label[0] for label in labels if _BIOSEMI.fullmatch(label)}
    full = {letter for letter in bundles if sum(f"{letter}{n}" in labels for n in range(1, 33)) >= _OF_A_BUNDLE}
    return full if {"A", "B"} <= full else set()


def _by_name(recording: Recording, asked: _Wanted) -> dict[str, int]:
    bundles = _biosemi_bundles(recording)
    if bundles and (not asked.labels or bundles != set("ABCD")):
        wrong = [name for name in asked.names if name in sphere_positions()]
        if asked.labels or wrong:
            seen = (
                f"the labels of a BioSemi cap (A1 ... {max(bundles)}32), of which C3 is not the C3 of the 10-20 system"
            )
            way = "biosemi128-1020 or nearest:lemon17" if bundles == set("ABCD") else "nearest:lemon17, with positions"
            raise InputError(Problem(str(recording.path), "electrodes", seen, advice=f"take --electrodes {way}"))
    keys = _keys(recording)
    channels: dict[str, list[int]] = defaultdict(list)
    for number, (key, kind) in enumerate(zip(keys, recording.kinds, strict=True)):
        if kind == "eeg":
            channels[key].append(number)
    found = {}
    problems = []
    for name in asked.names:
        labelled = channels.get(_key(asked, name), [])
        if len(labelled) > 1:
            both = " and ".join(f'"{recording.channels[number]}"' for number in labelled)
            advice = "name one of them otherwise with --channel-map"
            problems.append(Problem(str(recording.path), name, f"{both} are both {name}", "one channel", advice))
        elif labelled and recording.channels[labelled[0]] not in recording.bad_channels:
            found[name] = labelled[0]
    if problems:
        raise InputError(problems)
    return found


def _by_place(recording: Recording, asked: _Wanted) -> dict[str, int]:
    places = _measured(recording)
    if not places:
        table = f"{recording.path.name.partition('.')[0].removesuffix('_eeg')}_electrodes.tsv"
        advice = f"take the electrodes by name, or put {table} beside it, as in BIDS"
        raise InputError(Problem(str(recording.path), "positions", "none in this recording", advice=advice))
    ideal = directions([sphere_positions()[name] for name in asked.names])
    angles = np.degrees(np.arccos(np.clip(ideal @ directions(list(places.values())).T, -1, 1)))
    channels = list(places)
    found: dict[str, int] = {}
    for row, name in enumerate(asked.names):
        nearest = int(np.argmin(angles[row]))
        if angles[row, nearest] <= _FARTHEST_DEGREES:
            found[name] = channels[nearest]
    taken: dict[int, str] = {}
    for name, channel in found.items():
        if (other := taken.setdefault(channel, name)) != name:
            seen = f'"{recording.channels[channel]}" is nearest to both {other} and {name}'
            raise InputError(Problem(str(recording.path), "electrodes", seen, "a channel for each"))
    return found


def _measured(recording: Recording) -> dict[int, Place]:
    """The good EEG channels' positions as seen from the middle of the head, not from between the ears."""
    usable = {
        number: recording.positions[name]
        for number, (name, kind) in enumerate(zip(recording.channels, recording.kinds, strict=True))
        if kind == "eeg" and name in recording.positions and name not in recording.bad_channels
    }
    if not usable:
        return {}
    points = np.asarray(list(usable.values()))
    moved = points - _centre(np.asarray(list(recording.positions.values())))
    lengths = np.linalg.norm(moved, axis=1)
    return {
        number: (float(x), float(y), float(z))
        for number, (x, y, z), length in zip(usable, moved, lengths, strict=True)
        if length > 0
    }


def _centre(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The centre of the sphere that fits best; the origin for few points, or where nothing near a head fits."""
    if len(points) < _FIT_FROM:
        return np.zeros(3)
    system = np.hstack([2 * points, np.ones((len(points), 1))])
    solution, _, rank, _ = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)
    centre = np.asarray(solution[:3], np.float64)
    spread = float(np.linalg.norm(points, axis=1).mean())
    return centre if rank == 4 and float(np.linalg.norm(centre)) < 0.7 * spread else np.zeros(3)


def _donors(recording: Recording, found: Mapping[str, int]) -> dict[int, Place]:
    """The good EEG channels whose place is known: by their name, as one of the chosen, or else as measured."""
    named = {channel: sphere_positions()[name] for name, channel in found.items() if name in sphere_positions()}
    chosen = set(found.values())
    for number, key in enumerate([] if _biosemi_bundles(recording) else electrode_keys(recording.channels)):
        is_good = recording.kinds[number] == "eeg" and recording.channels[number] not in recording.bad_channels
        if is_good and number not in chosen and key in sphere_positions() and key not in ("M1", "M2"):
            named.setdefault(number, sphere_positions()[key])
    measured = _measured(recording) if len(named) < _DONORS else {}
    if len(measured) > len(named):
        return measured
    first: dict[Place, int] = {}  # one channel a place: two would make the equations singular
    for number in [*found.values(), *sorted(named)]:
        if number in named:
            first.setdefault(named[number], number)
    return {number: named[number] for number in sorted(first.values())}


def _key(asked: _Wanted, name: str) -> str:
    return asked.labels[name].upper() if name in asked.labels else electrode_key(name)


def _missing(recording: Recording, asked: _Wanted, missing: Sequence[str], interpolate: int) -> Problem:
    keys = dict(zip(_keys(recording), range(len(recording.channels)), strict=True))
    named = []
    for name in missing:
        number = keys.get(_key(asked, name))
        if number is not None and recording.channels[number] in recording.bad_channels:
            named.append(f"{name} (bad)")
        elif number is not None and recording.kinds[number] != "eeg":
            named.append(f"{name} ({recording.kinds[number]})")
        elif recording.reference and electrode_key(recording.reference) == name:
            named.append(f"{name} (the reference)")
        else:
            named.append(name)
    eeg = [name for name, kind in zip(recording.channels, recording.kinds, strict=True) if kind == "eeg"]
    seen = f"{len(asked.names) - len(missing)} of {len(asked.names)}: no {a_few(named, 20)}"
    known = sum(electrode_key(name) in sphere_positions() for name in eeg)
    if len(missing) == len(asked.names) and not known:
        advice = f"its channels are {a_few(eeg, 6)}: name them with --channel-map, or take nearest:lemon17"
    else:
        advice = f"it has {a_few(eeg, 8)}"
        if len(missing) <= _MADE_AT_MOST * len(asked.names):
            allowed = f" ({interpolate} allowed)" if interpolate else ""
            advice = f"{advice}; --interpolate {len(missing)} makes them from the others{allowed}"
    return Problem(str(recording.path), "electrodes", seen, "all of them", advice)
