"""What the settings say before anything is opened."""

from secops.service.settings import Settings
from secops.support.strict_yaml import parse


def test_spaces_authorise_nothing() -> None:
    settings = parse('scope: {approved_by: "  ", networks: [127.0.0.0/8]}', "jindun.yaml").build(Settings)
    assert settings.scope.approved_by == ""
