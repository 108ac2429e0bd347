"""Eyes for trees of files: one file per check, see scanners.files.check."""
