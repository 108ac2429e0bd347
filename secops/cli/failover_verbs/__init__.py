"""The words of `secops failover`, one file each: a module here with a `words`, a typer.Typer."""
