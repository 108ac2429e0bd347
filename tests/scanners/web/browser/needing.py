"""Tests that need a real browser are skipped where there is none, and say so."""

import shutil
from importlib.util import find_spec

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    find_spec("playwright") is None or CHROMIUM is None, reason="Playwright or Chromium is not installed"
)
