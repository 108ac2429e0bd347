"""The web console. Not there yet: the terminal shows everything."""
