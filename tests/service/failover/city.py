"""A small city of three centres around a cluster, as files; and the command line in it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secops.model.cluster import Cluster
from secops.service.failover.adopting import entry_of

_CITY = """\
name: {zh: 城, en: City}
sites:
  - {id: here, name: {zh: 本地, en: Here}}
  - {id: elsewhere, name: {zh: 异地, en: Elsewhere}}
centres:
  - {id: c1, name: {zh: 一, en: One}, site: here, role: production}
  - {id: c2, name: {zh: 二, en: Two}, site: here, role: local_dr}
  - {id: c3, name: {zh: 三, en: Three}, site: elsewhere, role: remote_dr}
units:
  - {id: office, name: {zh: 处, en: Office}}
systems:
  - id: s1
    name: {zh: 登记, en: Records}
    programme: {zh: 政务, en: Services}
    lead_units: [office]
    grade:
      information: {object: public_order, degree: serious}
      service: {object: public_order, degree: serious}
    importance: important
"""


def write_home(folder: Path, endpoints: Mapping[str, str], prefix: str, cluster: Cluster | None = None) -> Path:
    """Settings and inventory; the cluster in it when there is one."""
    folder.mkdir()
    listed = ", ".join(f'{centre}: "{endpoint}"' for centre, endpoint in endpoints.items())
    coordination = f"coordination: {{prefix: {prefix}, endpoints: {{{listed}}}}}\n" if endpoints else ""
    (folder / "jindun.yaml").write_text(f"inventory: inventory.yaml\n{coordination}")
    clusters = f"clusters:\n{entry_of(cluster)}" if cluster else ""
    (folder / "inventory.yaml").write_text(_CITY + clusters, encoding="utf-8")
    return folder


def failover(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """As somebody types it."""
    argv = [sys.executable, "-m", "secops", "--home", str(home), "--lang", "en", "failover", *words]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=200)


def told(home: Path, *words: str, code: int = 0) -> Any:
    """The document that is printed."""
    done = failover(home, *words, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)
