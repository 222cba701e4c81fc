"""``monai-fusion completion``: commands, options and knobs by the tabulator key."""

from __future__ import annotations

import os
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

import typer

from monai_fusion.messages import answer

_VARIABLE = "_MONAI_FUSION_COMPLETE"  # of click: the script asks the program by it


class Shell(StrEnum):
    """The shells that typer has a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


_TO_KEEP = {
    Shell.BASH: "monai-fusion completion bash > ~/.monai-fusion-completion.sh"
    " && echo 'source ~/.monai-fusion-completion.sh' >> ~/.bashrc",
    Shell.ZSH: "monai-fusion completion zsh > ~/.monai-fusion-completion.zsh"
    " && echo 'source ~/.monai-fusion-completion.zsh' >> ~/.zshrc   (below a line with compinit)",
    Shell.FISH: "monai-fusion completion fish > ~/.config/fish/completions/monai-fusion.fish",
    Shell.POWERSHELL: "Add-Content $PROFILE 'monai-fusion completion powershell | Out-String | Invoke-Expression'",
}


def completion(
    shell: Annotated[Shell, typer.Argument(help="Your shell.", show_default=False)],
) -> None:
    """Print the script that lets your shell complete commands, options and knobs.

    This changes nothing on your machine. To install the script, run the command in its first line (a comment), and open
    a new terminal.

    \b
    monai-fusion completion bash
    """  # noqa: D301 - click wants the character \b, not the two letters of a raw string
    answer(f"# {_TO_KEEP[shell]}")
    answer(_typers().get_completion_script(prog_name="monai-fusion", complete_var=_VARIABLE, shell=shell.value))


def enable_completion() -> None:
    """Let the program answer its script, which asks by an environment variable."""
    if os.environ.get(_VARIABLE):
        _typers().completion_init()


def _typers() -> Any:
    """The part of typer that it uses itself for this, untyped."""
    return import_module("typer.completion")
