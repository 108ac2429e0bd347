"""Checks that judge the pages that were fetched anyway; one file each, found by being here."""
