"""`stepreward train`: judges of both methods. A command's module is imported when it is called: torch takes seconds."""

import importlib

import click

from stepreward.errors import ConfigurationError

_COMMANDS = {
    "data": ("stepreward.commands.train_data", "labelled solutions made ready"),
    "retsp": ("stepreward.commands.train_retsp", "a judge that grades by one token"),
    "rprm-seed": ("stepreward.commands.train_rprm_seed", "analyses to begin with, by a teacher"),
    "rprm-sft": ("stepreward.commands.train_rprm_sft", "a judge that analyses before its verdict"),
    "rprm-pairs": ("stepreward.commands.train_rprm_pairs", "its analyses, the better before the worse"),
    "rprm-dpo": ("stepreward.commands.train_rprm_dpo", "the better ones preferred"),
    "grade": ("stepreward.commands.train_grade", "what adapters say of labelled steps"),
    "adapter": ("stepreward.commands.train_adapter", "the newest adapters of a run, in bfloat16"),
}
_LIBRARIES = ("torch", "peft", "trl", "datasets")


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in _COMMANDS.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        try:
            command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        except ModuleNotFoundError as error:
            if error.name not in _LIBRARIES:
                raise
            raise ConfigurationError(
                f'`stepreward train {cmd_name}` needs {error.name} (pip install "stepreward[train]" torch)'
            ) from error
        return command


@click.group("train", cls=_Lazy)
def command() -> None:
    """Train a judge: LoRA adapters for a causal language model, by the prompts that it is served with."""
