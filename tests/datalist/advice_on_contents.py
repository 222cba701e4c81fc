"""Recordings that ``check --deep`` refuses or doubts, and what a user does who reads why."""

import gzip
import io
import json
import pickle
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np

from monai_fusion.datalist.contents.checking import RecordingOpener
from monai_fusion.datalist.contents.recording_files import Recording
from tests.datalist.tried import PARTICIPANTS, Case, Follow, doing, move, typing

DEEP = "check deep.json --deep --eeg-shape 6,5,3"
SHAPE = (6, 5, 3)
EEG = Path("eeg/sub-01_EO_seg0.npy")
MRI = Path("mri/sub-01_T1w.nii")
Content = Callable[[bytes], bytes]


@cache
def recordings(number: int) -> tuple[bytes, bytes]:
    """A right scalogram and volume, others for each number."""
    rng = np.random.default_rng(number)
    stream = io.BytesIO()
    np.save(stream, rng.random(SHAPE, dtype=np.float32))
    return stream.getvalue(), volume(rng.normal(500, 100, (10, 12, 11)).astype(np.float32))


def volume(values: np.ndarray, spacing: float = 17.0) -> bytes:
    affine = np.diag([spacing, spacing, spacing, 1.0])
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    return bytes(image.to_bytes())


def write_recordings(participants: int = 6) -> None:
    """Participants with one right EEG and MRI each, and a datalist of them."""
    rows = []
    for number, name in enumerate(PARTICIPANTS[:participants]):
        eeg, mri = Path(f"eeg/{name}_EO_seg0.npy"), Path(f"mri/{name}_T1w.nii")
        for path, content in zip((eeg, mri), recordings(number), strict=True):
            path.write_bytes(content)
        paths = {"eeg": eeg.as_posix(), "mri": mri.as_posix()}
        rows.append({"participant_id": name, "label": "MF"[number % 2], **paths})
    parts = {"training": rows[:-4], "validation": rows[-4:-2], "test": rows[-2:]}
    Path("deep.json").write_text(json.dumps({"classes": ["M", "F"], **parts}, indent=0), encoding="utf-8")


def wrong(path: Path, change: Content, follow: Follow) -> Case:
    """A file whose content is changed."""

    def spoil() -> None:
        write_recordings()
        path.write_bytes(change(path.read_bytes()))

    return Case(DEEP, spoil, follow)


def the_right_one(path: Path) -> Follow:
    """Copies, downloads or converts the file again."""
    return doing(lambda: path.write_bytes(recordings(0)[path == MRI]))


def again(path: Path, change: Content) -> Case:
    """What only another file can mend."""
    return wrong(path, change, the_right_one(path))


def header(at: int, form: str, *values: float) -> Content:
    """Numbers in the header of a volume."""

    def change(content: bytes) -> bytes:
        packed = struct.pack(f"<{form}", *values)
        return content[:at] + packed + content[at + len(packed) :]

    return change


def both(*changes: Content) -> Content:
    def change(content: bytes) -> bytes:
        for each in changes:
            content = each(content)
        return content

    return change


def rewritten(path: Path, change: Content) -> Follow:
    return doing(lambda: path.write_bytes(change(path.read_bytes())))


def array(change: Callable[[np.ndarray], np.ndarray]) -> Content:
    """Saves another array than that of a .npy file."""

    def save(content: bytes) -> bytes:
        stream = io.BytesIO()
        np.save(stream, change(np.load(io.BytesIO(content))))
        return stream.getvalue()

    return save


def values(change: Callable[[np.ndarray], np.ndarray]) -> Content:
    """Saves other values than those of a volume."""
    return lambda content: volume(change(np.asarray(nib.Nifti1Image.from_bytes(content).dataobj)))


def eeg_array(make: Callable[[np.ndarray], np.ndarray], unmake: Callable[[np.ndarray], np.ndarray]) -> Case:
    return wrong(EEG, array(make), rewritten(EEG, array(unmake)))


def npz(content: bytes) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.load(io.BytesIO(content)))
    return stream.getvalue()


def out_of_npz(content: bytes) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.load(io.BytesIO(content))["a"])
    return stream.getvalue()


def raw(content: bytes) -> bytes:
    return np.load(io.BytesIO(content)).tobytes()


def from_raw(content: bytes) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.frombuffer(content, np.float32).reshape(SHAPE))
    return stream.getvalue()


def two_arrays(content: bytes) -> bytes:
    return content + content


