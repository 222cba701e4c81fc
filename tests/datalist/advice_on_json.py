"""Mistakes in the text of a datalist, and what a user does who reads the message: at its line and column."""

import re
from collections.abc import Callable
from pathlib import Path

from tests.datalist.tried import Case, Follow, doing, doing_then, edit, spoilt

CHECK = "check spoilt.json"


def text_of() -> str:
    return Path("spoilt.json").read_bytes().decode()


def save(text: str, encoding: str = "utf-8") -> None:
    Path("spoilt.json").write_bytes(text.encode(encoding))


def at_place(change: Callable[[str, int], str]) -> Follow:
    """Changes the text at the line and column in the message."""

    def follow(_: str, line: str) -> None:
        place = re.search(r"line (\d+), column (\d+)", line)
        assert place is not None, line
        text = text_of()
        before = text.split("\n")[: int(place[1]) - 1]
        save(change(text, sum(len(each) + 1 for each in before) + int(place[2]) - 1))

    return follow


def delete(number: int = 1) -> Follow:
    return at_place(lambda text, at: text[:at] + text[at + number :])


def put(new: str, number: int = 1) -> Follow:
    """Writes ``new`` in place of this number of characters, from the one that the caret points to."""
    return at_place(lambda text, at: text[:at] + new + text[at + number :])


def before(new: str) -> Follow:
    return put(new, 0)


def behind(new: str) -> Follow:
    return at_place(lambda text, at: text[: at + 1] + new + text[at + 1 :])


def text_with(change: Callable[[str], str]) -> Callable[[], None]:
    return lambda: save(change(Path("right.json").read_text(encoding="utf-8")))


def mistake(old: str, new: str, follow: Follow) -> Case:
    return Case(CHECK, lambda: spoilt(old, new), follow)


def correcting(old: str, new: str) -> Follow:
    return doing(lambda: edit("spoilt.json", old, new))


def in_code_page() -> None:
    save(Path("right.json").read_text(encoding="utf-8").replace("gender", "Größe"), "cp1252")


ROW = '"label": "M",'
CASES = {
    "trailing comma before {}": mistake('"F"\n]', '"F",\n]', delete()),
    'JSON has no comments: delete it (to leave a participant out, write "exclude": "the reason" in the row)': mistake(
        '"target"', '// x\n"target"', delete(len("// x"))
    ),
    r"a backslash must be written twice (\\), or better as / (also on Windows)": mistake(
        '"mri/sub-01_T1w.nii.gz"', '"mri\\sub-01_T1w.nii.gz"', put("/")
    ),
    "a single \\ before the closing quote hides it: write / (also on Windows)": mistake('"."', '".\\"', put("/")),
    "names and text need double quotes: \" instead of '": mistake('"M"', "'M'", put('"M"', 3)),
    'this is not the plain double quote " (word processors and web pages curl it): write "': mistake(
        '"M"', "\u201cM\u201d", put('"M"', 3)
    ),
    'the text that begins here has no closing double quote (")': mistake(
        ROW, '"label": "M,', at_place(lambda text, at: text[:at] + text[at:].replace('"M', '"M"', 1))
    ),
    'a double quote (") is missing, or there is an extra one, or a comma is missing before this': mistake(
        '"sub-01",\n"label"', '"sub-01, "label"', correcting('"sub-01, "', '"sub-01", "')
    ),
    "a comma (,) is missing after this": mistake('"M",\n"F"', '"M"\n"F"', behind(",")),
    "a colon (:) is missing between the field's name and its value": mistake('"target":', '"target"', before(": ")),
    "a field's name needs double quotes: {}": mistake('"target"', "target", put('"target"', 6)),
    "the {} of line {} is still open": Case(CHECK, text_with(lambda text: text.rstrip()[:-1]), behind("}")),
    "the file ends too early: {} is missing ({})": Case(CHECK, text_with(lambda text: text.rstrip()[:-1]), behind("}")),
    "extra comma": mistake("],\n", "],,\n", delete()),
    "{} is missing before this {} ({})": mistake('gz"\n},', 'gz"\n],', before("}")),
    "{} is missing before this ({})": mistake('"F"\n],\n', '"F",\n', before("], ")),
    "a closing bracket {} is missing after this": mistake(
        'gz"\n},', 'gz",', at_place(lambda t, at: t[:at] + "}" + t[at:])
    ),
    "there is one {} too many: delete it": mistake('gz"\n},', 'gz"\n}},', delete()),
    "a decimal comma: write {} (or text, in double quotes)": mistake(ROW, f'{ROW}\n"height": 1,75,', put(".")),
    "trailing comma at the end": Case(CHECK, text_with(lambda text: f"{text},"), delete()),
    "{} inside a text: delete it, or write it as {}": mistake('"gender"', '"gen\tder"', delete()),
    "{} is not allowed here": mistake('"gender"', '= "gender"', delete()),
    "{} is missing before this": mistake('[\n{\n"participant_id"', '[\n"participant_id"', before("{")),
    "JSON needs a colon (:) here": mistake('"target":', '"target"=', put(":")),
    "JSON needs a comma (,) here": mistake('"M",', '"M";', put(",")),
    "extra closing bracket, or an opening one is missing before it": Case(
        CHECK, text_with(lambda text: f"{text}}}"), delete()
    ),
    "{} is not JSON: write null where there is no value": mistake(ROW, '"label": NaN,', put("null", 3)),
    "a field's name in double quotes is expected here": mistake(ROW, f"{ROW}\nnote,", put('"note": "x"', 4)),
    "a value is missing before {} (write null for no value)": mistake(ROW, '"label": ,', before("null")),
    "JSON writes true, false and null": mistake(ROW, f'{ROW}\n"x": None,', put("null", 4)),
    "text needs double quotes": mistake(ROW, '"label": M,', put('"M"')),
    "a space that is not the plain one (often copied from a web page): write a plain space": mistake(
        '"target": ', '"target":\u00a0', put(" ")
    ),
    "the name of the field is missing before the colon": mistake('"target":', ":", before('"target"')),
    "a colon (:) and a value are missing after this": mistake('"target": "gender"', '"target"', behind(': "gender"')),
    "in the editor, save the file as UTF-8": Case(
        CHECK, in_code_page, doing(lambda: save(Path("spoilt.json").read_bytes().decode("cp1252")))
    ),
    "save it as UTF-8 without BOM, or let check --fix delete the mark": Case(
        CHECK, text_with(lambda text: f"\ufeff{text}"), doing_then(lambda: None, "check spoilt.json --fix --yes")
    ),
    "the last would hide the others: delete or merge them": mistake(
        ROW, f"{ROW}\n{ROW}", correcting(f"{ROW}\n{ROW}", ROW)
    ),
}
