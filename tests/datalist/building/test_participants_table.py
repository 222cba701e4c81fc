"""Tables as spreadsheets of all countries write them."""

import csv
import datetime
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from monai_fusion import workbook_reading
from monai_fusion.datalist.building.participants_table import read_participants_table
from monai_fusion.errors import InputError
from tests.datalist.lines import Like


@pytest.fixture
def table(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "participants.csv"
        path.write_bytes(content)
        return path

    return write


def values(path: Path) -> list[dict[str, str]]:
    return [row.values for row in read_participants_table(path).rows]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiter_byte_order_mark_and_line_ends_are_recognised(
    newline: str, delimiter: str, encoding: str, table: Callable[[bytes], Path]
) -> None:
    lines = [["participant_id", "gender", "Größe"], ["sub-01", " M ", "1,80; groß"], ["sub-02", "", ""], [""], []]
    text = newline.join(delimiter.join(f'"{cell}"' if cell else "" for cell in line) for line in lines)
    assert values(table(text.encode(encoding))) == [
        {"participant_id": "sub-01", "gender": "M", "Größe": "1,80; groß"},
        {"participant_id": "sub-02", "gender": "", "Größe": ""},
    ]


def test_a_semicolon_table_with_decimal_commas_is_no_comma_table(table: Callable[[bytes], Path]) -> None:
    assert values(table(b"id;age, years;size\na;20,5;1,80\n")) == [{"id": "a", "age, years": "20,5", "size": "1,80"}]


def test_columns_that_hold_nothing_at_the_end_are_ignored(table: Callable[[bytes], Path]) -> None:
    assert values(table(b"id,gender,,\n\n,,,\na,M,,\nb,F\n")) == [
        {"id": "a", "gender": "M"},
        {"id": "b", "gender": "F"},
    ]


def test_an_old_windows_table_is_read_with_a_note(table: Callable[[bytes], Path]) -> None:
    path = table("id,name\na,Größe\n".encode("cp1252"))
    read = read_participants_table(path)
    assert read.rows[0].values["name"] == "Größe"
    assert read.notes == (
        Like(f"{path}, line 2: not UTF-8, … table … read … Windows-1252: check names with special letters"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file, expected a table with a header line"),
        (b"id,gender\na,M\nb\nc,F,20,x\n", "line 3: 1 value, separated by comma, expected 2: id, gender"),
        (b'id,gender\n"a,M\n', "not a table"),
        (b"\r\n\r\n", "an empty file, expected a table with a header line"),
        (b"PK\x03\x04....", "a spreadsheet that cannot be read, expected .xlsx or CSV: save it as .xlsx without a"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old or protected Excel file, expected .xlsx or CSV"),
        (b"id,\x81\n", "text in an unknown encoding, expected UTF-8: save the table as CSV UTF-8"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, message: str, table: Callable[[bytes], Path]) -> None:
    with pytest.raises(InputError) as raised:
        read_participants_table(table(content))
    assert message in str(raised.value)


def test_a_cell_of_any_length_is_read_and_the_limit_of_other_readers_stays(table: Callable[[bytes], Path]) -> None:
    before = csv.field_size_limit()
    for quote in ("", '"'):
        long = f"{quote}{'x' * 200_000}{quote}"
        read = values(table(f"id,gender,comment\na,M,{long}\nb,F,\nc,F,{long}\n".encode()))
        assert [len(row["comment"]) for row in read] == [200_000, 0, 200_000]
    with pytest.raises(InputError, match="a quotation mark opens a text in line 2 that is not closed rightly"):
        read_participants_table(table(b'id,gender\na,"M\n' + b"b,F\n" * 50_000))
    assert csv.field_size_limit() == before


def test_all_rows_of_wrong_length_are_named_with_their_line(table: Callable[[bytes], Path]) -> None:
    with pytest.raises(InputError) as raised:
        read_participants_table(table(b'id,gender\n"a\nb",M\nb\n\nc,F,20,x\n'))
    assert [problem.where for problem in raised.value.problems] == ["line 4", "line 6"]


def test_two_rows_of_a_participant_must_agree_where_it_matters(table: Callable[[bytes], Path]) -> None:
    read = read_participants_table(table(b"id,gender,visit\na,M,1\na,M,2\nb,M,1\nb,F,2\n,M,1\n"))
    with pytest.raises(InputError) as raised:
        read.by_participant("id", ("gender",))
    assert [str(problem) for problem in raised.value.problems] == [
        'b gender: "M" in line 4 and "F" in line 5, expected one value',
        "line 6 id: empty, expected a participant id",
    ]
    assert set(read_participants_table(table(b"id,g,v\na,M,1\na,M,2\n")).by_participant("id", ("g",))) == {"a"}


def test_a_column_name_that_is_there_twice_is_refused_where_it_is_used(table: Callable[[bytes], Path]) -> None:
    read = read_participants_table(table(b"id,gender,gender\na,M,F\n"))
    with pytest.raises(InputError, match='column "gender": there 2 times, expected once'):
        read.by_participant("id", ("gender",))
    assert set(read.by_participant("id", ())) == {"a"}


Cell = str | int | float | bool | datetime.datetime | None


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Path]:
    def write(rows: list[list[Cell]], **more_sheets: list[list[Cell]]) -> Path:
        book = openpyxl.Workbook()
        for name, content in {"Participants": rows, **more_sheets}.items():
            sheet = book.create_sheet(name)
            for row in content:
                sheet.append(row)
        del book["Sheet"]
        path = tmp_path / "participants.xlsx"
        book.save(path)
        return path

    return write


def test_the_first_sheet_of_a_workbook_is_read_as_text(workbook: Callable[..., Path]) -> None:
    path = workbook(
        [
            ["ID", "Größe", "age", "left", "note"],
            [10002, 1.8, 20.0, True, None],
            ["sub-03", " x ", "20-25", False, "é"],
        ],
        Codes=[["M", "male"]],
    )
    table = read_participants_table(path)
    assert [row.values for row in table.rows] == [
        {"ID": "10002", "Größe": "1.8", "age": "20", "left": "TRUE", "note": ""},
        {"ID": "sub-03", "Größe": "x", "age": "20-25", "left": "FALSE", "note": "é"},
    ]
    assert [row.line for row in table.rows] == [2, 3]
    assert table.notes == (
        Like(f"{path}: only the first sheet, 'Participants', was read, not 'Codes': if … table … sheet … --sheet"),
    )


def test_a_workbook_is_reported_by_its_content_not_its_name(workbook: Callable[..., Path]) -> None:
    path = workbook([[], ["id", "gender"], [], ["a", "M"]])
    renamed = path.rename(path.with_name("participants.csv"))
    assert [(row.line, row.values) for row in read_participants_table(renamed).rows] == [
        (4, {"id": "a", "gender": "M"})
    ]


def test_ranges_that_excel_made_dates_of_are_noted(workbook: Callable[..., Path]) -> None:
    table = read_participants_table(workbook([["id", "age"], ["a", datetime.datetime(2026, 12, 10)]]))
    assert table.rows[0].values["age"] == "2026-12-10"
    assert "line 2: a date (Excel makes one of a range such as 10-12, too" in table.notes[0]


@pytest.mark.parametrize(
    ("row", "limit"), [(b"1", ("MOST_CELLS", 1_000_000)), (b"3000000000", ("MOST_ROWS", 1_000))], ids=["wide", "long"]
)
def test_a_small_workbook_of_many_cells_is_refused(
    row: bytes, limit: tuple[str, int], workbook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook_reading, *limit)
    path = workbook([["id", "gender"], *[["a", "M"]] * 200])
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet, cell = "xl/worksheets/sheet1.xml", b'<row r="%s"><c r="XFD%s"><v>1</v></c></row>' % (row, row)
    place = b"<sheetData>" if row == b"1" else b"</sheetData>"
    parts[sheet] = parts[sheet].replace(place, cell + place if row != b"1" else place + cell)
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    with pytest.raises(InputError, match=r"cells in line [0-9,]+, and [0-9,]+ columns, expected a table"):
        read_participants_table(path)


def test_a_workbook_without_anything_is_refused(workbook: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="an empty file"):
        read_participants_table(workbook([]))


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;", "sep=;;;", "\r\nsep=;"])
def test_excels_line_that_names_the_separator_is_understood(line: str, table: Callable[[bytes], Path]) -> None:
    read = read_participants_table(table(f"{line}\r\nid;gender, at birth\r\na;M\r\n".encode()))
    assert read.columns == ("id", "gender, at birth")
    assert [(row.line, row.values["id"]) for row in read.rows] == [(3 + line.count("\n"), "a")]


def test_any_sign_that_excel_may_be_set_to_separate_by_is_understood(table: Callable[[bytes], Path]) -> None:
    assert read_participants_table(table(b"sep=|\nid|gender\na|M\n")).columns == ("id", "gender")
    assert read_participants_table(table(b"sep=\t\nid\tgender\na\tM\n")).columns == ("id", "gender")


@pytest.mark.parametrize("title", ["LEMON 2019", "LEMON 2019;;", "LEMON, of 2019", "LEMON 2019;;\n;;\nfrom the study"])
def test_a_title_above_the_header_is_one_problem_that_names_the_likely_header(
    title: str, table: Callable[[bytes], Path]
) -> None:
    rows = "".join(f"sub-{number:02d};M;20,5\n" for number in range(1, 9))
    line = title.count("\n") + 2
    with pytest.raises(InputError) as raised:
        read_participants_table(table(f"{title}\nparticipant_id;gender;age\n{rows}".encode()))
    (problem,) = raised.value.problems
    assert problem.where == "line 1"
    assert problem.advice == (
        f"is line {line} the header (participant_id, gender, age)? Then delete the lines above it"
    )


_ANOTHER_SIGN = "is the header separated by another character ({}) than the lines below? Then write it as these"
_WIDER = "is there a decimal comma (write a point), or row numbers without a column name (give them one)?"


@pytest.mark.parametrize(
    ("header", "row", "advice"),
    [
        ("participant_id;gender", "sub-{:02d},M", _ANOTHER_SIGN.format("semicolon")),
        ("participant_id\tgender", "sub-{:02d},M", _ANOTHER_SIGN.format("tab")),
        ("participant_id,gender,age", "sub-{:02d};M;20,5", _ANOTHER_SIGN.format("comma")),
        ("participant_id gender", "sub-{:02d},M", _ANOTHER_SIGN.format("space")),
        ("participant_id,gender,age", "sub-{:02d},M,20,5", _WIDER),
        ("participant_id,gender", "{},sub-01,M", _WIDER),
        ('"participant_id","gender"', '"{}","anna","M"', _WIDER),
    ],
)
@pytest.mark.parametrize("participants", [3, 12])
def test_a_row_of_a_participant_is_never_reported_as_the_header(
    header: str, row: str, advice: str, participants: int, table: Callable[[bytes], Path]
) -> None:
    rows = "".join(row.format(number) + "\n" for number in range(1, 1 + participants))
    with pytest.raises(InputError) as raised:
        read_participants_table(table(f"{header}\n{rows}".encode()))
    (problem,) = raised.value.problems
    assert (problem.where, problem.advice) == ("line 1", advice)


def test_rows_that_are_too_long_each_by_itself_are_no_title(table: Callable[[bytes], Path]) -> None:
    with pytest.raises(InputError) as raised:
        read_participants_table(table(b"id,gender\na,M\nb,F\nc,F,1,2\nd,M\n"))
    assert [problem.where for problem in raised.value.problems] == ["line 4"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32"])
def test_text_in_utf16_is_read_with_and_without_its_mark(encoding: str, table: Callable[[bytes], Path]) -> None:
    path = table("id\tgender\nsub-Jörg\tm\u00e4nnlich\n\u65e5\u672c\tM\n".encode(encoding))
    read = read_participants_table(path)
    assert [row.values["id"] for row in read.rows] == ["sub-Jörg", "\u65e5\u672c"]
    printed = f"{path}: read as UTF-16, although it does not begin with the mark of that"
    assert read.notes == ((printed,) if encoding in ("utf-16-le", "utf-16-be") else ())


def test_a_nul_byte_in_other_text_is_an_error_with_its_line(table: Callable[[bytes], Path]) -> None:
    with pytest.raises(InputError, match=r"line 2: a NUL byte"):
        read_participants_table(table(b"id,gender\na,M\0\n"))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('id,gender\nsub-1,M\nsub-2,"M\nsub-3,F\nsub-4,F\nsub-5,M"\nsub-6,M\n', "lines 3 to 6"),
        ('id,gender\nsub-1,M\nsub-2,"M\nsub-3,F"\n', "lines 3 to 4"),
        ('id,gender,age\nsub-1,M,1\nsub-2,"M,1\nsub-3,F",2\n', "lines 3 to 4"),
        ('id,gender\nsub-1,M\nsub-2,"M\nsub-3,F\nsub-4,F\n', "lines 3 to 5"),  # to the end of the file
        ('id,gender\nsub-1,M\nsub-2,"M\nsub-3,F\nsub-4,"F\nsub-5,M\n', "lines 3 to 5"),
        ('id\tgender\tnote\nsub-1\tM\t"two\nlines"\nsub-2\tF\t\n', "lines 2 to 3"),  # a TSV of BIDS knows no quotes
    ],
)
def test_a_quotation_mark_that_swallows_rows_is_an_error_with_both_lines(
    text: str, lines: str, table: Callable[[bytes], Path]
) -> None:
    with pytest.raises(InputError) as raised:
        read_participants_table(table(text.encode()))
    assert raised.value.problems[0].field == lines
    assert "a quotation mark opens a text in line" in raised.value.problems[0].seen


def test_a_comment_of_several_lines_in_a_csv_is_a_comment(table: Callable[[bytes], Path]) -> None:
    read = read_participants_table(table(b'id,gender,note\n1,M,"slept,\nthen 2, 3 errors"\n2,F,\n'))
    assert [(row.line, row.values["id"], row.values["note"]) for row in read.rows] == [
        (2, "1", "slept,\nthen 2, 3 errors"),
        (4, "2", ""),
    ]


def test_what_a_sheet_hides_or_never_computed_is_noted(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Participants"
    sheet.append(["id", "code", "gender"])
    for number in range(1, 7):
        sheet.append([f"sub-{number:02d}", number % 2, f'=IF(B{number + 1}=1,"M","F")'])
    for number in (4, 5, 6, 60):
        sheet.row_dimensions[number].hidden = True
    path = tmp_path / "people.xlsx"
    book.save(path)
    table = read_participants_table(path)
    assert [row.values["gender"] for row in table.rows] == [""] * 6
    assert table.notes == (
        Like(f"{path}: lines 4, 5, 6 … hidden … filter … others"),
        Like(f"{path}: 6 formulas (lines 2, 3, 4, 5, 6, 7) … never computed …: open … spreadsheet program … it"),
    )


def test_the_notes_on_a_table_are_reported_with_the_error_that_they_explain(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    first.title = "read me"
    first.append(["Our cohort of 2019"])
    book.create_sheet("Participants").append(["id", "gender"])
    path = tmp_path / "people.xlsx"
    book.save(path)
    for _ in range(3):
        first.append(["as measured", "by us"])
    book.save(path)
    with pytest.raises(InputError) as raised:
        read_participants_table(path)
    assert str(raised.value).splitlines()[-1] == (
        Like(
            f"note: {path}: only the first sheet, 'read me', was read, not 'Participants': if … table … sheet … --sheet"
        )
    )
