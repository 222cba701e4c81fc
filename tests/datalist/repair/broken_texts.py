"""Texts that are not JSON, or JSON that is no datalist, and the message of each: ``…`` is any words."""

from collections.abc import Callable
from typing import Any

Document = dict[str, Any]

# The text of a right datalist (line 8 is sub-01), spoilt; the message; and the character above the caret.
BROKEN_TEXT: list[tuple[Callable[[str], str], str, str]] = [
    (
        lambda t: t.replace("}\n  ],", "},\n  ],", 1),
        'line 10, column 106, sub-03: trailing comma before "]"',
        ",",
    ),
    (lambda t: t.replace('gz"}', 'gz",}', 1), 'line 8, column 105, sub-01: trailing comma before "}"', ","),
    (lambda t: t.replace("],", "],,", 1), "line 5, column 25: extra comma", ","),
    (lambda t: t.replace("[\n    {", "[\n    ,{", 1), "line 8, column 5, sub-01: extra comma", ","),
    (lambda t: t + ",", "line 22, column 1: trailing comma at the end", ","),
    (lambda t: t.replace("},\n", "}\n", 1), "line 8, column 105, sub-01: a comma (,) is missing after this", "}"),
    (
        lambda t: t.replace('"M", "eeg', '"M" "eeg', 1),
        "line 8, column 45, sub-01: a comma (,) is missing after this",
        '"',
    ),
    (lambda t: t.replace('["M", "F"]', '["M" "F"]', 1), "line 5, column 17: a comma (,) is missing after this", '"'),
    (lambda t: t.replace('["M", "F"]', '["M"; "F"]', 1), "line 5, column 18: JSON needs a comma (,) here", ";"),
    (
        lambda t: t.replace('"name"', "'name'"),
        "line 3, column 3: … double quotes: \" instead of '",
        "'",
    ),
    (
        lambda t: t.replace('"Eight"', "'Eight's"),
        "line 3, column 11: … double quotes: \" instead of '",
        "'",
    ),
    *(
        (
            lambda t, quotes=quotes: t.replace('"Eight"', f"{quotes[0]}Eight{quotes[1]}"),
            'line 3, column 11: … plain double … " (… processors … pages …): write "',
            quotes[0],
        )
        for quotes in ("\u201c\u201d", "\u201e\u201c", "\u00ab\u00bb", '\u201c"')
    ),
    (
        lambda t: t.replace('"Eight"', '"Eight\u201d'),
        'line 3, column 17: … plain double … " (… processors … pages …): write "',
        "\u201d",
    ),
    *(
        (
            lambda t, name=name: t.replace("mri/sub-01", rf"mri\{name}"),
            r"line 8, column 86, sub-01: … backslash … written … (\\), or better as / (also on Windows)",
            "\\",
        )
        for name in ("sub-01", "new", "unknown")
        if name != "new"  # that is JSON: see the next test
    ),
    (
        lambda t: t.replace('"../data"', r'"..\data\"'),
        r"line 6, column 24: a single \ before … closing …: write / (also on Windows)",
        "\\",
    ),
    (
        lambda t: t.replace('"Eight"', r'"C:\LEMON"'),
        r"line 3, column 14: … backslash … written … (\\), or better as / (also on Windows)",
        "\\",
    ),
    *(
        (
            lambda t, comment=comment: t.replace('  "name"', f'  {comment}"name"'),
            'line 3, column 3: JSON has no comments: delete it (… leave … write "exclude": "the reason" in the row)',
            comment[0],
        )
        for comment in ("// the name\n", "# the name\n", "/* the name */ ")
    ),
    (
        lambda t: t.replace('"Eight"', '"Eight'),
        'line 3, column 11: … begins … closing … (")',
        '"',
    ),
    (
        lambda t: t.replace('"sub-01"', '"sub-01', 1),
        'line 8, column 34: a double quote (") … missing … before …',
        "l",
    ),
    (
        lambda t: t.replace('"Eight"', '"The "eight""'),
        'line 3, column 17: a double quote (") … missing … before …',
        "e",
    ),
    (
        lambda t: t[:-4],
        'line 19, column 105, sub-08: … file … early: "]}" is missing (the "[" of line 16 is still open)',
        "}",
    ),
    (
        lambda t: t.replace("},\n", ",\n", 1),
        'line 8, column 105, sub-01: a closing bracket "}" is missing after this',
        ",",
    ),
    (
        lambda t: t.replace("},\n", "],\n", 1),
        'line 8, column 105, sub-01: "}" is missing before this "]" (the "{" of line 8 is still open)',
        "]",
    ),
    (
        lambda t: t.replace("  ],\n", "  ,\n", 1),
        'line 12, column 3: "]" is missing before this (the "[" of line 7 is still open)',
        '"',
    ),
    (lambda t: t.replace("},\n", "}},\n", 1), 'line 8, column 106, sub-01: … "}" too many: delete it', "}"),
    (
        lambda t: t.replace("},\n", ', "height": -1,750},\n', 1),
        "line 8, column 119, sub-01: a decimal comma: write -1.750 …",
        ",",
    ),
    (lambda t: t.replace("    {", "    ", 1), 'line 8, column 5, sub-01: "{" is missing before this', '"'),
    (
        lambda t: t.replace('"training": [', '"training":'),
        'line 7: "[" is missing after "training":',
        ":",
    ),
    (
        lambda t: t.replace('"training": [', '"training" '),
        'line 7: "[" is missing after "training":',  # and so is a colon, which is reported below
        '"',
    ),
    (
        lambda t: t.replace('"classes": ["M"', '"classes": "M"'),
        'line 5: "[" is missing after "classes":',
        ":",
    ),
    (
        lambda t: t.replace('"eeg": "eeg/sub-01_*.npy"', '"eeg": "a.npy", "b.npy", "c.npy"]', 1),
        'line 8, sub-01: "[" is missing after "eeg":',
        ":",
    ),
    (
        lambda t: t + "}",
        "line 22, column 1: … closing bracket … it",
        "}",
    ),
    (
        lambda t: t.replace('"name":', '"name"'),
        "line 3, column 10: a colon (:) … missing between …'s name and its value",
        '"',
    ),
    (lambda t: t.replace('"name":', '"name" ='), "line 3, column 10: JSON needs a colon (:) here", "="),
    (
        lambda t: t.replace('"name": "Eight"', '"name"'),
        "line 3, column 8: a colon (:) … value … missing … this",
        '"',
    ),
    (
        lambda t: t.replace('"Eight"', ""),
        'line 3, column 11: … missing before "," (write … value)',
        ",",
    ),
    (lambda t: t.replace('"name"', ""), "line 3, column 3: … missing before … colon", ":"),
    (
        lambda t: t.replace('"name"', "name"),
        'line 3, column 3: a field\'s name needs double quotes: "name"',
        "n",
    ),
    (
        lambda t: t.replace('"M", "eeg', 'M, "eeg', 1),
        'line 8, column 43, sub-01: text needs double quotes: "M", with the quotes',
        "M",
    ),
    (
        lambda t: t.replace('"Eight"', "007"),
        'line 3, column 11: this … number … JSON: "007", with the quotes',
        "0",
    ),
    (
        lambda t: t.replace('"Eight"', "NaN"),
        "line 3, column 11: NaN is not JSON: write … where … value",
        "N",
    ),
    (
        lambda t: t.replace('"Eight"', "-Infinity"),
        "line 3, column 11: -Infinity is not JSON: write … where … value",
        "-",
    ),
    (lambda t: t.replace('"Eight"', "True"), "line 3, column 11: JSON writes true, false and null", "T"),
    (lambda t: t.replace('"Eight"', "None"), "line 3, column 11: JSON writes true, false and null", "N"),
    (
        lambda t: t.replace('"Eight"', '"Ei\tght"'),
        r"line 3, column 14: … inside … text: delete … write … \t",
        " ",
    ),
    (
        lambda t: t.replace('  "name"', '\u00a0 "name"'),
        "line 3, column 1: … space … plain … (often copied …): write a plain space",
        "",
    ),
    (lambda t: f"{t}x", "line 22, column 1: … text after … datalist", "x"),
    (lambda t: " \n", "line 1, column 1: the file is empty", ""),
    (
        lambda t: "[" * 100_000,
        "line 1, column 1: … objects … hundreds …: this is not a datalist",
        "[",
    ),
    (lambda t: "1" * 10_000, "line 1, column 1: … number … thousands …: this is not a datalist", "1"),
]


