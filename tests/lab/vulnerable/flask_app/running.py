"""Code that runs what it is given: commands, Python, templates, pickles."""

import base64
import io
import json
import pickle
import shlex
import subprocess
import threading

import yaml
from flask import render_template_string, request
from markupsafe import escape

from tests.lab.vulnerable.flask_app.site import asked, flaw, page


def shell(command: str, seconds: float = 12.0) -> str:
    """What a shell prints."""
    try:
        done = subprocess.run(command, shell=True, capture_output=True, timeout=seconds)
    except (subprocess.TimeoutExpired, ValueError):
        return ""
    return (done.stdout + done.stderr).decode("utf-8", "replace")


@flaw("/cmdi/output")
def output(flawed: bool):
    host = asked("host", "localhost")
    command = f"echo checking {host if flawed else shlex.quote(host)}"
    return page(f"<pre>{escape(shell(command))}</pre>")


@flaw("/cmdi/double-quoted", "GET", "POST")
def double_quoted(flawed: bool):
    host = asked("host", "localhost")
    command = f'echo "{host}"' if flawed else f"echo {shlex.quote(host)}"
    return page(f"<pre>{escape(shell(command))}</pre>", noisy=True)


@flaw("/cmdi/single-quoted")
def single_quoted(flawed: bool):
    host = asked("host", "localhost")
    command = f"echo '{host}' | head -5" if flawed else f"echo {shlex.quote(host)}"
    return page(f"<pre>{escape(shell(command))}</pre>")


@flaw("/cmdi/filter")
def filtered(flawed: bool):
    """Refuses semicolons, ampersands and blanks."""
    host = asked("host", "localhost")
    if flawed and any(sign in host for sign in "; &"):
        return page("<p>Bad name</p>", 400)
    command = f"echo {host if flawed else shlex.quote(host)}"
    return page(f"<pre>{escape(shell(command))}</pre>")


@flaw("/cmdi/blind-time")
def blind_time(flawed: bool):
    name = asked("name", "report")
    shell(f"true {name if flawed else shlex.quote(name)}")
    return page("<p>Done</p>")


@flaw("/cmdi/blind-quoted", "POST")
def blind_quoted(flawed: bool):
    name = str((request.get_json(force=True, silent=True) or {}).get("file", ""))
    shell(f"test -e '{name}'" if flawed else f"test -e {shlex.quote(name)}")
    return {"state": "queued"}


@flaw("/cmdi/blind-oob")
def blind_oob(flawed: bool):
    """Runs in the background: neither output nor time tells."""
    host = asked("host", "localhost")
    command = f"true {host if flawed else shlex.quote(host)}"
    threading.Thread(target=shell, args=(command,), daemon=True).start()
    return page("<p>Queued</p>")


@flaw("/cmdi/header")
def header(flawed: bool):
    agent = request.headers.get("User-Agent", "")
    command = f"echo {agent if flawed else shlex.quote(agent)}"
    return page(f"<p>{escape(shell(command))}</p>")


@flaw("/codeinj/python-output")
def python_output(flawed: bool):
    sum_ = asked("sum", "1+1")
    try:
        result = eval(sum_, {"__builtins__": {"__import__": __import__}}) if flawed else int(sum_)
    except Exception:
        result = "?"
    return page(f"<p>Result: {escape(str(result))}</p>")


@flaw("/codeinj/python-string")
def python_string(flawed: bool):
    name = asked("name", "li")
    try:
        shown = eval(f"'{name}'.title()") if flawed else name.title()
    except Exception as error:
        return page(f"<p>{type(error).__name__}</p>", 500)
    return page(f"<p>Dear {escape(shown)}</p>")


@flaw("/codeinj/python-blind", "POST")
def python_blind(flawed: bool):
    rule = asked("rule", "1")
    try:
        _ = eval(rule) if flawed else len(rule)
    except Exception:
        return page("<p>Saved</p>")
    return page("<p>Saved</p>")


@flaw("/ssti/output")
def template_output(flawed: bool):
    name = asked("name", "li")
    try:
        shown = render_template_string("Dear " + name) if flawed else escape("Dear " + name)
    except Exception:
        return page("<p>Error</p>", 500)
    return page(f"<p>{shown}</p>")


@flaw("/ssti/expression", "GET", "POST")
def template_expression(flawed: bool):
    """Inside a string of an expression."""
    name = asked("name", "li").replace("<", "")
    try:
        shown = render_template_string("{{ '" + name + "' | title }}") if flawed else escape(name.title())
    except Exception:
        return page("<p>Error</p>", 500)
    return page(f"<p>{shown}</p>")


@flaw("/ssti/error")
def template_error(flawed: bool):
    """Shows nothing but that it broke."""
    name = asked("subject", "news")
    try:
        _ = render_template_string(name) if flawed else name
    except Exception as error:
        return page(f"<p>jinja2.exceptions.{type(error).__name__}: {escape(str(error))}</p>", 500)
    return page("<p>Mail sent</p>")


@flaw("/deserialization/pickle-error", "POST")
def pickle_error(flawed: bool):
    state = asked("state", "")
    try:
        read = pickle.loads(base64.b64decode(state)) if flawed else json.loads(base64.b64decode(state))
    except Exception as error:
        return page(f"<pre>{type(error).__name__}: {escape(str(error))}</pre>", 500)
    return page(f"<p>Restored {escape(type(read).__name__)}</p>")


@flaw("/deserialization/pickle-blind")
def pickle_blind(flawed: bool):
    state = request.cookies.get("prefs", "")
    try:
        _ = pickle.loads(base64.b64decode(state)) if flawed else json.loads(base64.b64decode(state))
    except Exception:
        return page("<p>Welcome</p>")
    return page("<p>Welcome</p>")


@flaw("/deserialization/pickle-oob")
def pickle_oob(flawed: bool):
    state = asked("state", "")

    def restore() -> None:
        try:
            _ = pickle.loads(base64.b64decode(state)) if flawed else json.loads(base64.b64decode(state))
        except Exception:
            return

    threading.Thread(target=restore, daemon=True).start()
    return page("<p>Accepted</p>")


@flaw("/deserialization/yaml", "POST")
def yaml_objects(flawed: bool):
    text = asked("config", "lang: zh")
    try:
        _ = yaml.load(text, yaml.UnsafeLoader) if flawed else yaml.safe_load(text)
    except Exception as error:
        return page(f"<pre>yaml: {type(error).__name__}</pre>", 400)
    return page("<p>Configured</p>")


class _Restricted(pickle.Unpickler):
    """Builds nothing but plain data."""

    def find_class(self, module: str, name: str):
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


@flaw("/deserialization/pickle-restricted")
def pickle_restricted(flawed: bool):
    """The twin reads pickles too, and lets them build nothing."""
    try:
        content = base64.b64decode(asked("state", ""))
        _ = pickle.loads(content) if flawed else _Restricted(io.BytesIO(content)).load()
    except Exception as error:
        return page(f"<pre>{type(error).__name__}: {escape(str(error))}</pre>", 500)
    return page("<p>Restored</p>")
