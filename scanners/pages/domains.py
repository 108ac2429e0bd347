"""The registrable domain of a host: the part that somebody bought, so that links are external by owner."""

from ipaddress import ip_address

# Second-level labels below which names are sold in country domains; China adds its provinces.
_SHARED = frozenset({"com", "net", "org", "gov", "edu", "ac", "co", "mil", "gob", "or", "ne", "go", "nom", "idv"})
_PROVINCES = frozenset(
    {"ah", "bj", "cq", "fj", "gd", "gs", "gx", "gz", "ha", "hb", "he", "hi", "hk", "hl", "hn", "jl", "js"}
    | {"jx", "ln", "mo", "nm", "nx", "qh", "sc", "sd", "sh", "sn", "sx", "tj", "tw", "xj", "xz", "yn", "zj"}
)


def registrable(host: str) -> str:
    """`news.example.gov.cn` → `example.gov.cn`; an IP address is its own domain. Works offline, from a short list."""
    name = host.strip().strip(".").lower()
    try:
        return str(ip_address(name.strip("[]")))
    except ValueError:
        labels = name.split(".")
    if len(labels) <= 2:
        return name
    country, second = labels[-1], labels[-2]
    shared = len(country) == 2 and (second in _SHARED or (country == "cn" and second in _PROVINCES))
    return ".".join(labels[-3:] if shared else labels[-2:])
