"""Reads the words of a text that is almost JSON: strings with whatever quotes, numbers, and words without any."""

from __future__ import annotations

import json
import re

from monai_fusion.datalist.repair.json_cursor import Cursor
from monai_fusion.datalist.repair.text_edits import PATH_FIELDS, Edit, path_edits
from monai_fusion.wording import quoted

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DIGITS_AT_MOST = 4_000  # Python refuses whole numbers of more than 4,300
STRING = re.compile(r'"((?:[^"\\\n\r]|\\[^\n\r])*)"')
_CHARACTER_OR_END = re.compile(r"\s*(?:[,:\]}]|$)")
_BEFORE_SIGN = rf"(?={_CHARACTER_OR_END.pattern})"
_SINGLE_QUOTED = re.compile(rf"'([^'\"\\\n\r]*)'{_BEFORE_SIGN}")
# As escapes, because the eye takes them for plain quotes: “ ” „ ‟ « » ‘ ’ ‚ ` ´ in this order.
CURLY = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a`\u00b4"
_CURLY_QUOTED = re.compile(rf"[{CURLY}]([^\"\\\n\r{CURLY}]*)[\"{CURLY}]{_BEFORE_SIGN}")
_CURLY_END = re.compile(rf"[\u201c\u201d]{_BEFORE_SIGN}")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
BARE = re.compile(rf"[^\s,:;=\[\]{{}}\"'{CURLY}]+")
COLON = re.compile(r"\s*[:=]")
_CONSTANTS = {"true": "true", "false": "false", "none": "null", "null": "null", "nan": "null", "undefined": "null"}

BACKSLASH = r"a backslash must be written twice (\\), or better as / (also on Windows)"
BACKSLASH_AT_END = r"a single \ before the closing quote hides it: write / (also on Windows)"
SINGLE_QUOTES = "names and text need double quotes: \" instead of '"
CURLY_QUOTES = 'this is not the plain double quote " (word processors and web pages curl it): write "'
NO_CLOSING_QUOTE = 'the text that begins here has no closing double quote (")'
QUOTE_TROUBLE = 'a double quote (") is missing, or there is an extra one, or a comma is missing before this'


class WordReader(Cursor):
    """Reads one word from the current place, and notes what is wrong in it."""

    def _read_string(self) -> None:
        is_path = bool(self._levels) and self._levels[-1].name in PATH_FIELDS
        character = self.text[self.at]
        if character != '"':
            self._read_wrongly_quoted(character)
            return
        match = STRING.match(self.text, self.at)
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
        if curly and not _CHARACTER_OR_END.match(self.text, match.end()):
            self._fault(curly.start(), CURLY_QUOTES, Edit(curly.start(), curly.end(), '"'))
            self._take(curly.end() - self.at)
            return
        self._check_letters(match, is_path)
        self._take(match.end() - self.at)

    def _read_wrongly_quoted(self, character: str) -> None:
        pattern, cause = (_SINGLE_QUOTED, SINGLE_QUOTES) if character == "'" else (_CURLY_QUOTED, CURLY_QUOTES)
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
        """Backslashes that begin no character of JSON, and control characters, inside a string."""
        start = match.start(1)
        escapes = [(start + found.start(), found.group(1)) for found in _ESCAPE.finditer(match.group(1))]
        wrong = [at for at, character in escapes if character[0] not in '"\\/bfnrtu' or character == "u"]
        if wrong and is_path:
            self._fault(wrong[0], BACKSLASH, *path_edits(self.text, match.start(), match.end()))
            escapes = []
        elif wrong:
            # Next to a wrong backslash, one that begins a character (\n) may be a folder's as well.
            safe = all(at in wrong or character in ('"', "\\", "/") for at, character in escapes)
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
                self._stop(start, "a number of thousands of digits: this is not a datalist")
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
            cause = "this is not a number in JSON" if isnumber else "text needs double quotes"
            cause += f": {quoted(word)}, with the quotes"
            self._fault(start, cause, Edit(start, end, json.dumps(word, ensure_ascii=False)), safe=False)
        self._take(len(word))
        self._bare = not (_NUMBER.fullmatch(word) or word.casefold() in _CONSTANTS)

    def _read_bare_name(self) -> None:
        word = self._word()
        start, end = self.at, self.at + len(word)
        if not COLON.match(self.text, end):
            self._stop(start, QUOTE_TROUBLE if self._comma < 0 else "a field's name in double quotes is expected here")
        cause = f"a field's name needs double quotes: {quoted(word)}"
        self._fault(start, cause, Edit(start, end, json.dumps(word, ensure_ascii=False)))
        self._take(len(word))
        self._levels[-1].name = word

    def _word(self) -> str:
        match = BARE.match(self.text, self.at)
        if match is None:
            self._stop(self.at, f"{quoted(self.text[self.at])} is not allowed here")
        return match.group()
