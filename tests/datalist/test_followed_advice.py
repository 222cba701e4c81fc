"""What a message advises is tried: every option, example and name that it gives makes the next outcome another one."""

import random
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_fusion import cli
from monai_fusion.datalist.building.ambiguity import Ambiguity
from monai_fusion.datalist.choosing import Choice, chosen
from tests.datalist.lines import Like
from tests.datalist.tried import (
    BIDS,
    BUILD,
    PARTICIPANTS,
    Spoil,
    each,
    edit,
    move,
    options,
    spoilt,
    touch,
    whole_path,
    without,
    write_cohort,
)


def misspelt(command: str, wrong: str, right: str) -> str:
    """Writes ``right`` for ``wrong``, in the command or wherever it stands."""
    if wrong in shlex.split(command):
        return " ".join(shlex.quote(right if word == wrong else word) for word in shlex.split(command))
    if Path("spoilt.json").exists():
        edit("spoilt.json", f'"{wrong}"', f'"{right}"')
    else:
        edit("participants.csv", f",{wrong},", f",{right},")
    return command


def rename_ids(command: str, example: str) -> str:
    count = example.partition("_")[0].count("-")
    for folder in ("eeg", "mri"):
        for path in Path(folder).glob(f"{example.partition('-')[0]}_*"):
            path.rename(path.with_name(path.name.replace("_", "-", count)))
    return command


def convert(command: str, ending: str) -> str:
    for path in Path("mri").rglob(f"*{ending}"):
        path.rename(str(path).removesuffix(ending) + ".nii.gz")
    return command


def move_into_anat(command: str) -> str:
    for path in Path("bids").glob("sub-*/*_T1w.nii.gz"):
        move(str(path), f"{path.parent}/anat/{path.name}")
    return command


def keep_one(command: str, names: str) -> str:
    first, *_ = names.split(", ")
    (Path("mri") / first).unlink()
    return command


# What messages advise, and how a participant follows it: the command that they type next, after what they do to files.
WAYS: list[tuple[str, Callable[..., str]]] = [
    (
        r"choose with (--session [\w ]+?)(?: and a (--t1w-pattern) such as (\".+\"))?(?:$|, )",
        lambda command, session, flag, pattern: options(
            options(command, session), f"{flag or session} {pattern or ''}"
        ),
    ),
    (r"choose with a (--t1w-pattern) such as (\".+\")$", lambda command, *rule: options(command, " ".join(rule))),
    (r"prefer with (--session [\w ]+)", options),
    (r"or (--session all)", options),
    (r"one that EEG and MRIs have: (\w+)", lambda command, session: options(command, f"--session {session}")),
    (r"add (--loose-ids)", options),
    (r"or leave them out with (--drop-unlabelled)", options),
    (r": (--allow-missing) would keep", options),
    (r"add new participants: (--extend \S+ --out \S+)\. ", options),
    (r"(--force) (?:starts again|replaces it)", options),
    (r"(?:use|only with) (--method \w+)", options),
    (r"choose another --out", lambda command: options(command, "--out other.json")),
    (r"fewer folds: (--folds \d+)", options),
    (r"(--folds 5) tests a fifth", lambda command, rule: options(re.sub(r" --test-fraction \S+", "", command), rule)),
    (r"leave out (--\w[\w-]*)(?: and (--\w[\w-]*))?$", lambda command, *names: without(command, names)),
    (r"has the MRIs already: leave out one of the two", lambda command: without(command, ["--mri-dir"])),
    (r"always balanced: leave it out", lambda command: without(command, ["--stratify-by"])),
    (r"\"(\S+?)\".{0,60}?: did you mean \"(.+?)\"\?", misspelt),
    (r"(\w+): there is no such field: did you mean \"(.+?)\"\?", misspelt),
    (r"the names have \"(\w+)\"", lambda command, name: options(command, f"--eeg-condition {name}")),
    (r"(?:the MRIs are) (\S+?),", lambda command, name: options(command, f"--t1w-pattern {name}")),
    (r"give its class with --label-map VALUE=CLASS", lambda command: options(command, "--label-map male=M")),
    (r"name it with (--classes [\w ]+)", lambda command, rule: options(command, rule)),
    (r"rename the files so that no id holds a _, such as (\S+)", rename_ids),
    (r"have (\.\w+) files, which are not read .*: convert them", convert),
    (r"but \d+ (\.\w+) files.*: convert them", convert),
    (r"move them to sub-\.\.\./anat", move_into_anat),
    (r"name their folder with (--eeg-dir)", lambda command, flag: options(command, f"{flag} bids/derivatives/morlet")),
    (r"2 MRIs: (.+), expected one: keep one of them in the folder", keep_one),
    (r"this is a folder: write which files? in it, such as \"(.+?)\"", lambda command, name: whole_path(command, name)),
    (r"write it relative to data_root: \"(.+?)\"", lambda command, name: whole_path(command, name)),
    (r"or let check (--fix) do it", lambda command, flag: f"{command} {flag} --yes"),
    (r"use a smaller test or validation fraction", lambda command: options(command, "--validation-fraction 0.2")),
]


