"""How threads of arithmetic wait for one another, which decides what a busy machine costs.

OpenMP reads its variables once, when torch is imported: this must be called before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""With one of these a user decides."""
# GNU's OpenMP, which torch brings on Linux, lets a thread that has finished its part turn in a loop until the others
# have, for about 300,000 turns. On a busy machine the others may not be running, and it takes the core that they need.
# 10,000 turns cost an idle machine nothing (to sleep at once, as PASSIVE does, costs it 10 %), and a busy one 1.26
# times as much as to sleep at once: docs/performance.md.
TURNS = "10000"


def wait_asleep(environment: MutableMapping[str, str] = os.environ, platform: str = sys.platform) -> None:
    """Let threads that wait soon fall asleep, in this process and its children, unless the user has chosen.

    How many threads there are, and with them the last digits of results, stays the same.

    Args:
        environment: What is changed.
        platform: As in `sys.platform`; only Linux's OpenMP is told, where it was measured.
    """
    if platform == "linux" and not any(name in environment for name in VARIABLES):
        environment["GOMP_SPINCOUNT"] = TURNS
