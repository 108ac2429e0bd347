"""References in style sheets."""

import re
from itertools import islice

from scanners.web.crawl.lead import Harvest, Lead, Source
from scanners.web.urls import resolve

_REFERENCE = re.compile(
    r"url\(\s*(?:\"([^\"\n]{1,2000})\"|'([^'\n]{1,2000})'|([^\s\"'()]{1,2000}))\s*\)"
    r"|@import\s+(?:\"([^\"\n]{1,2000})\"|'([^'\n]{1,2000})')",
    re.IGNORECASE,
)


def read_style(text: str, base: str, harvest: Harvest) -> None:
    """Take what a style sheet loads."""
    for found in islice(_REFERENCE.finditer(text), 1000):
        written = next(group for group in found.groups() if group)
        if url := resolve(base, written.replace("\\", ""), harvest.charset):
            harvest.add(Lead(url, Source.RESOURCE, harvest.page, charset=harvest.charset))
