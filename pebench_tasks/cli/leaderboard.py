"""The command ``pebench leaderboard``: check submissions, build the site, note what was verified."""

import argparse
from importlib import import_module

COMMANDS = {
    "check": ("compute every submission's figures again from its samples", "pebench_tasks.cli.leaderboard_check"),
    "build": ("build the static site of a board", "pebench_tasks.cli.leaderboard_build"),
    "verify": ("note that a maintainer scored the weights again", "pebench_tasks.cli.leaderboard_verify"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of ``pebench leaderboard``, each with the options of its own module."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (summary, module_name) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        module = import_module(module_name)
        module.add_arguments(command)
        command.set_defaults(leaderboard=module.main)


def main(arguments: argparse.Namespace) -> int:
    """Run the chosen subcommand; returns the exit code."""
    return int(arguments.leaderboard(arguments))
