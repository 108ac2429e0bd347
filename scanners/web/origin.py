"""What tells the origins of one site apart, in findings that are a matter of the whole origin."""

from urllib.parse import urlsplit


def origin_place(url: str) -> tuple[str, str]:
    """Scheme and port, the port always told. Not the host: the asset stands for it, and it may have aliases."""
    parts = urlsplit(url)
    return parts.scheme, str(parts.port or (443 if parts.scheme == "https" else 80))
