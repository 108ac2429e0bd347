"""What the operating system refuses, said in both languages."""

import errno
import os
import re
from pathlib import Path

import pytest

from secops.model.text import Text
from secops.support.system_words import why

ENGLISH = re.compile("[A-Za-z]")


def refused(path: Path) -> OSError:
    with pytest.raises(OSError, match=str(path)) as error:
        path.open("rb").close()
    return error.value


def test_real_refusals_hold_no_english_word_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "none", tmp_path / "file" / "within", tmp_path / "loop", tmp_path / ("x" * 300)):
        said, error = why(refused(path)), refused(path)
        assert said.zh and not ENGLISH.search(said.zh), said
        assert said.en == error.strerror


@pytest.mark.parametrize("code", ["EACCES", "EROFS", "ENOSPC", "ECONNREFUSED", "ETIMEDOUT", "EIO", "EPERM"])
def test_what_is_hard_to_bring_about_has_words_as_well(code: str) -> None:
    number = getattr(errno, code)
    assert not ENGLISH.search(why(OSError(number, os.strerror(number))).zh)


def test_words_that_are_no_code_s_own_stay_as_they_are() -> None:
    assert why(OSError("certificate verify failed")) == Text("certificate verify failed", "certificate verify failed")
    assert why(OSError(errno.ENOENT, "name or service not known")).zh == "name or service not known"
    assert why(TimeoutError()).en == "TimeoutError"