def twin() -> None:
    touch("mri/sub-01_T1w.nii")


def only_one_pattern_would_not_do() -> None:
    touch("mri/sub-01_T1w.nii")
    move("mri/sub-02_T1w.nii.gz", "mri/sub-02_T1w.nii")


def adni(folder: str, ending: str) -> None:
    each(folder, lambda name: f"ADNI_0{name[4:6]}_S_{name[4:6]}13_x{ending}" if "EC" not in name else name)


def eeg_of_adni() -> None:
    for path in Path("eeg").glob("*EC*"):
        path.unlink()
    adni("eeg", ".npy")


def sessions() -> None:
    each("mri", lambda name: name.replace("_T1w", "_ses-01_T1w"))
    touch("mri/sub-01_ses-02_T1w.nii.gz")
    move("mri/sub-02_ses-01_T1w.nii.gz", "mri/sub-02_ses-02_T1w.nii.gz")


def sessions_and_runs() -> None:
    sessions()
    for session in ("01", "02"):
        touch(f"mri/sub-01_ses-{session}_run-2_T1w.nii.gz")


def eeg_sessions() -> None:
    touch("eeg/sub-01_ses-01_seg0.npy")
    touch("eeg/sub-01_ses-02_seg0.npy")


def older_format(ending: str, participants: list[str]) -> None:
    for name in participants:
        move(f"mri/{name}_T1w.nii.gz", f"mri/{name}_T1w{ending}")


def three_classes() -> None:
    edit("participants.csv", "sub-03,M", "sub-03,D")