def in_the_list(old: str, new: str) -> None:
    text = Path("deep.json").read_text(encoding="utf-8")
    Path("deep.json").write_text(text.replace(old, new), encoding="utf-8")


def named(name: str, change: Content, follow: Callable[[], object]) -> Case:
    """The MRI of sub-01 under another name."""

    def spoil() -> None:
        write_recordings()
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(change(MRI.read_bytes()))
        in_the_list(MRI.as_posix(), name)

    return Case(DEEP, spoil, doing(follow))


def renamed(old: str, new: str) -> Callable[[], None]:
    def rename() -> None:
        move(old, new)
        in_the_list(old, new)

    return rename


def copied(old: str, new: str) -> Callable[[], None]:
    def copy() -> None:
        write_recordings()
        Path(new).write_bytes(Path(old).read_bytes())

    return copy


def twice() -> None:
    write_recordings()
    Path("eeg/sub-01_EO_seg1.npy").write_bytes(EEG.read_bytes())
    in_the_list('"eeg/sub-01_EO_seg0.npy"', '"eeg/sub-01_EO_*.npy"')


def other_field_of_view() -> None:
    write_recordings(len(PARTICIPANTS))
    for name in PARTICIPANTS[1::2]:
        path = Path(f"mri/{name}_T1w.nii")
        path.write_bytes(larger(path.read_bytes()))


def other_grid() -> None:
    write_recordings()
    for path in Path("eeg").glob("*_EO_seg0.npy"):
        if path.stat().st_size:
            path.write_bytes(array(lambda found: found[:5])(path.read_bytes()))


def larger(content: bytes) -> bytes:
    return volume(np.asarray(nib.Nifti1Image.from_bytes(content).dataobj), 22.0)


def stripped(side: int) -> Callable[[np.ndarray], np.ndarray]:
    """Tissue of this number of voxels along each edge in a cube of zeros."""

    def change(_: np.ndarray) -> np.ndarray:
        found = np.zeros((40, 40, 40), np.float32)
        found[5 : 5 + side, 6 : 6 + side, 7 : 7 + side] = np.random.default_rng(0).normal(900, 100, (side,) * 3)
        return found

    return change


def cropped(content: bytes) -> bytes:
    found = np.asarray(nib.Nifti1Image.from_bytes(content).dataobj)
    inside = [slice(where.min(), where.max() + 1) for where in np.nonzero(found)]
    return volume(found[tuple(inside)], 25.0)


def small_voxels(content: bytes) -> bytes:
    return volume(np.asarray(nib.Nifti1Image.from_bytes(content).dataobj), 5.0)


def an_unforeseen_fault() -> object:
    """Opens a recording with a reader that breaks."""
    write_recordings()

    class Breaking(RecordingOpener):
        def _open_eeg(self, recording: Recording) -> object:  # type: ignore[override]
            raise ZeroDivisionError

    from monai_fusion.datalist.contents.recording_files import recordings_to_open
    from monai_fusion.datalist.examination import examine_datalist
    from monai_fusion.datalist.reporting import DatalistError

    opened = Breaking(SHAPE)(recordings_to_open(examine_datalist("deep.json"))[0])
    raise DatalistError(opened.findings)


def nested(content: bytes) -> bytes:
    return gzip.compress(gzip.compress(content))


def to_gz(content: bytes) -> bytes:
    return gzip.compress(content)


QFORM_ONLY = both(header(254, "h", 0), header(256, "3f", 0.9, 0.9, 0.0))
NO_ORIENTATION = header(252, "2h", 0, 0)
CIFTI = 3001


def cifti(content: bytes) -> bytes:
    image = nib.Nifti1Image.from_bytes(content)
    second = nib.Nifti2Image(np.asarray(image.dataobj), image.affine)
    found = bytearray(second.to_bytes())
    found[504:508] = struct.pack("<i", CIFTI)
    return bytes(found)


def old_version(content: bytes) -> bytes:
    return content[:6] + b"\x09\x00" + content[8:]


