"""Reads the lists and objects of a text that is almost JSON, character by character, past clear mistakes."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from monai_fusion.datalist.repair.json_cursor import JSON_SPACE, Fault, Level, Stop
from monai_fusion.datalist.repair.json_words import BARE, COLON, CURLY, QUOTE_TROUBLE, STRING, WordReader
from monai_fusion.datalist.repair.text_edits import Edit
from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.wording import quoted

_FIELDS_OF_ROWS = ("participant_id", "label", "eeg", "mri", "fold", "exclude")
_TRIED_AT_ONCE = 4_096  # characters of a row
_NESTED_AT_MOST = 200
_REST_OF_A_LIST = re.compile(r'(?:\s*,\s*"[^"\\\n\r]*")*\s*\]')
_DECIMALS = re.compile(r"(?<=[0-9],)[0-9]+(?=\s*[,}])")
_LIST_GOES_ON = re.compile(r"[ \t\r\n]*[,{\]]")
_PAIRS = {"{": "}", "[": "]"}

TRAILING_COMMA = "trailing comma before {}"
NO_COMMA = "a comma (,) is missing after this"
TOO_MANY = "there is one {} too many: delete it"
DECIMAL_COMMA = "a decimal comma: write {} (or text, in double quotes)"
NO_COLON = "a colon (:) is missing between the field's name and its value"


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


_decode_strictly = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode


class JsonReader(WordReader):
    """Goes through the text character by character; each ``_read_...`` handles one kind of place."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._read = self._read_value

    def read(self) -> list[Fault]:
        """Every fault up to the first at which it is unclear what was meant."""
        try:
            while self._skip_space():
                self._read()
            self._read_end_of_file()
        except Stop:
            pass
        return self.faults

    # ---- what may come

    def _read_value(self) -> None:
        character = self.text[self.at]
        level = self._levels[-1] if self._levels else None
        if self._lacks_its_list(character):
            self._open_a_list(self._levels[-1].name, self._levels[-1].colon)
        elif character in _PAIRS:
            self._read_whole(character)
        elif level is not None and level.bracket == "[" and character in ",]}":
            self._read_no_element(character)
        elif character in ",:]}":
            self._stop(self.at, f"a value is missing before {quoted(character)} (write null for no value)")
        elif character in "\"'" or character in CURLY:
            if level is not None and level.bracket == "[":
                self._expect_no_name()
            self._read_string()
            self._after_value()
        else:
            self._read_bare_value()
            self._after_value()

    def _lacks_its_list(self, character: str) -> bool:
        """Whether rows, or the end of a list, follow a part's name at once: its opening bracket was deleted."""
        return len(self._levels) == 1 and self._levels[0].name in SECTIONS and character in "{]"

    def _open_a_list(self, name: str, colon: int) -> None:
        cause = f"{quoted('[')} is missing after {quoted(name)}:"
        self.faults.append(Fault(colon, cause, (Edit(colon + 1, colon + 1, " ["),), safe=False, in_line=False))
        self._levels.append(Level("[", colon, name))
        self._read = self._read_value

    def _read_no_element(self, character: str) -> None:
        if character == ",":
            self._too_many(self.at, character)
        elif character == "]":
            self._drop_comma_before(character)
            self._close()
        else:
            self._wrong_bracket(character)

    def _expect_no_name(self) -> None:
        """A field in a list: the list should have ended before, or the object of the field should have begun."""
        name = STRING.match(self.text, self.at)
        if name and COLON.match(self.text, name.end()):
            if name.group(1) in _FIELDS_OF_ROWS:
                self._stop(self.at, f"{quoted('{')} is missing before this")
            self._stop(self.at, f"{quoted(']')} is missing before this ({self._open()})")

    def _read_name(self) -> None:
        character = self.text[self.at]
        if character == "}":
            self._drop_comma_before(character)
            self._close()
        elif character == ",":
            self._too_many(self.at, character)
        elif character == "]":
            self._wrong_bracket(character)
        elif character in "{[":
            self._stop(self._end - 1, f"a closing bracket {quoted('}')} is missing after this")
        elif character == ":":
            self._stop(self.at, "the name of the field is missing before the colon")
        elif character in "\"'" or character in CURLY:
            start = self.at
            self._levels[-1].before, self._levels[-1].name = self._levels[-1].name, ""
            self._read_string()
            self._levels[-1].name = self.text[start + 1 : self._end - 1]
            self._read = self._read_colon
        elif decimals := _DECIMALS.match(self.text, self.at):
            whole = re.findall(r"-?[0-9]+", self.text[self._levels[-1].colon : self._comma])[-1]
            cause = DECIMAL_COMMA.format(f"{whole}.{decimals.group()}")
            self._fault(self._comma, cause, Edit(self._comma, self._comma + 1, "."), safe=False)
            self._take(len(decimals.group()))
            self._after_value()
        else:
            self._read_bare_name()
            self._read = self._read_colon

    def _read_colon(self) -> None:
        character = self.text[self.at]
        level = self._levels[-1]
        if character == ":":
            level.colon = self.at
            self._take(1)
        elif character in ",]" and level.before and _REST_OF_A_LIST.match(self.text, self.at):
            cause = f"{quoted('[')} is missing after {quoted(level.before)}:"
            self.faults.append(Fault(level.colon, cause, in_line=False))
            raise Stop
        elif character == "=":
            level.colon = self.at
            self._fault(self.at, "JSON needs a colon (:) here", Edit(self.at, self.at + 1, ":"))
            self._take(1)
        elif character in ",]}":
            self._stop(self._end - 1, "a colon (:) and a value are missing after this")
        elif self.at == self._end:
            self._stop(self.at, QUOTE_TROUBLE)
        else:
            level.colon = self._end - 1
            self._fault(self.at, NO_COLON, Edit(self._end, self._end, ":"))
        self._read = self._read_value

    def _read_comma(self) -> None:
        character = self.text[self.at]
        quote_within = self.at == self._end and self.text[self._end - 1] == '"' and character not in "{["
        if character in ",;":
            if character == ";":
                self._fault(self.at, "JSON needs a comma (,) here", Edit(self.at, self.at + 1, ","))
            self._comma = self.at
            self._take(1)
            self._read = self._read_name if self._levels[-1].bracket == "{" else self._read_value
        elif character in "]}":
            if self._ends_a_row_again(character):
                self._fault(self.at, TOO_MANY.format(quoted(character)), Edit(self.at, self.at + 1, ""), safe=False)
                self._take(1)
                return
            if character != _PAIRS[self._levels[-1].bracket]:
                self._wrong_bracket(character)
            self._close()
        elif character in ":=" or self._bare or quote_within:
            self._stop(self.at, QUOTE_TROUBLE)
        else:
            self._read_without_comma(character)

    def _ends_a_row_again(self, character: str) -> bool:
        """Whether a row has its closing bracket twice: its list goes on, or ends, behind it."""
        in_list = self._levels[-1].bracket == "["
        twice = character == self.text[self._end - 1] == "}"
        return in_list and twice and _LIST_GOES_ON.match(self.text, self.at + 1) is not None

    def _read_without_comma(self, character: str) -> None:
        in_list = self._levels[-1].bracket == "["
        string = STRING.match(self.text, self.at)
        if not in_list and character == "{":
            self._stop(self._end - 1, f"a closing bracket {quoted('}')} is missing after this")
        if in_list:
            self._expect_no_name()
            next_begins = character in "{[" or string is not None or BARE.match(self.text, self.at) is not None
        else:
            next_begins = string is not None and COLON.match(self.text, string.end()) is not None
        if not next_begins:
            self._stop(self.at, QUOTE_TROUBLE)
        self._fault(max(self._end - 1, 0), NO_COMMA, Edit(self._end, self._end, ","))
        self._read = self._read_value if in_list else self._read_name

    def _read_after_end(self) -> None:
        character = self.text[self.at]
        rest = self.text[self.at :].strip(JSON_SPACE + ",")
        if character == "," and not rest:
            self._fault(self.at, "trailing comma at the end", Edit(self.at, self.at + 1, ""))
            self._take(1)
        elif character in "]}":
            self._stop(self.at, "extra closing bracket, or an opening one is missing before it")
        else:
            self._stop(self.at, "there is text after the end of the datalist")

    def _read_end_of_file(self) -> None:
        if not self._end:
            self._stop(0, "the file is empty")
        if self._levels:
            missing = "".join(_PAIRS[level.bracket] for level in reversed(self._levels))
            closing = quoted(f"{missing[:10]} ..." if len(missing) > 10 else missing)
            self._stop(self._end - 1, f"the file ends too early: {closing} is missing ({self._open()})")

    # ---- lists and objects

    def _read_whole(self, character: str) -> None:
        """A list or an object: at one go if it is right and ends in this line, as rows do, else step by step."""
        end = self._line_end(at_most=self.at + _TRIED_AT_ONCE)
        try:
            # Of a slice, because an error of the decoder counts the lines from the beginning of what it was given.
            _, length = _decode_strictly(self.text[self.at : end])
        except (ValueError, RecursionError):
            self._levels.append(
                Level(character, self.at, self._levels[-1].name if self._levels and character == "[" else "")
            )
            if len(self._levels) > _NESTED_AT_MOST:
                self._stop(self._levels[0].at, "lists or objects are nested hundreds deep here: this is not a datalist")
            self._take(1)
            self._read = self._read_name if character == "{" else self._read_value
        else:
            self._take(length)
            self._after_value()

    def _after_value(self) -> None:
        self._read = self._read_comma if self._levels else self._read_after_end

    def _close(self) -> None:
        self._levels.pop()
        self._take(1)
        self._after_value()

    def _drop_comma_before(self, character: str) -> None:
        if self._comma >= 0:
            self._fault(self._comma, TRAILING_COMMA.format(quoted(character)), Edit(self._comma, self._comma + 1, ""))

    def _too_many(self, at: int, character: str) -> None:
        self._fault(at, "extra comma", Edit(at, at + 1, ""))
        before = self._comma
        self._take(1)
        self._comma = before

    def _wrong_bracket(self, character: str) -> NoReturn:
        closing = quoted(_PAIRS[self._levels[-1].bracket])
        self._stop(self.at, f"{closing} is missing before this {quoted(character)} ({self._open()})")

    def _open(self) -> str:
        level = self._levels[-1]
        return f"the {quoted(level.bracket)} of line {self.text.count(chr(10), 0, level.at) + 1} is still open"
