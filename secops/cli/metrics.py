"""`secops metrics`: what there is to measure, for Prometheus: printed, written for a collector, or served."""

import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from dashboards.prometheus import alert_rules
from secops.cli.options import Listen, listen_address
from secops.model.text import Text
from secops.service.home import open_home
from secops.service.metrics import exposition
from secops.service.metrics import serve as begin_to_serve
from secops.support.errors import Incomplete
from secops.support.language import say
from secops.support.system_words import why

verb = typer.Typer(
    name="metrics",
    help=say(
        zh="供 Prometheus 使用的指标与告警规则。不带选项时把指标打印到标准输出;"
        "--output 写给 node_exporter 的 textfile 采集器;--rules 输出告警规则文件。",
        en="Metrics and alert rules for Prometheus. Without options the metrics are printed; "
        "--output writes them for node_exporter's textfile collector; --rules prints the alert rule file.",
    ),
    invoke_without_command=True,
)

Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=say(
            zh="写入该文件,整体替换,读者不会看到一半;textfile 采集器要求以 .prom 结尾。",
            en="Write this file, replaced as a whole so that nobody reads half of it; the textfile collector wants a "
            "name that ends in .prom.",
        ),
    ),
]
Rules = Annotated[
    bool,
    typer.Option(
        "--rules", help=say(zh="输出告警规则(YAML),不读工作目录。", en="The alert rules (YAML); reads no home.")
    ),
]


@verb.callback()
def metrics(context: typer.Context, output: Output = None, rules: Rules = False) -> None:
    """Print the metrics or the rules, or write them to a file."""
    if context.invoked_subcommand:
        return
    content = alert_rules().encode() if rules else exposition(open_home)
    if output:
        _replace(output, content)
    else:
        typer.echo(content, nl=False)


@verb.command(help=say(zh="通过 HTTP 提供指标,直到 Ctrl-C。", en="Serve the metrics over HTTP until Ctrl-C."))
def serve(listen: Listen = "127.0.0.1:9466") -> None:
    address, port = listen_address(listen)
    with open_home():  # a home that cannot be read is told now, and not at the first scrape
        bound, stop = begin_to_serve(open_home, address, port)
    typer.echo(f"http://{listen.rpartition(':')[0]}:{bound}/metrics")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    stop()


def _replace(path: Path, content: bytes) -> None:
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.", suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), 0o644)  # the collector is another user
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Incomplete(
            Text(f"无法写入 {path}:{why(error).zh}", f"{path} cannot be written: {why(error).en}")
        ) from None
