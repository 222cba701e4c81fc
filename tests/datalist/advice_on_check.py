"""Mistakes in the content of a datalist, and what a user does who reads the report of ``datalist check``."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist import read_datalist
from monai_fusion.datalist.availability import ModalityPolicy
from monai_fusion.datalist.repair.fixing import plan_repair
from monai_fusion.sidecar import KIND, LAYOUT
from tests.datalist.advice_on_json import CHECK, correcting, mistake
from tests.datalist.tried import (
    Case,
    as_printed,
    doing,
    edit,
    nothing,
    spoilt,
    touch,
    typing,
    whole_path,
)

NAME = r'did you mean "(.+?)"'
LABEL = '"label": "M",'


def changed(change: Callable[[dict[str, Any]], object], source: str = "right.json", out: str = "spoilt.json") -> None:
    """Writes the right datalist with a change."""
    document = json.loads(Path(source).read_text(encoding="utf-8"))
    change(document)
    Path(out).write_text(json.dumps(document, indent=0), encoding="utf-8")


def document_with(change: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    return lambda: changed(change)


def put(old: str) -> Callable[..., None]:
    """Writes what a message names in place of ``old``."""
    return lambda _, new: edit("spoilt.json", old, new)


def labelled(_: str, name: str) -> None:
    edit("spoilt.json", '"label": "m"', f'"label": "{name}"')


def root_one_up() -> None:
    here = Path.cwd().name
    for old, new in (('"."', '".."'), ('"../', '"'), ('"eeg/', f'"{here}/eeg/'), ('"mri/', f'"{here}/mri/')):
        edit("spoilt.json", old, new, 1 if new == '"' else -1)


def two_spellings() -> None:
    written = "mri/\u00e9o\u0308.nii"
    names = [unicodedata.normalize(form, written) for form in ("NFC", "NFD")]
    for name in names:
        touch(name)
    if sum(path.suffix == ".nii" for path in Path("mri").iterdir()) == 1:
        pytest.skip("this file system knows one spelling only")
    changed(lambda document: document["training"][0].update(mri=written))


def keep_one_spelling() -> None:
    Path(unicodedata.normalize("NFC", "mri/\u00e9o\u0308.nii")).unlink()


def written_meanwhile() -> None:
    spoilt("mri/sub-01", "mri\\\\sub-01")
    repair = plan_repair(Path("spoilt.json"))
    edit("spoilt.json", "gender", "Gender")
    repair.write()


def twice(row: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["training"].append({**document["training"][0], **row})


def one_of_two(document: dict[str, Any]) -> None:
    document["training"].pop()


def families(document: dict[str, Any], torn: bool, group_by: bool) -> None:
    """Gives every participant a family of one part; if torn, one family is also in another part."""
    for section in ("training", "validation", "test"):
        for number, row in enumerate(document[section]):
            row["family"] = f"{section}{number // 2}"
    if torn:
        document["test"][0]["family"] = "training0"
    if group_by:
        document["group_by"] = ["family"]


def with_families(torn: bool, group_by: bool, source: str = "right.json") -> Callable[[], None]:
    return lambda: changed(lambda document: families(document, torn, group_by), source)


def other_name(old: str, new: str) -> Callable[[], None]:
    return lambda: edit("spoilt.json", old, new)


def mri_of(*names: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: (
        [row.update(mri=name) for row, name in zip(document["training"], names, strict=False)] and None
    )


def made_as(mode: str) -> Callable[[], None]:
    """Sidecars of two people's scalograms, that of the second made in a mode."""

    def write() -> None:
        for name, its in (("sub-01", "compat"), ("sub-02", mode)):
            files = [path.name for path in Path("eeg").glob(f"{name}_EO_*.npy")]
            content = {"Kind": KIND, "Layout": LAYOUT, "Finished": True, "Files": files, "Mode": its}
            Path(f"eeg/{name}_EO_scalogram.json").write_text(json.dumps(content), encoding="utf-8")

    return write


