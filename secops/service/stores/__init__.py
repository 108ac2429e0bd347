"""Kinds of store that settings may name: one file each, imported when it is named."""
