"""The subcommands of `stepreward`, a module each, imported when called."""
