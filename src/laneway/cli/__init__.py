"""The command line: one verb a module, and the only package that prints.

`main` is what starts; it leaves Typer out where start-up time counts. `app` builds the Typer application and says how
every command ends. `output` knows streams, colour and JSON. A verb's module has `run`, the command with parsed
arguments, which returns an exit code, and `register`, which gives Typer its name, arguments and help.
"""
