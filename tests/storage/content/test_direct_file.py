"""Files that are written past the page cache: whole, in order, whatever the file system can do."""

from __future__ import annotations

import errno
import fcntl
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.content.direct_file import DirectFile

BLOCK = 4096
BUFFER = 512 * 1024
Open = Callable[..., int]


def cut(content: bytes, longest: int, chance: random.Random) -> list[bytes]:
    """`content` in pieces of 1 to `longest` bytes."""
    parts = []
    while content:
        end = chance.randint(1, longest)
        parts.append(content[:end])
        content = content[end:]
    return parts


def write(path: Path, content: bytes, *, seed: int = 1) -> None:
    """The content in a few writes of a few parts each."""
    chance = random.Random(seed)
    file = DirectFile(path)
    *parts, last = cut(content, max(len(content) // 5, 1), chance) or [b""]
    for part in parts:
        file.write(cut(part, len(part), chance))
    file.finish([last])


@pytest.mark.parametrize(
    "size",
    [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, BUFFER - 1, BUFFER, BUFFER + 1, 2 * BUFFER, 3 * BUFFER + 7],
)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_is_there(tmp_path: Path, size: int, seed: int) -> None:
    content = random.Random(size).randbytes(size)
    write(tmp_path / "file", content, seed=seed)
    assert (tmp_path / "file").read_bytes() == content
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_writers_in_several_threads_do_not_meet(tmp_path: Path) -> None:
    contents = [random.Random(number).randbytes(BUFFER + number * 1000) for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda it: write(tmp_path / str(it[0]), it[1]), enumerate(contents)))
    assert [(tmp_path / str(n)).read_bytes() for n in range(len(contents))] == contents


def test_only_the_end_goes_through_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        os.close(os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT | os.O_DIRECT))
    except OSError:
        pytest.skip("the temporary directory is on a file system without direct writes")
    seen: list[tuple[bool, int]] = []
    usual = os.write

    def watch(descriptor: int, data: bytes) -> int:
        direct = bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)
        seen.append((direct, len(data)))
        return usual(descriptor, data)

    monkeypatch.setattr(os, "write", watch)
    write(tmp_path / "file", b"x" * (BUFFER + BLOCK + 100))
    assert seen.pop() == (False, 100)
    assert {direct for direct, _ in seen} == {True}
    assert sum(octets for _, octets in seen) == BUFFER + BLOCK


def refuse_to_open(usual: Open) -> Open:
    """A file system that knows no direct writes, and makes the file before it says so."""

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = usual(path, flags & ~os.O_DIRECT, mode)
        if flags & os.O_DIRECT:
            os.close(descriptor)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return descriptor

    return refuse


def refuse_to_write(usual: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
    """A file system that opens the file and then wants larger blocks."""

    def refuse(descriptor: int, data: bytes) -> int:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return usual(descriptor, data)

    return refuse


@pytest.mark.parametrize("call, refusal", [("open", refuse_to_open), ("write", refuse_to_write)])
def test_without_direct_writes_all_goes_through_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, refusal: Callable[..., Open]
) -> None:
    content = random.Random(1).randbytes(BUFFER + 100)
    monkeypatch.setattr(os, call, refusal(getattr(os, call)))
    write(tmp_path / "file", content)
    monkeypatch.undo()
    assert (tmp_path / "file").read_bytes() == content


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(1).randbytes(BUFFER + 100)
    usual = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: usual(descriptor, data[:BLOCK]))
    write(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == content


def test_other_faults_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"somebody else's")
    with pytest.raises(FileExistsError):
        DirectFile(tmp_path / "file").write([b"x"])
    assert (tmp_path / "file").read_bytes() == b"somebody else's"

    def fail(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match="Invalid argument"):
        DirectFile(tmp_path / "next").write([b"x" * BLOCK])


def test_a_closed_file_takes_nothing_more(tmp_path: Path) -> None:
    begun, never = DirectFile(tmp_path / "begun"), DirectFile(tmp_path / "never")
    begun.write([b"x"])
    for file in (begun, never):
        file.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            file.write([b"y"])
    assert not (tmp_path / "never").exists()