NO_DATALIST: list[tuple[Callable[[str], str | bytes], str]] = [
    (lambda t: "null", "datalist: null, expected an object: { ... }"),
    (lambda t: "[]", "datalist: [] (empty), expected an object: { ... }"),
    (
        lambda t: t.replace("\n}", ',\n  "test": []}'),
        "line 21, test: written 2 times, expected once: … would … others: delete or merge them",
    ),
    (
        lambda t: t.replace('"label": "M"', '"label": "M", "label": "M"', 1),
        "line 8, sub-01 label: written 2 times, expected once: … would … others: delete or merge them",
    ),
    (
        lambda t: t.replace('"label": "M"', '"label": "M", "notes": {"a": 1, "a": 2}', 1),
        'datalist: a field "a" is written 2 times, expected once: … would … others: delete or merge them',
    ),
    (
        lambda t: t.replace("mri/sub-01", r"mri\new"),
        r'line 8, sub-01 mri: "mri\new_T1w.nii.gz", expected a path below data_root: … holds … break: '
        "in JSON … backslash … character … / instead",
    ),
    (
        lambda t: t.encode("utf-16"),
        'line 1: text in UTF-16 ("Unicode"), expected UTF-8: … editor, save … UTF-8',
    ),
    (
        lambda t: t.encode("utf-16-le"),
        'line 1: text in UTF-16 ("Unicode"), expected UTF-8: … editor, save … UTF-8',
    ),
    (lambda t: t.encode("utf-32"), "line 1: text in UTF-32, expected UTF-8: … editor, save … UTF-8"),
    (
        lambda t: t.replace("Eight", "M\u00fcller").encode("cp1252"),
        "line 3, column 13: text that is not UTF-8: … editor, save … UTF-8",
    ),
    (lambda t: b"\x01\x02\x00\x00", "this … text … datalist … (.json)"),
    (lambda t: b"{}\x01\x00\x00", "this … text … datalist … (.json)"),
]