GRID = Case(DEEP, other_grid, lambda *_: DEEP.replace("6,5,3", "5,5,3"))
CASES = {
    "only the first is used: save each array in a file of its own": wrong(
        EEG, two_arrays, rewritten(EEG, lambda content: content[: len(content) // 2])
    ),
    "write or convert the file again": Case(an_unforeseen_fault, lambda: None, lambda *_: DEEP),
    "it counts twice: leave one of them out": Case(DEEP, twice, doing(lambda: Path("eeg/sub-01_EO_seg1.npy").unlink())),
    "find out whose it is: one of the two has the other's recording": Case(
        DEEP, copied("mri/sub-02_T1w.nii", MRI.as_posix()), the_right_one(MRI)
    ),
    "resizing to one cube then changes the size of heads with it: crop or pad all MRIs to one field of view": Case(
        DEEP, other_field_of_view, doing(lambda: write_recordings(len(PARTICIPANTS)))
    ),
    "the first is used: check it in a viewer, or convert it from the original again": again(
        MRI, header(280, "12f", 0, 17, 0, 0, 17, 0, 0, 0, 0, 0, 17, 0)
    ),
    "the sform is used; programs that prefer the qform will differ": wrong(
        MRI, header(256, "3f", 0.9, 0.9, 0.0), rewritten(MRI, header(256, "3f", 0, 0, 0))
    ),
    "convert it from the original again": again(MRI, header(80, "3f", 9.0, 9.0, 9.0)),
    "is it a map of statistics or labels? Give the MRI itself": again(MRI, header(68, "h", 5)),
    "is it a mask or label image? Give the MRI itself": again(
        MRI, values(lambda found: (found > 500).astype(np.int16))
    ),
    "most of it is background: crop it, or set percentiles_over to nonzero (for all MRIs)": wrong(
        MRI, both(values(stripped(10)), small_voxels), typing("--percentiles-over nonzero")
    ),
    "nearly all of it is background: crop it, or set percentiles_over to nonzero (for all MRIs)": wrong(
        MRI, both(values(stripped(7)), small_voxels), rewritten(MRI, cropped)
    ),
    "copy or convert it again": again(MRI, lambda content: content[:-100]),
    "replace them, for instance by 0 where they are background": wrong(
        MRI,
        values(lambda found: np.where(found > 700, np.nan, found).astype(np.float32)),
        rewritten(MRI, values(np.nan_to_num)),
    ),
    "convert it to NIfTI": named(
        "mri/sub-01.img", lambda content: content, renamed("mri/sub-01.img", "mri/sub-01.nii")
    ),
    "unpack it once: it was compressed again, by a download or by hand": named(
        "mri/sub-01.nii.gz",
        nested,
        lambda: Path("mri/sub-01.nii.gz").write_bytes(gzip.decompress(Path("mri/sub-01.nii.gz").read_bytes())),
    ),
    'rename it to "{}", or compress it with gzip': named(
        "mri/sub-01.nii.gz", lambda content: content, renamed("mri/sub-01.nii.gz", "mri/sub-01.nii")
    ),
    'rename it to "{}.gz", or unpack it with gunzip': wrong(
        MRI, to_gz, doing(renamed(MRI.as_posix(), f"{MRI.as_posix()}.gz"))
    ),
    "copy it again; if that does not help, ": again(MRI, header(40, "4h", 3, 30000, 30000, 100)),
    "is it the right file? Else convert it from the original again": again(MRI, lambda content: b"\x01" * 2000),
    "write {} there if there is nothing between header and voxels, or {}": wrong(
        MRI, header(108, "f", 348.0), rewritten(MRI, header(108, "f", 352.0))
    ),
    "it holds several volumes: pick one and save it as a file of its own": wrong(
        MRI,
        values(lambda found: np.stack([found, found], axis=-1)),
        rewritten(MRI, values(lambda found: found[..., 0])),
    ),
    "the channel comes first: save the last three axes alone, shape {}": wrong(
        MRI, values(lambda found: found[np.newaxis]), rewritten(MRI, values(lambda found: found[0]))
    ),
    "convert the volume (.hdr with .img) to NIfTI": again(MRI, header(344, "4s", b"\0\0\0\0")),  # type: ignore[arg-type]
    "convert .hdr and .img together to one .nii file": again(MRI, header(344, "4s", b"ni1\0")),  # type: ignore[arg-type]
    "give the volume that it was made from": again(MRI, cifti),
    "convert it to grey values or to its magnitude": wrong(
        MRI,
        values(lambda found: found.astype(np.complex64)),
        rewritten(MRI, values(lambda found: np.abs(found).astype(np.float32))),
    ),
    "convert it from the original again, or set assume_orientation to what its axes point to": wrong(
        MRI, NO_ORIENTATION, typing("--assume-orientation RAS")
    ),
    "squares add up to more than 1": again(MRI, QFORM_ONLY),
    "it has no sform to use instead: {}": again(MRI, QFORM_ONLY),
    "write 0 there if there is no offset, or ": wrong(
        MRI, header(112, "2f", 1.0, float("nan")), rewritten(MRI, header(116, "f", 0.0))
    ),
    "for another montage or grid give --eeg_shape (in Python: the transform's `shape`)": GRID,
    "save its magnitude: numpy.abs(x).astype(numpy.float32)": eeg_array(
        lambda found: found.astype(np.complex64), lambda found: np.abs(found).astype(np.float32)
    ),
    "save it with x.astype(numpy.float32)": eeg_array(
        lambda found: (found * 100).astype(np.int16), lambda found: found.astype(np.float32)
    ),
    "is it the right file? Else write it with numpy.save": again(EEG, lambda content: b"\x01" * 200),
    "the electrodes come first: save numpy.transpose(x, (1, 2, 0))": eeg_array(
        lambda found: found.transpose(2, 0, 1), lambda found: np.transpose(found, (1, 2, 0))
    ),
    "it has axes of length 1 besides: save numpy.squeeze(x)": eeg_array(lambda found: found[np.newaxis], np.squeeze),
    "the axes are in another order: save them as (frequency, time, electrode)": eeg_array(
        lambda found: found.transpose(1, 0, 2), lambda found: found.transpose(1, 0, 2)
    ),
    "{} too many; {}": wrong(
        EEG,
        array(lambda found: np.concatenate([found, found[..., :1]], axis=-1)),
        rewritten(EEG, array(lambda x: x[..., :3])),
    ),
    "flat electrode, set to zeros: check the connection": again(EEG, array(lambda x: x * np.float32([0, 1, 1]))),
    "flat electrodes, set to zeros: check the connections": again(EEG, array(lambda x: x * np.float32([0, 0, 1]))),
    "write the scalogram again": again(
        EEG, array(lambda found: np.where(found > 0.9, np.inf, found).astype(np.float32))
    ),
    "copy or write the file again": again(EEG, lambda content: content[:-30]),
    "unpack it with gunzip": wrong(EEG, to_gz, rewritten(EEG, gzip.decompress)),
    "numpy.save(path, numpy.fromfile(file, numpy.{}).reshape{})": wrong(EEG, raw, rewritten(EEG, from_raw)),
    ".npy format {}.{}": again(EEG, old_version),
    "format 1.0, 2.0 or 3.0": again(EEG, old_version),
    "write it again with numpy.save": again(EEG, old_version),
    "save the array by itself: numpy.save(path, numpy.load(file)[name])": wrong(EEG, npz, rewritten(EEG, out_of_npz)),
    "download it again: the server sent a message, not the file (signed in? still there?)": again(
        EEG, lambda _: b"<!DOCTYPE html><html>404</html>"
    ),
    "unpack it, and give the file that is in it": again(EEG, lambda _: b"BZh" + b"\0\x01" * 60),
    "leave it out: the recording has no ._ before it": again(EEG, lambda _: b"\0\x05\x16\x07" + b"\0\x01" * 60),
    "convert it to NIfTI: mri_convert": again(MRI, lambda _: b"\0\0\0\x01\0\0" + b"\0\x01" * 300),
    "give the recording itself": again(MRI, lambda _: b"%PDF-1.4" + b"\0\x01" * 300),
    "let the Mac download the file itself": again(EEG, lambda _: b"bplist00" + b"\0\x01" * 60),
    "copy or download it again: an interrupted transfer leaves such a file": again(
        EEG, lambda content: bytes(len(content))
    ),
    "fetch the file itself: datalad get, or git annex get": again(MRI, lambda _: b"/annex/objects/MD5-s1--x"),
    "fetch the file itself: git lfs pull": again(MRI, lambda _: b"version https://git-lfs.github.com/spec/v1\n"),
    "copy or download it again": again(MRI, lambda _: b""),
    "convert the series to NIfTI: dcm2niix": again(MRI, lambda _: bytes(range(1, 129)) + b"DICM" + b"\0\x01" * 300),
    "it is not loaded, because it could run code: write the array with numpy.save": again(
        EEG, lambda _: pickle.dumps([1, "x" * 100])
    ),
    "is it the right path? Else copy or download it again": again(EEG, lambda _: b"notes on sub-01"),
}
NO_ADVICE = {
    "check the path in the datalist and its data_root": "of the preparation: `check` itself finds no such file before",
}
