"""Reads text that is almost JSON, and says of every fault where it is, what it probably is, and what would mend it.

Python's reader stops at the first fault with a message for programmers. This one knows the mistakes of people who edit
a file by hand, goes on behind each as if it were not there, and stops only where it cannot tell what was meant. It is
used only on files that ``json.loads`` refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from monai_fusion.datalist.schema import SECTIONS
from monai_fusion.datalist.text_edits import PATH_FIELDS, Edit, path_edits, with_edits
from monai_fusion.datalist.wording import quoted

_FIELDS_OF_ROWS = ("participant_id", "label", "eeg", "mri", "fold", "exclude")

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_TRIED_AT_ONCE = 4_096  # signs of a row
_NESTED_AT_MOST = 200
_DIGITS_AT_MOST = 4_000  # Python refuses whole numbers of more than 4,300
_STRING = re.compile(r'"((?:[^"\\\n\r]|\\[^\n\r])*)"')
_SINGLE_QUOTED = re.compile(r"'([^'\"\\\n\r]*)'(?=\s*(?:[,:\]}]|$))")
# As escapes, because the eye takes them for plain quotes: “ ” „ ‟ « » ‘ ’ ‚ ` ´ in this order.
_CURLY = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a`\u00b4"
_BEFORE_SIGN = r"(?=\s*(?:[,:\]}]|$))"
_CURLY_QUOTED = re.compile(rf"[{_CURLY}]([^\"\\\n\r{_CURLY}]*)[\"{_CURLY}]{_BEFORE_SIGN}")
_CURLY_END = re.compile(rf"[\u201c\u201d]{_BEFORE_SIGN}")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_BARE = re.compile(rf"[^\s,:;=\[\]{{}}\"'{_CURLY}]+")
_COMMENT = re.compile(r"//[^\n\r]*|#[^\n\r]*|/\*.*?\*/", re.DOTALL)
_SIGN_OR_END = re.compile(r"\s*(?:[,:\]}]|$)")
_COLON = re.compile(r"\s*[:=]")
_REST_OF_A_LIST = re.compile(r'(?:\s*,\s*"[^"\\\n\r]*")*\s*\]')
_LINE_END = re.compile(r"[\n\r]")
_JSON_SPACE = " \t\r\n"
_ODD_SPACE = re.compile(r"[^\S \t\r\n]+|[\u200b\u200c\u200d\u2060\ufeff]+")
_CONSTANTS = {"true": "true", "false": "false", "none": "null", "null": "null", "nan": "null", "undefined": "null"}
_PAIRS = {"{": "}", "[": "]"}

TRAILING_COMMA = "there is a comma too many before {}"
COMMENT = 'JSON has no comments: delete it (to leave a participant out, write "exclude": "the reason" in the row)'
BACKSLASH = r"a backslash must be written twice (\\), or better as / (also on Windows)"
BACKSLASH_AT_END = r"a single \ before the closing quote hides it: write / (also on Windows)"
SINGLE_QUOTES = "names and text stand between double quotes: \" instead of '"
CURLY_QUOTES = 'this is not the plain double quote " (word processors and web pages curl it): write "'
NO_CLOSING_QUOTE = 'the text that begins here has no closing double quote (")'
QUOTE_TROUBLE = 'a double quote (") is missing, or there is one too many, or a comma is missing before this'
NO_COMMA = "a comma (,) is missing after this"
NO_COLON = "a colon (:) is missing between the field's name and its value"


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where the text is not JSON.

    Attributes:
        at: Index of the sign that a caret points to.
        cause: What it probably is, and what to do, in words.
        edits: What makes JSON of it; none where the reader could not go on.
        safe: Whether the edits change nothing of what the file says, so that a program may make them.
        in_line: Whether the column says more than the line.
    """

    at: int
    cause: str
    edits: tuple[Edit, ...] = ()
    safe: bool = True
    in_line: bool = True


def find_faults(text: str) -> list[Fault]:
    """Every fault of a text, up to the first at which it cannot be told what was meant; empty if it is JSON."""
    return _Reader(text).read()


