"""Play the demo and draw the telling parts of its terminal: `scripts/record_demo.py [en|zh] FILE.svg`.

Only the chapters named below are drawn: the picture is to be read in half a minute.
"""

import io
import re
import sys
from getpass import getuser
from pathlib import Path
from socket import gethostname

from rich.console import Console

from secops.cli.narrator import TerminalNarrator
from secops.demo.centres import start
from secops.demo.city import settle
from secops.demo.story import tell
from secops.model.text import Text
from secops.support import language

_TELLING = frozenset({"Intrusion", "Detection", "Plan", "Response", "Evidence"})
_WIDTH = 124


class Recorder(TerminalNarrator):
    """Narrates as in a terminal, and records the telling chapters."""

    def __init__(self, screen: Console) -> None:
        super().__init__(screen)
        self._screen = screen
        self.missing = set(_TELLING)

    def chapter(self, title: Text, said: Text) -> None:
        """A new part begins; it is drawn or not."""
        self._screen.record = title.en in _TELLING
        self.missing.discard(title.en)
        super().chapter(title, said)


def record(file: Path) -> None:
    """Play the story once and write its picture. Raises SystemExit when the picture would tell of this machine."""
    screen = Console(record=True, width=_WIDTH, file=io.StringIO(), highlight=False)
    with start() as centres:
        with settle(centres) as home:
            recorder = Recorder(screen)
            tell(centres, home, recorder)
        private = (str(centres.folder), str(Path.home()), gethostname(), getuser())
    if recorder.missing:
        raise SystemExit(f"the story has no chapters {sorted(recorder.missing)} any more; mend _TELLING")
    drawn = _without_fonts(screen.export_svg(title="secops demo", unique_id="demo"))
    # `root` is a word of findings, too, and tells of nobody.
    if told := [word for word in private if word != "root" and re.search(rf"\b{re.escape(word)}\b", drawn)]:
        raise SystemExit(f"the picture would show {told}")
    file.write_text(drawn, encoding="utf-8")


def _without_fonts(svg: str) -> str:
    """A picture in a repository fetches nothing: the reader's own monospace font will do."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace(
        "Fira Code,", "Fira Code, Noto Sans Mono CJK SC,"
    )


if __name__ == "__main__":
    language.choose(sys.argv[1])
    record(Path(sys.argv[2]))
