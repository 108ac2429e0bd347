"""What cannot be read in a report, and where."""

from secops.model.text import Text


class Misread(Exception):
    """A record that cannot be used. `line` and `column` count from 1 and are 0 when only the record is known."""

    def __init__(self, text: Text, *, line: int = 0, column: int = 0, record: str = "") -> None:
        super().__init__(text.en)
        self.line = line
        self.column = column
        self.text = Text(f"{record}:{text.zh}", f"{record}: {text.en}") if record else text
