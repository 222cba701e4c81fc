"""Commands that are bundle runs: the knobs of their config in ``--help`` and in the completion of shells."""

from __future__ import annotations

import copy
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

from monai_fusion.shipped_bundle import config_files

if TYPE_CHECKING:
    from monai_fusion.options.knob_list import Knob

ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}
_WIDTH = 26


class BundleRunCommand(TyperCommand):
    """A command whose ``--help`` lists the knobs of its config with their comments; shells complete them."""

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete knobs as options of the command."""
        if incomplete.startswith("-"):
            like = next(each for each in self.params if each.name == "dry_run")
            for knob in self._knobs():
                option: Any = copy.copy(like)
                option.name, option.opts, option.help = knob.name, [f"--{knob.name}"], knob.comment
                self.params.append(option)
        return super().shell_complete(ctx, incomplete)

    def _knobs(self) -> Iterator[Knob]:
        from monai_fusion.options.knob_list import knobs_of_all

        return iter(knobs_of_all(config_files(str(self.name))))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the knobs below the options."""
        section = ""
        for knob in self._knobs():
            if knob.section != section:
                section = knob.section
                formatter.write(f"\nKnobs: {section}\n")
            computed = not knob.default or knob.default.lstrip("'\"")[:1] in ("$", "@")
            name = f"  --{knob.name} {'' if computed else knob.default}".rstrip()
            gap = " " * max(2, _WIDTH - len(name))
            lines = textwrap.wrap(knob.comment, max(20, formatter.width - _WIDTH)) or [""]
            formatter.write(f"{name}{gap}{lines[0]}\n")
            for line in lines[1:]:
                formatter.write(f"{' ' * _WIDTH}{line}\n")