def mended(text: str, faults: Sequence[Fault], *, only_safe: bool = False) -> str:
    """The text with the faults' edits made; lines keep their numbers."""
    edits = [edit for fault in faults if fault.safe or not only_safe for edit in fault.edits]
    return with_edits(text, edits)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


_decode_strictly = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode


class _Stop(Exception):  # noqa: N818 - it ends the reading, it is no error of the program
    """It cannot be told what was meant: the last fault is without edits."""


@dataclass(slots=True)
class _Level:
    bracket: str
    at: int
    name: str = ""  # of the field whose value is being read; lists inherit it
    colon: int = -1  # where the colon before the value that was read last stands
    before: str = ""  # the name of the field before that one


class _Reader:
    """Goes through the text sign by sign; each ``_read_...`` deals with what may stand at one kind of place."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.faults: list[Fault] = []
        self._levels: list[_Level] = []
        self._end = 0  # of what was read last
        self._comma = -1  # the comma that was read last, if nothing came after it yet
        self._bare = False  # whether what was read last is a word without quotes
        self._read = self._read_value

    def read(self) -> list[Fault]:
        try:
            while self._skip_space():
                self._read()
            self._read_end_of_file()
        except _Stop:
            pass
        return self.faults

    # ---- what may come

    def _read_value(self) -> None:
        sign = self.text[self.at]
        level = self._levels[-1] if self._levels else None
        if self._lacks_its_list(sign):
            self._open_a_list(self._levels[-1].name, self._levels[-1].colon)
        elif sign in _PAIRS:
            self._read_whole(sign)
        elif level is not None and level.bracket == "[" and sign in ",]}":
            self._read_no_element(sign)
        elif sign in ",:]}":
            self._stop(self.at, f"a value is missing before {quoted(sign)} (null stands for no value)")
        elif sign in "\"'" or sign in _CURLY:
            if level is not None and level.bracket == "[":
                self._expect_no_name()
            self._read_string()
            self._after_value()
        else:
            self._read_bare_value()

    def _lacks_its_list(self, sign: str) -> bool:
        """Whether rows, or the end of a list, follow a part's name at once: its opening bracket was deleted."""
        return len(self._levels) == 1 and self._levels[0].name in SECTIONS and sign in "{]"

    def _open_a_list(self, name: str, colon: int) -> None:
        cause = f"{quoted('[')} is missing after {quoted(name)}:"
        self.faults.append(Fault(colon, cause, (Edit(colon + 1, colon + 1, " ["),), safe=False, in_line=False))
        self._levels.append(_Level("[", colon, name))
        self._read = self._read_value

    def _read_no_element(self, sign: str) -> None:
        if sign == ",":
            self._too_many(self.at, sign)
        elif sign == "]":
            self._drop_comma_before(sign)
            self._close()
        else:
            self._wrong_bracket(sign)

    def _expect_no_name(self) -> None:
        """A field in a list: the list should have ended before, or the object of the field should have begun."""
        name = _STRING.match(self.text, self.at)
        if name and _COLON.match(self.text, name.end()):
            if name.group(1) in _FIELDS_OF_ROWS:
                self._stop(self.at, f"{quoted('{')} is missing before this")
            self._stop(self.at, f"{quoted(']')} is missing before this ({self._open()})")

    def _read_name(self) -> None:
        sign = self.text[self.at]
        if sign == "}":
            self._drop_comma_before(sign)
            self._close()
        elif sign == ",":
            self._too_many(self.at, sign)
        elif sign == "]":
            self._wrong_bracket(sign)
        elif sign in "{[":
            self._stop(self._end - 1, f"a closing bracket {quoted('}')} is missing after this")
        elif sign == ":":
            self._stop(self.at, "the name of the field is missing before the colon")
        elif sign in "\"'" or sign in _CURLY:
            start = self.at
            self._levels[-1].before, self._levels[-1].name = self._levels[-1].name, ""
            self._read_string()
            self._levels[-1].name = self.text[start + 1 : self._end - 1]
            self._read = self._read_colon
        else:
            self._read_bare_name()

    def _read_colon(self) -> None:
        sign = self.text[self.at]
        level = self._levels[-1]
        if sign == ":":
            level.colon = self.at
            self._take(1)
        elif sign in ",]" and level.before and _REST_OF_A_LIST.match(self.text, self.at):
            cause = f"{quoted('[')} is missing after {quoted(level.before)}:"
            self.faults.append(Fault(level.colon, cause, in_line=False))
            raise _Stop
        elif sign == "=":
            level.colon = self.at
            self._fault(self.at, "a colon (:) stands here in JSON", Edit(self.at, self.at + 1, ":"))
            self._take(1)
        elif sign in ",]}":
            self._stop(self._end - 1, "a colon (:) and a value are missing after this")
        elif self.at == self._end:
            self._stop(self.at, QUOTE_TROUBLE)
        else:
            level.colon = self._end - 1
            self._fault(self.at, NO_COLON, Edit(self._end, self._end, ":"))
        self._read = self._read_value

    def _read_comma(self) -> None:
        sign = self.text[self.at]
        quote_within = self.at == self._end and self.text[self._end - 1] == '"' and sign not in "{["
        if sign in ",;":
            if sign == ";":
                self._fault(self.at, "a comma (,) stands here in JSON", Edit(self.at, self.at + 1, ","))
            self._comma = self.at
            self._take(1)
            self._read = self._read_name if self._levels[-1].bracket == "{" else self._read_value
        elif sign in "]}":
            if sign != _PAIRS[self._levels[-1].bracket]:
                self._wrong_bracket(sign)
            self._close()
        elif sign in ":=" or self._bare or quote_within:
            self._stop(self.at, QUOTE_TROUBLE)
        else:
            self._read_without_comma(sign)

    def _read_without_comma(self, sign: str) -> None:
        in_list = self._levels[-1].bracket == "["
        string = _STRING.match(self.text, self.at)
        if not in_list and sign == "{":
            self._stop(self._end - 1, f"a closing bracket {quoted('}')} is missing after this")
        if in_list:
            self._expect_no_name()
            next_begins = sign in "{[" or string is not None or _BARE.match(self.text, self.at) is not None
        else:
            next_begins = string is not None and _COLON.match(self.text, string.end()) is not None
        if not next_begins:
            self._stop(self.at, QUOTE_TROUBLE)
        self._fault(max(self._end - 1, 0), NO_COMMA, Edit(self._end, self._end, ","))
        self._read = self._read_value if in_list else self._read_name

    def _read_after_end(self) -> None:
        sign = self.text[self.at]
        rest = self.text[self.at :].strip(_JSON_SPACE + ",")
        if sign == "," and not rest:
            self._fault(self.at, "there is a comma too many at the end", Edit(self.at, self.at + 1, ""))
            self._take(1)
        elif sign in "]}":
            self._stop(self.at, "there is a closing bracket too many, or an opening one is missing before it")
        else:
            self._stop(self.at, "there is text after the end of the datalist")

    def _read_end_of_file(self) -> None:
        if not self._end:
            self._stop(0, "the file is empty")
        if self._levels:
            missing = "".join(_PAIRS[level.bracket] for level in reversed(self._levels))
            closing = quoted(f"{missing[:10]} ..." if len(missing) > 10 else missing)
            self._stop(self._end - 1, f"the file ends too early: {closing} is missing ({self._open()})")

    # ---- the parts

    def _read_whole(self, sign: str) -> None:
        """A list or an object: at one go if it is right and ends in this line, as rows do, else step by step."""
        end = self._line_end(at_most=self.at + _TRIED_AT_ONCE)
        try:
            # Of a slice, because an error of the decoder counts the lines from the beginning of what it was given.
            _, length = _decode_strictly(self.text[self.at : end])
        except (ValueError, RecursionError):
            self._levels.append(_Level(sign, self.at, self._levels[-1].name if self._levels and sign == "[" else ""))
            if len(self._levels) > _NESTED_AT_MOST:
                self._stop(self._levels[0].at, "lists or objects are nested hundreds deep here: this is no datalist")
            self._take(1)
            self._read = self._read_name if sign == "{" else self._read_value
        else:
            self._take(length)
            self._after_value()

    def _read_string(self) -> None:
        is_path = bool(self._levels) and self._levels[-1].name in PATH_FIELDS
        sign = self.text[self.at]
        if sign != '"':
            self._read_wrongly_quoted(sign)
            return
        match = _STRING.match(self.text, self.at)
        hidden = self.text.find('\\"', self.at, match.end() if match else self._line_end())
        if is_path and hidden >= 0 and self.text[hidden - 1] != "\\":
            edits = path_edits(self.text, self.at, hidden + 2)
            self._fault(hidden, BACKSLASH_AT_END, *edits)
            self._take(hidden + 2 - self.at)
            return
        if match is None:
            curly = _CURLY_END.search(self.text, self.at + 1, self._line_end())
            self._stop(curly.start() if curly else self.at, CURLY_QUOTES if curly else NO_CLOSING_QUOTE)
        curly = _CURLY_END.search(self.text, self.at + 1, match.end())
        if curly and not _SIGN_OR_END.match(self.text, match.end()):
            self._fault(curly.start(), CURLY_QUOTES, Edit(curly.start(), curly.end(), '"'))
            self._take(curly.end() - self.at)
            return
        self._check_letters(match, is_path)
        self._take(match.end() - self.at)

    def _read_wrongly_quoted(self, sign: str) -> None:
        pattern, cause = (_SINGLE_QUOTED, SINGLE_QUOTES) if sign == "'" else (_CURLY_QUOTED, CURLY_QUOTES)
        match = pattern.match(self.text, self.at)
        if match is None:
            self._stop(self.at, cause)
        last = match.end() - 1
        edits = [Edit(self.at, self.at + 1, '"'), Edit(last, last + 1, '"')]
        edits += [
            Edit(index, index + 1, " ") for index in range(self.at + 1, last) if self.text[index] < " "
        ]  # a tab; rare enough
        self._fault(self.at, cause, *edits)
        self._take(match.end() - self.at)

    def _check_letters(self, match: re.Match[str], is_path: bool) -> None:
        """Backslashes that begin no sign of JSON, and control characters, inside a string."""
        start = match.start(1)
        escapes = [(start + found.start(), found.group(1)) for found in _ESCAPE.finditer(match.group(1))]
        wrong = [at for at, sign in escapes if sign[0] not in '"\\/bfnrtu' or sign == "u"]
        if wrong and is_path:
            self._fault(wrong[0], BACKSLASH, *path_edits(self.text, match.start(), match.end()))
            escapes = []
        elif wrong:
            # Next to a wrong backslash, one that begins a sign (\n) may be a folder's as well.
            safe = all(at in wrong or sign in ('"', "\\", "/") for at, sign in escapes)
            self._fault(wrong[0], BACKSLASH, *(Edit(at, at, "\\") for at in wrong), safe=safe)
        for found in re.finditer(r"[\x00-\x1f]", match.group(1)):
            at = start + found.start()
            name = "a tab" if found.group() == "\t" else "a control character"
            escaped = json.dumps(found.group())[1:-1]
            self._fault(at, f"{name} inside a text: delete it, or write it as {escaped}", Edit(at, at + 1, escaped))

    def _read_bare_value(self) -> None:
        word = self._word()
        start, end = self.at, self.at + len(word)
        if _NUMBER.fullmatch(word):
            if len(word) > _DIGITS_AT_MOST:
                self._stop(start, "a number of thousands of digits: this is no datalist")
        elif word.casefold() in _CONSTANTS:
            right = _CONSTANTS[word.casefold()]
            if word.casefold() in ("nan", "undefined"):
                self._fault(start, f"{word} is not JSON: write null where there is no value", Edit(start, end, right))
            elif word != right:
                self._fault(start, "JSON writes true, false and null", Edit(start, end, right))
        elif word.lstrip("+-").casefold() in ("infinity", "inf"):
            cause = f"{word} is not JSON: write null where there is no value"
            self._fault(start, cause, Edit(start, end, "null"), safe=False)
        else:
            isnumber = re.fullmatch(r"[+-]?[0-9.]+", word)
            cause = "a number is not written so in JSON" if isnumber else "text stands between double quotes"
            cause += f": {quoted(word)}, with the quotes"
            self._fault(start, cause, Edit(start, end, json.dumps(word, ensure_ascii=False)), safe=False)
        self._take(len(word))
        self._after_value()
        self._bare = not (_NUMBER.fullmatch(word) or word.casefold() in _CONSTANTS)

    def _read_bare_name(self) -> None:
        word = self._word()
        start, end = self.at, self.at + len(word)
        if not _COLON.match(self.text, end):
            self._stop(start, QUOTE_TROUBLE if self._comma < 0 else "a field's name in double quotes is expected here")
        cause = f"a field's name stands between double quotes: {quoted(word)}"
        self._fault(start, cause, Edit(start, end, json.dumps(word, ensure_ascii=False)))
        self._take(len(word))
        self._levels[-1].name = word
        self._read = self._read_colon

    def _word(self) -> str:
        match = _BARE.match(self.text, self.at)
        if match is None:
            self._stop(self.at, f"{quoted(self.text[self.at])} cannot stand here")
        return match.group()

    # ---- steps

    def _skip_space(self) -> bool:
        """Go on to the next sign that counts; ``False`` at the end of the file."""
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign in _JSON_SPACE:
                self.at += 1
            elif comment := (_COMMENT.match(self.text, self.at) if sign in "/#" else None):
                kept = re.sub(r"[^\n\r]", "", comment.group())
                self._fault(self.at, COMMENT, Edit(self.at, comment.end(), kept), safe=False)
                self.at = comment.end()
            elif space := (_ODD_SPACE.match(self.text, self.at) if sign > "~" or sign < " " else None):
                cause = "a space that is not the plain one (often copied from a web page): write a plain space"
                self._fault(self.at, cause, Edit(self.at, space.end(), " "))
                self.at = space.end()
            else:
                return True
        return False

    def _take(self, length: int) -> None:
        self.at += length
        self._end = self.at
        self._bare = False
        if self.text[self.at - 1] not in ",;":
            self._comma = -1

    def _after_value(self) -> None:
        self._read = self._read_comma if self._levels else self._read_after_end

    def _close(self) -> None:
        self._levels.pop()
        self._take(1)
        self._after_value()

    def _drop_comma_before(self, sign: str) -> None:
        if self._comma >= 0:
            self._fault(self._comma, TRAILING_COMMA.format(quoted(sign)), Edit(self._comma, self._comma + 1, ""))

    def _too_many(self, at: int, sign: str) -> None:
        self._fault(at, "there is a comma too many", Edit(at, at + 1, ""))
        before = self._comma
        self._take(1)
        self._comma = before

    def _wrong_bracket(self, sign: str) -> NoReturn:
        closing = quoted(_PAIRS[self._levels[-1].bracket])
        self._stop(self.at, f"{closing} is missing before this {quoted(sign)} ({self._open()})")

    def _open(self) -> str:
        level = self._levels[-1]
        return f"the {quoted(level.bracket)} of line {self.text.count(chr(10), 0, level.at) + 1} is still open"

    def _line_end(self, at_most: int | None = None) -> int:
        last = len(self.text) if at_most is None else min(at_most, len(self.text))
        match = _LINE_END.search(self.text, self.at, last)
        return match.start() if match else last

    def _fault(self, at: int, cause: str, *edits: Edit, safe: bool = True) -> None:
        self.faults.append(Fault(at, cause, edits, safe))

    def _stop(self, at: int, cause: str) -> NoReturn:
        self._fault(at, cause)
        raise _Stop
