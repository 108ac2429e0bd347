"""File trees with everything that makes names and modes hard."""

import os
from pathlib import Path

STRANGE_NAMES = (
    b"with space",
    b"new\nline",
    b"carriage\rreturn",
    b"tab\there",
    b"quote\"and'quote",
    b"back\\slash",
    b"\\xff",
    b"\xff\xfe not utf-8",
    "津盾 页面.html".encode(),
    b"-rf",
    b"--help",
    b"trailing ",
    b"$(touch pwned)",
    b"a -> b",
    b"*",
)


def make_tree(root: Path) -> Path:
    """A tree with strange names, modes, links, a pipe, empty folders and a few kilobytes."""
    root.mkdir(parents=True)
    for number, name in enumerate(STRANGE_NAMES):
        write(os.fsencode(root) + b"/" + name, b"content %d\n" % number)
    folder = os.fsencode(root) + b"/folder \xe6\xb4\xa5\n\xff"
    Path(os.fsdecode(folder)).mkdir(0o750)
    write(folder + b"/inside", b"")
    (root / "empty").mkdir(mode=0o711)
    (root / "page.html").write_text("<h1>津盾</h1>" * 500, encoding="utf-8")
    (root / "page.html").chmod(0o640)
    (root / "link").symlink_to("page.html")
    (root / "dangling").symlink_to(os.fsdecode(b"nowhere\n\xff"))
    os.mkfifo(root / "pipe")
    os.link(root / "page.html", root / "hard link")
    return root


def write(path: bytes, content: bytes) -> None:
    with open(path, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write(content)
