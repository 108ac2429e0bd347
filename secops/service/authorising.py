"""What may be scanned: as the settings of the home say, or, without a home, as the call itself says."""

from datetime import timedelta

from scanners.scope import Scope, scope_of
from secops.model.text import Text
from secops.service.home import Home
from secops.support.clock import now
from secops.support.errors import BadInput

_A_CALL_LASTS = timedelta(days=2)


def authorised_scope(home: Home | None, networks: tuple[str, ...], approved_by: str) -> Scope:
    """The scope of a scan. Raises BadInput when nobody authorised one."""
    if home is not None:
        if networks or approved_by:
            raise BadInput(
                Text(
                    "有工作目录时,授权范围以 jindun.yaml 的 scope 为准,不能另行指定",
                    "with a home, `scope` in its jindun.yaml says what may be scanned; it cannot be said here",
                )
            )
        if not home.settings.scope.approved_by:
            raise BadInput(
                Text(
                    "没有扫描授权:请在 jindun.yaml 的 scope 中写明批准人和网段",
                    "nothing is authorised to be scanned: name the approver and the networks under `scope` in jindun.yaml",
                )
            )
        return home.scope
    if not networks or not approved_by.strip():
        raise BadInput(
            Text(
                "没有扫描授权:没有工作目录时,请用 --scope 写明网段,用 --approved-by 写明批准人",
                "nothing is authorised to be scanned: without a home, name the networks with --scope and who approved "
                "it with --approved-by",
            )
        )
    try:
        return scope_of(networks, approved_by.strip(), now() + _A_CALL_LASTS)
    except ValueError as error:
        raise BadInput(
            Text(f"--scope 不是网段:{error}", f"--scope is not a network like 10.1.0.0/16: {error}")
        ) from None
