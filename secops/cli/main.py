"""`secops`: finds its verbs in this folder and turns errors into exit codes."""

import errno
import os
import sys
import traceback

import typer
from rich.console import Console
from rich.text import Text as Shown

import secops.cli
from secops import __version__
from secops.cli.frame import ClickException, explain_mistake, frame
from secops.cli.tables import plain
from secops.model.text import Text
from secops.support import language
from secops.support.errors import BadInput, JindunError
from secops.support.language import say
from secops.support.plugins import modules_in
from secops.support.system_words import why

_VERSION = f"jindun {__version__}"
_REFUSALS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE}
"""What a machine says when it will not let us: no bug of ours."""
_READER_GONE = 128 + 13
"""As shells say it of who is ended by SIGPIPE."""


def _early_language(arguments: list[str]) -> None:
    """Help is rendered before options are parsed, so `--lang` is looked for by hand first."""
    for position, argument in enumerate(arguments):
        chosen = argument.removeprefix("--lang=") if argument.startswith("--lang=") else None
        if argument == "--lang" and position + 1 < len(arguments):
            chosen = arguments[position + 1]
        if chosen in ("zh", "en"):
            language.choose(chosen)


def _verb_named(arguments: list[str]) -> str:
    """The first argument that is neither an option nor the value of one; only its module is imported then."""
    words = iter(arguments)
    for word in words:
        if word in ("--home", "--lang"):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def build(wanted: str = "") -> typer.Typer:
    """The application with the wanted verb, or with every verb found: a module here with a `verb`, a typer.Typer."""
    app = typer.Typer(
        help=say(
            zh="津盾:城市安全监测与容灾编排。", en="Jindun 津盾: security monitoring and DR orchestration for a city."
        )
        + "\n\n"
        + say(
            zh="退出码:0 正常;1 有发现或演练失败;2 输入有误;3 未完成或不可达;4 程序缺陷。",
            en="Exit codes: 0 fine, 1 something found or a drill failed, 2 bad input, 3 incomplete or unreachable, "
            "4 our bug.",
        ),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )

    @app.callback()
    def common(
        home: str = typer.Option(
            "",
            envvar="JINDUN_HOME",
            help=say(zh="工作目录(含 jindun.yaml)。", en="Working folder, holding jindun.yaml."),
        ),
        lang: str = typer.Option("", help=say(zh="语言:zh 或 en。", en="Language: zh or en.")),
        _version: bool = typer.Option(
            False, "--version", is_eager=True, callback=_tell_version, help=say(zh="版本。", en="The version.")
        ),
    ) -> None:
        if home:
            os.environ["JINDUN_HOME"] = home
        if lang not in ("", "zh", "en"):
            raise BadInput(Text(f"没有语言“{lang}”,可用 zh 或 en", f"there is no language “{lang}”: zh or en"))
        if lang:
            language.choose(lang)

    for module in modules_in(secops.cli, only=wanted):
        verb = getattr(module, "verb", None)
        if isinstance(verb, typer.Typer):
            app.add_typer(verb)
    return app


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(_VERSION, flush=True)
        raise typer.Exit


def main() -> None:
    """Run the command line; the process ends with one of the exit codes above, or as a shell expects after Ctrl-C or `| head`."""
    _fill_standard_streams()
    try:
        _run(sys.argv[1:])
    except JindunError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except ClickException as mistake:
        explain_mistake(mistake)
        sys.exit(mistake.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except SystemExit as ended:
        # Who prints ends with 1 when its reader is gone, which here would say that something was found.
        if isinstance(ended.__context__, BrokenPipeError):
            sys.exit(_READER_GONE)
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _REFUSALS:
            _complain(_refusal(error))
            sys.exit(3)
        traceback.print_exc()
        sentence = say(
            zh="这是津盾的缺陷,请连同以上内容报告", en="this is a bug of Jindun; please report it with the above"
        )
        _complain(f"{sentence} ({type(error).__name__})")
        sys.exit(4)


def _fill_standard_streams() -> None:
    """A stream that was closed becomes the null device; else the first database would be opened in its place."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _run(arguments: list[str]) -> None:
    _early_language(arguments)
    if arguments == ["--version"]:
        print(_VERSION, flush=True)  # no verb needs to be imported for it
        return
    if code := frame(build(_verb_named(arguments))).main(standalone_mode=False):
        sys.exit(code)


def _refusal(error: OSError) -> str:
    place = error.filename or say(zh="输出", en="the output")
    return say(
        zh=f"系统拒绝读写 {place}:{why(error).zh}", en=f"the system refuses to read or write {place}: {why(error).en}"
    )


def _complain(sentence: str) -> None:
    word = Shown(say(zh="错误", en="error"), style="bold red")
    Console(stderr=True).print(word.append(": ", style="default").append_text(plain(sentence)), soft_wrap=True)
