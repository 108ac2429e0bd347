"""The origin of a URL, as findings name it."""

from urllib.parse import urlsplit


def origin_of(url: str) -> str:
    """Scheme, host and port, the port always written: `https://www.example.org:443`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{named}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
