"""Tables whose header is not the first line, or whose cells are separated by another character than usual."""

from collections.abc import Callable
from pathlib import Path

import pytest

from monai_fusion.datalist.building.labels import label_rule
from monai_fusion.datalist.building.participant_ids import read_id_map
from monai_fusion.datalist.building.participants_table import ParticipantsTable, read_participants_table
from monai_fusion.datalist.building.presets import preset, with_our_columns
from monai_fusion.errors import InputError, Problem
from tests.datalist.lines import Like

Write = Callable[[str], Path]
ROWS = [("sub-01", "M", "21"), ("sub-02", "F", "22"), ("sub-03", "M", "23")]
HEADER = ("participant_id", "gender", "age")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def table(text: str) -> Path:
        path = tmp_path / "participants.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return table


def separated(by: str) -> str:
    return "".join(f"{by.join(cells)}\n" for cells in (HEADER, *ROWS))


def problems_of(table: ParticipantsTable) -> list[str]:
    with pytest.raises(InputError) as raised:
        table.by_participant("participant_id", ("gender",), {"participant_id": "--id-column"})
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    "above", ["Study,LEMON,2019\n", "Study,LEMON,LEMON\n\nUnits,none,years\n", "Subject,Sex,Age\n"]
)
def test_a_header_below_lines_as_wide_as_it_is_found_and_the_advice_works(above: str, write: Write) -> None:
    path = write(above + separated(","))
    line = above.count("\n") + 1
    first = ", ".join(f'"{name}"' for name in above.splitlines()[0].split(","))
    assert problems_of(read_participants_table(path)) == [
        Like(
            f'line 1: {first}, expected … names … columns … "participant_id" and "gender": '
            f'line {line} has "participant_id" and "gender": is that the header? Then delete … lines …'
        )
    ]
    kept = "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[line - 1 :])
    assert len(read_participants_table(write(kept)).by_participant("participant_id", ("gender",))) == 3


def test_a_header_with_the_names_of_a_preset_is_found_below_a_title(write: Write) -> None:
    text = "Study,LEMON,2019\n" + separated(",").replace("participant_id", "ID")
    table, _ = with_our_columns(read_participants_table(write(text)), preset("lemon"))
    (problem,) = problems_of(table)
    assert 'line 2 has "ID" and "gender": is that the header?' in problem


def test_a_table_without_a_header_is_reported_as_lacking_it(write: Write) -> None:
    rows = separated(",").partition("\n")[2]
    assert problems_of(read_participants_table(write(rows))) == [
        Like(
            'columns "participant_id" and "gender": not there: is the first line ("sub-01", "M", "21") a row? '
            "Then write … columns … it"
        )
    ]


@pytest.mark.parametrize(
    ("character", "name"), [("|", '"|"'), (" | ", '"|"'), (":", '":"'), ("   ", "space"), (" ", "space")]
)
def test_a_rare_separator_that_all_lines_agree_on_is_read_with_a_note(character: str, name: str, write: Write) -> None:
    path = write(separated(character))
    table = read_participants_table(path)
    assert [tuple(row.values.values()) for row in table.rows] == ROWS
    assert table.columns == HEADER
    assert table.notes == (f"{path}: read as separated by {name}",)


@pytest.mark.parametrize(
    "text", ["participant_id gender\nsub-01 M\nsub-02 F 22\n", "participant_id|gender\nsub-01|M\nsub-02\n"]
)
def test_where_lines_do_not_agree_the_separator_is_not_guessed(text: str, write: Write) -> None:
    header = text.partition("\n")[0]
    assert problems_of(read_participants_table(write(text))) == [
        Like(
            f'columns "participant_id" and "gender": not there: "{header}" … read … column: '
            "separate … commas, semicolons … alike"
        )
    ]


def test_one_column_of_words_is_no_table_of_several(write: Write) -> None:
    table = read_participants_table(write("first name\nAnna Lena\nJo\n"))
    assert (table.columns, table.notes) == (("first name",), ())


def test_whole_lines_in_quotation_marks_are_read_without_them(write: Write) -> None:
    path = write("".join(f'"{line}"\n' for line in separated(",").splitlines()))
    table = read_participants_table(path)
    assert [(row.line, *row.values.values()) for row in table.rows] == [
        (n, *row) for n, row in enumerate(ROWS, start=2)
    ]
    assert table.notes == (Like(f"{path}: every … quotation …: it was read without them"),)


