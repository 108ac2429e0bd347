"""Which templates a scan takes: by tag, severity and id."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from scanners.web.templates.model import Severity, Template

USUALLY_EXCLUDED = ("intrusive", "dos", "fuzz", "osint", "token-spray", "default-login")
"""Tags that are left out unless asked for: they change or burden the system, or look elsewhere."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Empty fields ask for nothing; a tag in `include_tags` is let in although it is excluded."""

    tags: frozenset[str] = frozenset()
    exclude_tags: frozenset[str] = frozenset()
    include_tags: frozenset[str] = frozenset()
    severities: frozenset[Severity] = frozenset()
    exclude_severities: frozenset[Severity] = frozenset()
    identities: frozenset[str] = frozenset()
    """May hold `*` and `?`."""
    exclude_identities: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()

    def takes(self, template: Template) -> bool:
        """Whether a template is wanted."""
        info, identity = template.info, template.identity.lower()
        if any(tag in self.exclude_tags and tag not in self.include_tags for tag in info.tags):
            return False
        if self.tags and not self.tags & set(info.tags):
            return False
        if self.authors and not self.authors & {author.lower() for author in info.authors}:
            return False
        return self._takes_severity(info.severity) and self._takes_identity(identity)

    def _takes_severity(self, severity: Severity) -> bool:
        return (not self.severities or severity in self.severities) and severity not in self.exclude_severities

    def _takes_identity(self, identity: str) -> bool:
        wanted = not self.identities or any(fnmatchcase(identity, pattern.lower()) for pattern in self.identities)
        return wanted and identity not in self.exclude_identities


def selected(templates: Iterable[Template], selection: Selection) -> tuple[Template, ...]:
    """The wanted ones, in order."""
    return tuple(template for template in templates if selection.takes(template))


def words(*lists: str) -> frozenset[str]:
    """The words of comma-separated lists, lower case."""
    return frozenset(word.strip().lower() for listed in lists for word in listed.split(",") if word.strip())
