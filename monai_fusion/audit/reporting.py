"""Items of TRIPOD+AI (Collins et al., BMJ 2024) and CLAIM (Tejani et al., Radiology: AI 2024), filled from the files.

``items.yaml`` holds them: the topic in this program's words, the facts that answer it, and what is left to the author.
An item is filled only if the files hold every fact that it asks for and nothing is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from monai_fusion.audit.audit_file import Fact, Item

ITEMS_FILE = Path(__file__).with_name("items.yaml")


class AskedItem(BaseModel):
    """One item as ``items.yaml`` has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item: str
    topic: str
    facts: Annotated[tuple[str, ...], Field(description="Names of facts; none: the author writes it.")] = ()
    author: Annotated[str, Field(description="What the author must write in any case.")] = ""
    otherwise: Annotated[str, Field(description="What to write if a fact is missing.")] = ""


class Guideline(BaseModel):
    """A guideline and its items."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    reference: str
    items: tuple[AskedItem, ...]


@cache
def guidelines() -> tuple[Guideline, ...]:
    """The guidelines of ``items.yaml``."""
    content = yaml.safe_load(ITEMS_FILE.read_text(encoding="utf-8"))
    return tuple(Guideline.model_validate(each) for each in content)


def items_of(facts: Mapping[str, Fact]) -> list[Item]:
    """Every item with the facts that answer it."""
    return [_filled(guideline.name, asked, facts) for guideline in guidelines() for asked in guideline.items]


def _filled(guideline: str, asked: AskedItem, facts: Mapping[str, Fact]) -> Item:
    found = [facts[name] for name in asked.facts if name in facts]
    missing = len(found) < len(asked.facts)
    wanted = "; ".join(text for text in (asked.author, asked.otherwise if missing else "") if text)
    if not found:
        return Item(
            guideline=guideline,
            item=asked.item,
            topic=asked.topic,
            status="author",
            facts=[],
            wanted=wanted or asked.topic,
        )
    return Item(
        guideline=guideline,
        item=asked.item,
        topic=asked.topic,
        status="partly" if wanted else "filled",
        facts=found,
        wanted=wanted,
    )