SPOILT: dict[str, tuple[str, Spoil, int]] = {
    "a .nii beside a .nii.gz": (BUILD, twin, 1),
    "the same where others have .nii only": (BUILD, only_one_pattern_would_not_do, 1),
    "the same in a BIDS dataset": (BIDS, lambda: touch("bids/sub-04/anat/sub-04_T1w.nii"), 1),
    "a CT": (BUILD, lambda: touch("mri/sub-04_CT.nii.gz"), 1),
    "a copy of Dropbox": (BUILD, lambda: touch("mri/sub-04_T1w (Anna's conflicted copy 2024-05-01).nii.gz"), 1),
    "one name in two folders": (BUILD, lambda: touch("mri/old/sub-04_T1w.nii.gz"), 1),
    "names of ADNI": (BUILD, lambda: adni("mri", ".nii"), 1),
    "EEG named as ADNI's": (BUILD, eeg_of_adni, 1),
    "two sessions": (BUILD, sessions, 1),
    "two sessions with two runs": (BUILD, sessions_and_runs, 1),
    "EEG of two sessions": (BUILD, eeg_sessions, 3),
    "a session that no participant has": (f"{BUILD} --session 09", sessions, 1),
    "a pattern that matches nothing": (f"{BUILD} --t1w-pattern *FLAIR*", lambda: None, 1),
    "a condition misspelt": (f"{BUILD} --eeg-condition E0", lambda: None, 1),
    "some .mgz": (BUILD, lambda: older_format(".mgz", PARTICIPANTS[:5]), 2),
    "nothing but .mnc": (BUILD, lambda: older_format(".mnc", PARTICIPANTS), 1),
    "T1w images outside anat": (
        BIDS,
        lambda: [move(f"bids/{n}/anat/{n}_T1w.nii.gz", f"bids/{n}/{n}_T1w.nii.gz") for n in PARTICIPANTS[:2]],
        2,
    ),
    "two derivatives": (BIDS, lambda: touch("bids/derivatives/other/sub-01_seg0.npy"), 1),
    "--bids and --mri-dir": (f"{BIDS} --mri-dir mri", lambda: None, 1),
    "numbers as ids": (BUILD, lambda: edit("participants.csv", "sub-", ""), 1),
    "one participant under two ids": (
        f"{BUILD} --allow-missing",
        lambda: move("mri/sub-05_T1w.nii.gz", "mri/SUB-05_T1w.nii.gz"),
        1,
    ),
    "other words for classes": (BUILD, lambda: edit("participants.csv", ",M,", ",male,"), 3),
    "a class that is not named": (f"{BUILD} --label-map 1=D", lambda: None, 1),
    "a column misspelt": (f"{BUILD} --label-column Gender", lambda: None, 1),
    "a preset misspelt": (f"{BUILD} --preset lemmon", lambda: None, 1),
    "the datalist is there": (f"{BUILD} --out right.json", lambda: None, 2),
    "three classes by ratio": (f"{BUILD} --method ratio --classes M F D", three_classes, 1),
    "groups by ratio": (f"{BUILD} --method ratio --group-by family", lambda: None, 1),
    "too many folds": (f"{BUILD} --method kfold --folds 9", lambda: None, 1),
    "folds without kfold": (f"{BUILD} --folds 3", lambda: None, 1),
    "all folds without kfold": (f"{BUILD} --all-folds", lambda: None, 1),
    "a test fraction with folds": (f"{BUILD} --method kfold --test-fraction 0.3", lambda: None, 1),
    "a large validation fraction": (f"{BUILD} --validation-fraction 0.95", lambda: None, 1),
    "bins and classes": (f"{BUILD} --label-column age --bin a=20-26 --bin b=27-40 --classes a b", lambda: None, 1),
    "split: label": ("split right.json --out o.json --method kfold --stratify-by label", lambda: None, 1),
    "split: kept and counted folds": (
        "split right.json --out o.json --method kfold --keep-folds --folds 3",
        lambda: None,
        1,
    ),
    "split: replace": ("split right.json", lambda: None, 2),
    "split: a test fold beside a kept test": (
        "split right.json --out o.json --method kfold --folds 3 --keep-test --test-fraction 0.1",
        lambda: None,
        1,
    ),
    "check: case": ("check spoilt.json", lambda: spoilt("mri/sub-01", "mri/SUB-01"), 1),
    "check: ending": ("check spoilt.json", lambda: spoilt("mri/sub-01_T1w.nii.gz", "mri/sub-01_T1w.nii"), 1),
    "check: a pattern": ("check spoilt.json", lambda: spoilt("eeg/sub-01_*", "eeg/sub-1_*"), 1),
    "check: a folder for a file": ("check spoilt.json", lambda: spoilt("mri/sub-01_T1w.nii.gz", "mri"), 1),
    "check: a folder for a pattern": ("check spoilt.json", lambda: spoilt("eeg/sub-01_*.npy", "eeg"), 1),
    "check: a label": ("check spoilt.json", lambda: spoilt('"label": "M"', '"label": "m"'), 1),
    "check: a field": ("check spoilt.json", lambda: spoilt('"label"', '"lable"'), 1),
    "check: backslashes": ("check spoilt.json", lambda: spoilt("mri/sub-01", "mri\\\\\\\\sub-01"), 1),
}


