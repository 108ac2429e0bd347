"""Checks that send something of their own to find a flaw; one file each, found by being here."""
