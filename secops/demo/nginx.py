"""nginx of one centre: the public site, the same over TLS, and the isolated place on a port of its own."""

import grp
import os
import pwd

from secops.demo.centre import LiveCentre
from secops.demo.processes import Server, pid_written, program

_GOOD_HEADERS = """
        add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'" always;
        add_header X-Content-Type-Options nosniff always;
        add_header X-Frame-Options DENY always;
        add_header Referrer-Policy no-referrer always;
        add_header Permissions-Policy "geolocation=(), camera=(), microphone=()" always;"""

_LEFTOVERS = """
        location = /.env {{ default_type text/plain; alias {leftovers}/env; }}
        location /backup/ {{ alias {leftovers}/backup/; autoindex on; }}"""

_FORGOTTEN = """
    server {{
        listen {address}:{port};
        default_type text/plain;
        location / {{ return 200 "test server of the appointments project, do not use\\n"; }}
    }}"""

_CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/nginx/body;
    proxy_temp_path {folder}/nginx/proxy;
    fastcgi_temp_path {folder}/nginx/fastcgi;
    uwsgi_temp_path {folder}/nginx/uwsgi;
    scgi_temp_path {folder}/nginx/scgi;
    access_log {folder}/logs/access.log;
    server_tokens {tokens};
    charset utf-8;
    keepalive_timeout 5s;
    types {{ text/html html; text/css css; application/json json; text/plain txt; text/csv csv; }}
    default_type application/octet-stream;
    server {{
        listen {address}:{site};
        root {folder}/site/current;{headers}{leftovers}
    }}
    server {{
        listen {address}:{tls} ssl;
        ssl_certificate {folder}/tls.pem;
        ssl_certificate_key {folder}/tls.key;
        ssl_protocols {protocols};
        ssl_ciphers {ciphers};
        root {folder}/site/current;{headers}{strict_transport}
    }}
    server {{
        listen {address}:{isolated};
        allow 127.0.0.0/8;
        deny all;
        root {folder}/isolated;{headers}
    }}{forgotten}
}}
"""


def server(centre: LiveCentre) -> Server:
    """Write the configuration; the server to start."""
    (centre.folder / "nginx").mkdir()
    config = centre.folder / "nginx.conf"
    config.write_text(_config(centre))
    argv = (program("nginx", "nginx-light"), "-p", str(centre.folder), "-e", "stderr", "-c", str(config))
    pid_file = centre.folder / "nginx.pid"  # written when every port is bound
    return Server(f"nginx {centre.role}", argv, centre.logs / "nginx.log", lambda pid: pid_written(pid_file, pid))


def _config(centre: LiveCentre) -> str:
    """Production carries real weaknesses for the checks to find; the other centres are in order."""
    weak = centre.production
    ports = centre.ports
    return _CONFIG.format(
        user=_user(),
        folder=centre.folder,
        address=centre.address,
        site=ports.site,
        tls=ports.tls,
        isolated=ports.isolated,
        tokens="on" if weak else "off",
        headers="" if weak else _GOOD_HEADERS,
        strict_transport="" if weak else '\n        add_header Strict-Transport-Security "max-age=31536000" always;',
        protocols="TLSv1 TLSv1.1 TLSv1.2 TLSv1.3" if weak else "TLSv1.2 TLSv1.3",
        ciphers="DEFAULT:@SECLEVEL=0" if weak else "HIGH:!aNULL",
        leftovers=_LEFTOVERS.format(leftovers=centre.leftovers) if weak else "",
        forgotten=_FORGOTTEN.format(address=centre.address, port=ports.forgotten) if ports.forgotten else "",
    )


def _user() -> str:
    """As root the workers would become nobody and could not read the demo's private folder."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name};"