@pytest.mark.parametrize("name", SPOILT)
def test_every_advice_makes_the_next_outcome_another(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, spoil, advices = SPOILT[name]

    def prepare(number: int) -> None:
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        write_cohort()
        spoil()

    def outcome(typed: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["datalist", *shlex.split(typed)])
        captured = capsys.readouterr()
        return ended.value.code, captured.out + captured.err

    prepare(0)
    first = outcome(command)
    found = [
        (way, match.groups())
        for line in first[1].splitlines()
        for pattern, way in WAYS
        for match in [re.search(pattern, line)]
        if match is not None
    ]
    assert len(found) == advices, first[1]
    for number, (way, values) in enumerate(found, start=1):
        prepare(number)
        following = way(command, *values)
        then = outcome(following)
        assert then != first, following


ENTITIES = (
    "T1w", "acq-mp2rage_T1w", "rec-2_T1w", "run-1_T1w", "run-2_T1w", "CT", "T1w (1)", "T1w_copy", "t1", "MPRAGE",
    "ce-gd_T1w", "T1w [old]", "3T", "1.5T", "T1w$x", "acq-a_run-1_T1w", "acq-a_run-2_T1w", "acq-b_run-1_T1w", "T1W",
)  # fmt: skip
FOLDERS = ("", "{0}/", "{0}/anat/", "old/", "{0}/ses-01/anat/", "{0}/ses-02/anat/", "{0}_old/", "b/{0}/", "c/{0}/")
ENDINGS = ((".nii.gz",), (".nii.gz", ".nii"), (".nii", ".NII.GZ"))


@pytest.mark.parametrize("seed", range(120))
def test_an_example_leaves_one_mri_to_its_participant_and_takes_none_from_others(seed: int) -> None:
    draw = random.Random(seed)
    ids = [(f"sub-{i:02d}" if seed % 3 else f"p{i}") for i in range(draw.randint(2, 15))]
    entities, folders = draw.sample(ENTITIES, draw.randint(1, 4)), draw.sample(FOLDERS, draw.randint(1, 3))
    endings, root = draw.choice(ENDINGS), Path("/data/mri")

    def some_mri(name: str) -> Path:
        return root / f"{draw.choice(folders).format(name)}{name}_{draw.choice(entities)}{draw.choice(endings)}"

    mri = {name: sorted({some_mri(name) for _ in range(draw.choice([1, 1, 1, 2, 3]))}) for name in ids}
    eeg = {name: [Path(f"/data/eeg/{name}{draw.choice(['', '', '_ses-01', '_ses-02'])}_seg0.npy")] for name in ids}
    example = re.compile(
        r"choose with (?:--session (?P<sessions>[\w ]+?))?(?: and )?(?:a --t1w-pattern such as (?P<patterns>\".+\"))?"
    )
    problems = [each for each in Ambiguity(eeg, mri, Choice(), root).problems() if each.field == "mri"]
    assert {each.where for each in problems} == {name for name, paths in mri.items() if len(paths) > 1}
    for problem in problems:
        rule = example.fullmatch(problem.advice)
        assert rule is not None, problem
        choice = Choice(tuple(shlex.split(rule["sessions"] or "")), tuple(shlex.split(rule["patterns"] or "")))
        assert choice != Choice()
        still_eeg, still_mri = chosen(eeg, mri, choice, root)
        assert len(still_mri[problem.where]) == 1, problem
        assert (still_eeg.keys(), still_mri.keys()) == (eeg.keys(), mri.keys()), problem


def test_of_several_the_example_is_one_named_t1w() -> None:
    names = ("CT", "PET", "T1w", "T1w (Anna's conflicted copy)", "acq-x_CT")
    mri = {"sub-01": [Path(f"/mri/sub-01_{name}.nii.gz") for name in names], "sub-02": [Path("/mri/sub-02_CT.nii.gz")]}
    eeg = {name: [Path(f"/eeg/{name}.npy")] for name in mri}
    (problem,) = Ambiguity(eeg, mri, Choice(), Path("/mri")).problems()
    assert problem.advice == 'choose with a --t1w-pattern such as "*_T1w.*" "*"'


def test_files_named_alike_in_folders_of_participants_are_to_be_renamed_and_none_is_left_out() -> None:
    participants = [f"sub-{number:02d}" for number in range(1, 15)]
    mri = {name: [Path(f"/mri/{name}/{name}_T1w.nii.gz")] for name in participants[3:]}
    mri["T1w"] = [Path(f"/mri/{name}/T1w.nii.gz") for name in participants[:3]]
    eeg = {name: [Path(f"/eeg/{name}.npy")] for name in participants}
    (problem,) = Ambiguity(eeg, mri, Choice(), Path("/mri")).problems()
    assert problem.advice == (Like("rename … files … begins … sub-01_T1w.nii.gz"))


@pytest.mark.parametrize(
    ("names", "example"),
    [
        ([f"ADNI_0{i % 3}_S_04{i}3_MR_Br_2006_I{i}.nii" for i in range(14)], "ADNI-00-S-0403_MR_Br_2006_I0.nii"),
        (["patient_01_T1w.nii", "patient_02_T1w.nii"], "patient-01_T1w.nii"),
        (["LEMON_sub-1_T1w.nii.gz", "LEMON_sub-2_T1w.nii.gz", "LEMON_sub-3_T1w.nii.gz"], "LEMON-sub-1_T1w.nii.gz"),
        ([f"{i}_20252_2_0/T1/T1.nii.gz" for i in (1001, 1002, 1003)], "1001-20252-2-0_T1.nii.gz"),
    ],
)
def test_an_id_that_has_most_of_the_files_is_reported_as_none(names: list[str], example: str) -> None:
    owner = names[0].rpartition("/")[2].split("_")[0].removesuffix(".nii.gz")
    mri = {owner: [Path("/mri") / name for name in names], "sub-77": [Path("/mri/sub-77_T1w.nii")]}
    eeg = {name: [Path(f"/eeg/{name}.npy")] for name in mri}
    (problem,) = Ambiguity(eeg, mri, Choice(), Path("/mri")).problems()
    rule = "each begins with the id of its participant" if "/" in names[0] else "no id holds a _"
    assert problem.advice == (
        Like(f'"{owner}" … taken … one … file\'s name … first _: rename the files so that {rule}, such as {example}')
    )


def test_an_id_in_three_folders_is_still_an_id() -> None:
    mri = {
        "sub-01": [Path(f"/mri/{name}/sub-01_T1w.nii.gz") for name in ("a", "b", "c")],
        "sub-02": [Path("/mri/a/sub-02_T1w.nii.gz")],
    }
    eeg = {name: [Path(f"/eeg/{name}.npy")] for name in mri}
    (problem,) = Ambiguity(eeg, mri, Choice(), Path("/mri")).problems()
    assert problem.advice == 'choose with a --t1w-pattern such as "a/*"'


def test_four_runs_of_everyone_are_no_wrong_ids() -> None:
    mri = {name: [Path(f"/mri/{name}_run-{run}_T1w.nii") for run in range(4)] for name in ("sub-1", "sub-2", "Anna")}
    eeg = {name: [Path(f"/eeg/{name}.npy")] for name in mri}
    assert {each.advice for each in Ambiguity(eeg, mri, Choice(), Path("/mri")).problems()} == {
        'choose with a --t1w-pattern such as "*_run-0_T1w*"'
    }


def test_no_advice_is_given_where_none_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cohort()
    (tmp_path / "other").mkdir()
    touch("other/sub-01_notes.txt")
    spoilt("mri/sub-01_T1w.nii.gz", "other")

    def printed(command: str) -> str:
        with pytest.raises(SystemExit):
            cli.main(["datalist", *shlex.split(command)])
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert printed("check spoilt.json").splitlines()[-1].endswith("this is a folder: write which file in it")
    spoilt("mri/sub-01_T1w.nii.gz", "other/sub-01_T1w.nii.gz")
    assert "did you mean" not in printed("check spoilt.json")  # a text is no MRI
    rows = [f"{name},{'F' if name in PARTICIPANTS[:2] else 'M'}" for name in PARTICIPANTS]
    Path("participants.csv").write_text("\n".join(["participant_id,gender", *rows]), encoding="utf-8")
    text = printed(f"{BUILD} --method kfold")
    assert "every class needs three or more" in text
    assert "fewer folds" not in text
    rows = [f"{name}," for name in PARTICIPANTS]
    Path("participants.csv").write_text("\n".join(["participant_id,gender", *rows]), encoding="utf-8")
    assert "--label-map" not in printed(BUILD)  # what is empty means nothing
