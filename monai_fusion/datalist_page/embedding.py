"""What stands between tags: JSON that cannot end its element, and scripts and styles with their digests."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

_ENDS_ELEMENTS = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
"""What could begin a tag or end a line of a script, and halves of characters, which no file can hold."""


def json_for_html(value: Any) -> str:
    """Return a value as JSON that may stand in ``<script type="application/json">``: no ``<`` is left in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _ENDS_ELEMENTS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def digest_for_policy(text: str) -> str:
    """Return the source expression of a Content-Security-Policy that lets exactly this script or style through."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
