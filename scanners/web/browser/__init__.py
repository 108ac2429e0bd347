"""A Chromium that shows pages for the scanner and has no network of its own."""
