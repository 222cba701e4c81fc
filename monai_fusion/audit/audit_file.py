"""``audit.json`` as pydantic models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["right", "note", "unknown", "wrong"]
"""``wrong`` alone makes the audit fail; ``unknown`` is what the files do not tell."""
ItemStatus = Literal["filled", "partly", "author"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Check(_Part):
    """One question to the run and its answer."""

    name: Annotated[str, Field(description="The question, in a few words.")]
    status: Annotated[Status, Field(description="right, note (tell it in the paper), unknown or wrong.")]
    seen: Annotated[str, Field(description="What the files show.")]
    advice: Annotated[str, Field(description="What to do; empty if there is nothing to do.")] = ""
    source: Annotated[str, Field(description="The files that show it.")] = ""


class Fact(_Part):
    """Something that the files say, and where."""

    name: str
    value: str
    source: str


class Evaluation(_Part):
    """One evaluation of the model, from ``evaluations`` of manifest.json."""

    time: str
    section: Annotated[str, Field(description="The part that was scored.")]
    participants: int
    datalist: Annotated[str, Field(description="trained: the datalist of the training; else: its digest.")]
    settings: Annotated[str, Field(description="Settings that differ from the default; empty if none does.")]
    settings_digest: str


class FlowRow(_Part):
    """How many participants of one part got how far; null where the files do not say."""

    part: str
    listed: int
    excluded: int
    used: Annotated[int | None, Field(description="By the training, from manifest.json.")]
    scored: Annotated[int | None, Field(description="In metrics.json.")]


class LeftOut(_Part):
    """Participants of one part with the same reason in ``exclude``."""

    part: str
    reason: str
    participants: int


class Characteristic(_Part):
    """One field of the datalist, or the class, by part: a mean (SD), or the count of a category."""

    field: str
    category: Annotated[str, Field(description="Empty for a number.")]
    by_part: Annotated[dict[str, str], Field(description="Part: 31.2 (8.4), or 12 (34 %).")]
    missing: Annotated[int, Field(description="Participants without a value.")]


class Item(_Part):
    """One item of a reporting guideline."""

    guideline: str
    item: str
    topic: Annotated[str, Field(description="What the item asks, in the words of this program.")]
    status: Annotated[ItemStatus, Field(description="filled from the files, partly, or the author must write it.")]
    facts: list[Fact]
    wanted: Annotated[str, Field(description="What the author must write; empty if nothing.")]


class Audit(_Part):
    """The content of audit.json."""

    model_config = ConfigDict(title="monai-fusion audit")

    schema_version: Literal[1] = 1
    monai_fusion: str
    run: Annotated[str, Field(description="The name of the run folder.")]
    datalist: str
    verdict: str
    checks: list[Check]
    choices: Annotated[list[Fact], Field(description="What chose the epoch, the calibration and the decision.")]
    evaluations: list[Evaluation]
    evaluations_recorded: Annotated[bool, Field(description="False: an earlier version trained or evaluated it.")]
    flow: list[FlowRow]
    left_out: list[LeftOut]
    characteristics: list[Characteristic]
    items: list[Item]
    methods: Annotated[str, Field(description="A Methods section in Markdown.")]
    bibtex: str
