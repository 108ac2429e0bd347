"""The ssh by which the host of a source, or of a vault, reaches a vault."""

from backup.engine import Keys


def ssh_argv(keys: Keys) -> tuple[str, ...]:
    """Pinned host keys, our identity alone, never a question, and an end to silence."""
    options = {
        "UserKnownHostsFile": f'"{keys.ssh_known_hosts}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
    }
    identity = ("-i", keys.ssh_identity, "-o", "IdentitiesOnly=yes") if keys.ssh_identity else ()
    chosen = (part for name, value in options.items() for part in ("-o", f"{name}={value}"))
    return ("ssh", "-F", "/dev/null", *identity, *chosen)