CASES = {
    "make all scalograms of a datalist in one way: monai-fusion scalogram with the same options": Case(
        "check right.json", made_as("power"), doing(made_as("compat"))
    ),
    "write the path, or null if there is no file": mistake(
        '"mri/sub-01_T1w.nii.gz"', '""', correcting('"mri": ""', '"mri": null')
    ),
    "it holds {}: in JSON a single backslash begins a special character, write / instead": mistake(
        "mri/sub-01", "mri\\tsub-01", correcting("mri\\tsub-01", "mri/sub-01")
    ),
    "it holds {}: write the path again": mistake(
        "mri/sub-01", "mri/\\u0000sub-01", correcting("mri/\\u0000sub-01", "mri/sub-01")
    ),
    "write it relative to data_root": Case(
        CHECK,
        lambda: spoilt('"mri/sub-01', f'"{Path.cwd().as_posix()}/mri/sub-01'),
        as_printed(r'data_root: "(.+?)"', whole_path),
    ),
    "it leaves data_root: set data_root to a folder that holds all the files": mistake(
        '"mri/sub-01', '"../mri/sub-01', doing(root_one_up)
    ),
    "** is not understood here: write the folders out, or use * for one of them": mistake(
        "eeg/sub-01_*", "**/sub-01_*", correcting("**/", "*/")
    ),
    "the names differ only in how letters with accents are stored: keep one of the files": Case(
        CHECK, two_spellings, doing(keep_one_spelling)
    ),
    "did you mean {}? (upper and lower case count)": mistake("mri/sub-01", "mri/SUB-01", as_printed(NAME, whole_path)),
    "this is a folder: write which file{} in it{}": mistake(
        "mri/sub-01_T1w.nii.gz", "mri", as_printed(r'such as "(.+?)"', whole_path)
    ),
    "did you mean {}?": mistake("sub-01_T1w.nii.gz", "sub-01_T1w.nii", as_printed(NAME, whole_path)),
    ": did you mean {}?": mistake("mri/sub-01", "mrj/sub-01", as_printed(NAME, put("mrj"))),
    "correct the path, or the pattern that is too wide, of one of them": mistake(
        "eeg/sub-01_*", "eeg/sub-0*", correcting("eeg/sub-0*", "eeg/sub-01_*")
    ),
    "nothing was written: check it again": Case(
        written_meanwhile, nothing, lambda _, __: "check spoilt.json --fix --yes"
    ),
    "rename it if the datalist is to be used there": Case(
        CHECK, document_with(mri_of("mri/aux.nii.gz")), doing(other_name("mri/aux.", "mri/sub-01_aux."))
    ),
    "rename one of them if the datalist is to be used there": Case(
        CHECK, document_with(mri_of("mri/X.nii", "mri/x.nii")), doing(other_name("mri/x.nii", "mri/y.nii"))
    ),
    "or delete the empty part, and train with --keep_epoch last": Case(
        CHECK,
        document_with(lambda document: document.update(validation=[])),
        doing(lambda: changed(lambda document: document.pop("validation"), "spoilt.json")),
    ),
    "move the participants of each group to one part, or split again with --group-by": Case(
        CHECK, with_families(torn=True, group_by=True), doing(with_families(False, True, "spoilt.json"))
    ),
    "if they are relatives, the test is not independent: split again with --group-by {}": Case(
        CHECK,
        with_families(torn=True, group_by=False),
        lambda _command, _line: "split spoilt.json --method stratified --group-by family --force --yes",
    ),
    "delete all but one of these lines": Case(
        CHECK, document_with(twice({})), doing(lambda: changed(one_of_two, "spoilt.json"))
    ),
    "if they are one participant, keep one line": Case(
        CHECK,
        document_with(twice({"participant_id": "SUB-01"})),
        doing(lambda: changed(one_of_two, "spoilt.json")),
    ),
    "did_you_mean in datalist/rules.wrong_labels": mistake(
        LABEL, '"label": "m",', as_printed(NAME, put('"m"'.strip('"')))
    ),
    "write / (also on Windows), or let check --fix do it: other programs need it": mistake(
        "mri/sub-01", "mri\\\\sub-01", lambda command, _: f"{command} --fix --yes"
    ),
    "did_you_mean in datalist/examination._unknown_sections": Case(
        lambda: read_datalist("right.json", ["traning"]),
        nothing,
        as_printed(NAME, lambda _, name: lambda: read_datalist("right.json", [name])),
    ),
    "did_you_mean in datalist/availability.check_modalities": Case(
        lambda: ModalityPolicy("eg"),  # type: ignore[arg-type]
        nothing,
        as_printed("did you mean '(.+?)'", lambda _, name: lambda: ModalityPolicy(name)),
    ),
    "write the name of another class in place of one, or delete it": mistake(
        '"M",\n"F"', '"M",\n"M"', correcting('"M",\n"M"', '"M",\n"F"')
    ),
    "each is text: write it in double quotes": mistake('"F"\n]', '"F",\n3\n]', correcting("\n3\n", '\n"3"\n')),
    "one of them is empty, or has a space at an end: delete it": mistake(
        '"M",\n"F"', '"M",\n" F"', correcting('" F"', '"F"')
    ),
    "it holds {}, {}: delete that character": mistake('"sub-01"', '"sub-\\u202e01"', correcting("\\u202e", "")),
    ' (If not, add "{}": null; "{}" is then kept.)': mistake(
        '"mri":', '"mra":', correcting('"mra":', '"mri": null,\n"mra":')
    ),
    "did you mean {}?{}": mistake('"mri":', '"mra":', as_printed(NAME, put("mra"))),
    "delete the field, or write its name again": mistake(
        LABEL, f'{LABEL}\n"age\\ud800": 1,', correcting('"age\\ud800": 1,', '"age": 1,')
    ),
    "did_you_mean in datalist/validation._head": mistake('"target"', '"targett"', as_printed(NAME, put("targett"))),
    "Files that exist but hold no recording; a run refuses them (--deep looks into all files):": Case(
        "check right.json", nothing, typing("--deep")
    ),
    "together with --fix": Case("check right.json --json --fix", nothing, typing("--yes")),
    "give --yes as well: programs are not asked": Case("check right.json --json --fix", nothing, typing("--yes")),
}
NO_ADVICE = {
    "Write this to {}? The old file is kept as {}.": "a question, which tests/datalist/repair/test_fixing.py answers",
    "{} {} one recording only ({} EEG, {} MRI): training uses them only with --allow_missing true": "of a training",
}
