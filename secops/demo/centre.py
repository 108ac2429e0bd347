"""One centre of the demo as it stands: where its servers answer and where its files lie."""

from dataclasses import dataclass
from pathlib import Path

from secops.model.city import CentreRole


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of one centre, on its own address."""

    site: int
    tls: int
    isolated: int
    ssh: int
    forgotten: int = 0
    """A test page that somebody left running and nobody declared; 0: none."""


@dataclass(frozen=True, slots=True)
class LiveCentre:
    """A centre with a running nginx and sshd; everything of it lies below `folder`."""

    role: CentreRole
    folder: Path
    address: str
    """A loopback address of its own, so that its open ports are its own."""
    user: str
    """Who logs in over ssh: the user that runs the demo."""
    ports: Ports

    @property
    def production(self) -> bool:
        """Whether it carries the weaknesses that the demo finds."""
        return self.role is CentreRole.PRODUCTION

    @property
    def site_url(self) -> str:
        """The public site, past the entry."""
        return f"http://{self.address}:{self.ports.site}/"

    @property
    def tls_url(self) -> str:
        """The public site over TLS."""
        return f"https://{self.address}:{self.ports.tls}/"

    @property
    def isolated_url(self) -> str:
        """Where the isolated place is served; a restore answers below it under its folder's name."""
        return f"http://{self.address}:{self.ports.isolated}/"

    @property
    def vault_url(self) -> str:
        """The vault as another centre reaches it."""
        return f"ssh://{self.user}@{self.address}:{self.ports.ssh}{self.vault}"

    @property
    def site(self) -> Path:
        """Holds `releases/` and the link `current` to the one that is served."""
        return self.folder / "site"

    @property
    def releases(self) -> Path:
        """One folder per release of the site."""
        return self.site / "releases"

    @property
    def current(self) -> Path:
        """The link to the release that is served; replaced atomically."""
        return self.site / "current"

    @property
    def isolated(self) -> Path:
        """A restore goes here first."""
        return self.folder / "isolated"

    @property
    def vault(self) -> Path:
        """Where copies live."""
        return self.folder / "vault"

    @property
    def data(self) -> Path:
        """Files of the systems that are not web sites."""
        return self.folder / "data"

    @property
    def leftovers(self) -> Path:
        """Files that somebody left on the web server beside the site."""
        return self.folder / "leftovers"

    @property
    def home(self) -> Path:
        """HOME of whoever logs in over ssh, in place of the user's own."""
        return self.folder / "home"

    @property
    def logs(self) -> Path:
        """Logs of its servers."""
        return self.folder / "logs"

    @property
    def sshd_config(self) -> Path:
        """The configuration that its sshd runs with."""
        return self.folder / "sshd_config"

    @property
    def vault_key(self) -> Path:
        """The private key by which this centre's host reaches the vaults of the other two."""
        return self.home / "vault_key"

    @property
    def known_hosts(self) -> Path:
        """Pinned host keys of all centres, for this centre's host."""
        return self.home / "known_hosts"
