"""Prints docs/cli.md: what `--help` says of every command. Run it after changing one.

python docs/make_cli.py > docs/cli.md
"""

import inspect

import typer

from mle_uvad.cli.main import app


def option_lines(command: typer.core.TyperCommand) -> list[str]:
    """A line for each argument and option, in the order of the function."""
    lines = []
    for parameter in command.params:
        if isinstance(parameter, typer.core.TyperArgument):
            lines.append(f"- `{parameter.metavar or parameter.name.upper()}` {parameter.help}")
        elif parameter.name != "help":
            names = ", ".join([*parameter.opts, *parameter.secondary_opts])
            required = " Required." if parameter.required else ""
            default = parameter.default
            shown = "" if parameter.required or default in (None, False) else f" Default: {default}."
            lines.append(f"- `{names}` {parameter.help}{shown}{required}")
    return lines


def main() -> None:
    group = typer.main.get_command(app)
    print("# Commands\n\nMade by `docs/make_cli.py` from what `--help` prints. `export-model` is `mle-uvad export`.")
    for name, command in group.commands.items():
        print(f"\n## mle-uvad {name}\n\n{inspect.cleandoc(command.help)}\n")
        print("\n".join(option_lines(command)))


if __name__ == "__main__":
    main()
