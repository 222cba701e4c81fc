"""Tables and datalists mangled at random: each is read correctly, or refused in a short message with the place."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_fusion.datalist.building.participants_table import read_participants_table
from monai_fusion.datalist.examination import Requirements, examine
from monai_fusion.datalist.json_text import parse_bytes
from monai_fusion.datalist.repair.fixing import plan_repair
from monai_fusion.errors import InputError

Rows = list[list[str]]
IDS = [f"sub-{number:02d}" for number in range(1, 17)]
LABELS = {name: "MF"[number % 2] for number, name in enumerate(IDS)}
UNSEEN = "\u200b\ufeff\u00a0\u202e\u2060\u00ad"
CELLS: list[Callable[[str, random.Random], str]] = [
    lambda text, draw: text[:2] + draw.choice(UNSEEN) + text[2:],
    lambda text, _: f" {text} ",
    lambda text, _: text.swapcase(),
    lambda text, draw: draw.choice("'\"\u201c") + text,
    lambda text, _: f'="{text}"',
    lambda text, _: f"{text}.0",
    lambda text, _: f"o\u0308{text}",
    lambda text, draw: draw.choice(["", "n/a", "-"]),
    lambda text, draw: text + draw.choice("\0\n;,\t|:"),
    lambda text, _: text * 200,
]
LINES: list[Callable[[Rows, random.Random], Rows]] = [
    lambda rows, _: [["Study of 2019"], *rows],
    lambda rows, _: [["Study", "of", "2019"], *rows],
    lambda rows, _: [rows[0], ["id", "m/f", "years"], *rows[1:]],
    lambda rows, _: rows[1:],
    lambda rows, draw: [rows[0], *draw.sample(rows[1:], len(rows) - 1)],
    lambda rows, _: [[*row, row[1]] for row in rows],
    lambda rows, _: [[str(number), *row] for number, row in enumerate(rows)],
    lambda rows, draw: [*rows[: (at := draw.randrange(1, 16))], ["", "", ""], *rows[at:]],
    lambda rows, draw: [*rows, ["Total", "", "16"]],
]
TEXTS: list[Callable[[str], str]] = [
    lambda text: "".join(f'"{line}"\n' for line in text.splitlines()),
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\n", "\r"),
    lambda text: "".join(f"  {line}\n" for line in text.splitlines()),
    lambda text: f"{text}\n\n\n",
    lambda text: "".join(f"|{line}|\n" for line in text.splitlines()),
]
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Cut off, with a NUL in it, or with a bit turned over; mostly as it is."""
    at = draw.randrange(len(content))
    turned = content[:at] + bytes([content[at] ^ 8]) + content[at + 1 :]
    return draw.choice([*[content] * 6, content[:at], content[:at] + b"\0" + content[at:], turned])


def mangled_table(draw: random.Random) -> tuple[bytes, set[str]]:
    """A table, and whose cells were changed in it: of these anything may be read."""
    rows: Rows = [["participant_id", "gender", "age"], *([name, LABELS[name], "20"] for name in IDS)]
    touched = set()
    for _ in range(draw.choice([0, 1, 1, 2])):
        line, place = draw.randrange(len(rows)), draw.randrange(3)
        touched |= {rows[line][0]}
        rows[line][place] = draw.choice(CELLS)(rows[line][place], draw)
    for _ in range(draw.choice([0, 0, 1])):
        rows = draw.choice(LINES)(rows, draw)
    character = draw.choice([",", ";", "\t", "|", ":", " ", "   ", ", "])
    text = "".join(f"{character.join(row)}\n" for row in rows)
    if draw.random() < 0.3:
        text = draw.choice(TEXTS)(text)
    return damaged(text.encode(draw.choice(ENCODINGS), "replace"), draw), touched


def short(message: str) -> bool:
    return len(message.splitlines()) < 26 and all(len(line) < 700 for line in message.splitlines())


@pytest.mark.parametrize("seed", range(0, 300, 25))
def test_a_mangled_table_is_read_rightly_or_refused_shortly(seed: int, tmp_path: Path) -> None:
    read = 0
    for each in range(seed, seed + 25):
        content, touched = mangled_table(random.Random(each))
        path = tmp_path / "participants.csv"
        path.write_bytes(content)
        try:
            table = read_participants_table(path).with_columns(("participant_id", "gender"))
            rows = table.by_participant("participant_id", ("gender",))
        except InputError as error:
            assert short(str(error)), (each, str(error))
            assert str(path) in str(error)
            continue
        read += 1
        printed = {name: row.values["gender"] for name, row in rows.items() if name in LABELS and name not in touched}
        assert [name for name, label in printed.items() if label in ("M", "F") and label != LABELS[name]] == [], each
    assert read


def document() -> dict[str, Any]:
    rows = [
        {"participant_id": name, "label": LABELS[name], "eeg": f"eeg/{name}_*.npy", "mri": f"mri/{name}_T1w.nii.gz"}
        for name in IDS
    ]
    head = {"target": "gender", "classes": ["M", "F"], "data_root": "."}
    return {**head, "training": rows[:8], "validation": rows[8:12], "test": rows[12:]}


VALUES = [None, True, -1, 1.5, "", [], {}, " M", "m", "\u202eM", ["M"], "M\0", "*", "../x", "/a", "C:\\x", "\ud800"]
SIGNS = "\",:[]{}\\'\n\t#/=;\u201c\u00a0\u200b\ufeff"


def mangled_datalist(draw: random.Random) -> bytes:
    content = document()
    for _ in range(draw.choice([0, 1, 2])):
        row = draw.choice(content[draw.choice(["training", "validation", "test"])])
        row[draw.choice([*row, "lable", "exclude", "fold"])] = draw.choice(VALUES)
    if draw.random() < 0.3:
        content[draw.choice([*content, "clases"])] = draw.choice([*VALUES, ["M", "M"], [None], [[]]])
    text = json.dumps(content, indent=draw.choice([None, 0, 2]), ensure_ascii=draw.random() < 0.5)
    for _ in range(draw.choice([0, 1, 1, 2])):
        at = draw.randrange(len(text))
        text = (
            draw.choice(
                [
                    text[:at] + text[at + 1 :],
                    text[:at] + draw.choice(SIGNS) + text[at:],
                    text[:at],
                    text.replace('"', "'"),
                ]
            )
            or "x"
        )
    return damaged(text.encode(draw.choice(ENCODINGS[:-1]), "surrogatepass"), draw)


@pytest.mark.parametrize("seed", range(0, 300, 25))
def test_a_mangled_datalist_is_read_or_refused_shortly_and_its_repair_is_no_worse(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    for each in range(seed, seed + 25):
        content = mangled_datalist(random.Random(each))
        found = examine(parse_bytes(content), path, Requirements(files=False, complete=True))
        try:
            found.datalist()
        except InputError as error:
            text = str(error)
            assert len(text.splitlines()) < 100 and all(len(line) < 700 for line in text.splitlines()), (each, text)
            assert "\x1b" not in text and "\0" not in text
        path.write_bytes(content)
        repair = plan_repair(path, Requirements(files=False, complete=True))
        if repair.worth_writing and found.json.readable:
            assert len(repair.after.problems) <= len(found.problems), each
