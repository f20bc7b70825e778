"""The command line. A command's module is imported when it is called: a client's installation has no server parts."""

import importlib
import sys

import click

from stepreward.errors import ConfigurationError, StepRewardError

_COMMANDS = {
    "serve": "stepreward.commands.serve",
    "gateway": "stepreward.commands.gateway",
    "score": "stepreward.commands.score",
    "best-of-n": "stepreward.commands.best_of_n",
    "search": "stepreward.commands.search",
    "canary": "stepreward.commands.canary",
    "corpus": "stepreward.commands.corpus",
    "eval": "stepreward.commands.evaluate",
    "calibrate": "stepreward.commands.calibrate",
    "train": "stepreward.commands.train",
}
_EXTRAS = {"eval": "eval", "calibrate": "eval", "train": "train"}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        try:
            command: click.Command = importlib.import_module(_COMMANDS[cmd_name]).command
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("stepreward"):
                raise
            return _unavailable(cmd_name, error.name or str(error))
        return command


def _unavailable(name: str, module: str) -> click.Command:
    """Stands for a command whose parts are not installed: listed, and says what it needs when called."""
    extras = _EXTRAS.get(name, "gateway,embedded")
    message = f'needs the module {module} (pip install "stepreward[{extras}]")'

    def refuse() -> None:
        raise ConfigurationError(f"`stepreward {name}` {message}")

    takes_anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(name, help=message, add_help_option=False, callback=refuse, context_settings=takes_anything)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stepreward")
def cli() -> None:
    """Reward scores for the steps of mathematical solutions."""


def main() -> None:
    """Entry point: an error of ours is one line on stderr, and exit code 2 for a setting, 1 for the rest."""
    try:
        cli()
    except StepRewardError as error:
        click.echo(f"stepreward: {error.message}", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