def test_quotation_marks_around_the_header_alone_or_the_rows_alone_are_named(write: Write) -> None:
    header, *rows = separated(",").splitlines()
    with pytest.raises(InputError, match="the whole header is in quotation marks: delete them"):
        read_participants_table(write("\n".join([f'"{header}"', *rows])))
    with pytest.raises(InputError, match=r"line 2: 1 value, .*: the whole line is in quotation marks: delete them"):
        read_participants_table(write("\n".join([header, *(f'"{row}"' for row in rows)])))


@pytest.mark.parametrize("written", ["participant\u200b_id", "participant\ufeff_id", '\ufeff"participant_id"'])
def test_a_sign_that_cannot_be_seen_in_the_name_of_a_column_is_noted_and_read_past(written: str, write: Write) -> None:
    path = write("\ufeff\ufeff" + separated(";").replace("participant_id", written))
    table = read_participants_table(path).with_columns(("participant_id", "gender"))
    assert len(table.by_participant("participant_id", ("gender",))) == 3
    (note,) = table.notes
    assert note.endswith('which differs in invisible characters, or quotes, is taken for "participant_id"')


def test_two_columns_that_look_alike_are_not_chosen_from(write: Write) -> None:
    text = "participant_id,gen\u200bder,gen\ufeffder\nsub-01,M,F\n"
    table = read_participants_table(write(text)).with_columns(("participant_id", "gender"))
    (problem,) = problems_of(table)
    assert problem == (
        r'column "gender": there 2 times, as "gen\u200bder" and "gen\ufeffder", expected once: '
        "they look alike: rename one"
    )
    exact = read_participants_table(write("participant_id,gender,gen\u200bder\nsub-01,M,F\n"))
    assert exact.with_columns(("gender",)).rows[0].values["gender"] == "M"


@pytest.mark.parametrize("nothing", ["n/a", "NA", "NaN", "-", "#N/A"])
def test_a_word_for_a_missing_value_is_no_id(nothing: str, write: Write) -> None:
    table = read_participants_table(write(separated(",").replace("sub-02", nothing)))
    assert problems_of(table) == [f'line 3 participant_id: "{nothing}", expected a participant id']
    path = write(f"one,other\nx1,sub-01\n{nothing},sub-02\nx3,{nothing}\nx4,sub-04\n")
    id_map = read_id_map(path)
    assert id_map.pairs == (("x1", "sub-01"), ("x4", "sub-04"))
    assert id_map.notes == (Like(f'{path}, lines 3, 4: "{nothing}" … not read …'),)


def test_a_title_of_as_many_words_as_the_table_has_columns_makes_no_separator_of_spaces(write: Write) -> None:
    with pytest.raises(InputError, match=r"line 1: 1 value \("):
        read_participants_table(write("Study of 2019\n" + separated(", ")))


def test_lines_in_quotation_marks_that_do_not_agree_are_called_that(write: Write) -> None:
    lines = "".join(f'"{line}"\n' for line in (*separated(",").splitlines(), "sub-04,M"))
    (problem,) = problems_of(read_participants_table(write(lines)))
    assert problem.endswith(
        'the whole line "participant_id,gender,age" is in quotation marks: delete them, in all lines alike'
    )


def test_a_header_in_one_cell_below_a_title_is_shown(write: Write) -> None:
    (problem,) = problems_of(read_participants_table(write("A study\n" + separated(":"))))
    assert '"participant_id:gender:age" is read as one column: separate its cells' in problem
    (problem,) = problems_of(read_participants_table(write("participant_id|gender;age\nsub-01|M;20\n")))
    assert problem.startswith(
        'columns "participant_id" and "gender": not there: "participant_id|gender" is read as one'
    )


def test_a_nul_byte_here_and_there_makes_no_utf_16_of_a_table(write: Write) -> None:
    path = write("")
    path.write_bytes((separated(",") * 2 + "\0sub-04,M,1\n\0").encode()[: 2 * len(separated(",")) + 12])
    with pytest.raises(InputError, match="a NUL byte: this is not text, or it is damaged"):
        read_participants_table(path)


@pytest.mark.parametrize("value", ['="M"', "\u201cM\u201d", "M\u200b", "\uff2d"])
def test_a_label_that_looks_like_a_class_gets_its_name(value: str) -> None:
    problem = label_rule(("M", "F"), (), ()).class_of(value)
    assert isinstance(problem, Problem)
    assert problem.advice == 'did you mean "M"?'
