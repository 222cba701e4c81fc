"""Three lengths in one option."""

from __future__ import annotations

import re

from monai_fusion.errors import InputError, Problem


def three_lengths(text: str, option: str) -> list[int]:
    """``128,128,128`` or ``[128, 128, 128]`` as three numbers."""
    numbers = re.findall(r"\d+", text)
    if len(numbers) != 3 or re.sub(r"[\d\s,\[\]()]", "", text):
        raise InputError(Problem(option, seen=repr(text), wanted="three lengths, such as 128,128,128"))
    return [int(number) for number in numbers]
