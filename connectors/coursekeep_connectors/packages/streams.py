"""The bytes of a package and of its entries, in blocks of 1 MiB."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import BinaryIO

from coursekeep import NoAccess, RetryLater
from coursekeep_connectors.packages.client import Loan
from coursekeep_connectors.packages.container import Container, Reader
from coursekeep_connectors.packages.threads import in_thread

__all__ = ["entry_chunks", "file_chunks"]

_BLOCK = 2**20


async def file_chunks(path: Path, size: int) -> AsyncGenerator[bytes]:
    """Yield the bytes of a file that must have `size` of them."""
    try:
        source: BinaryIO = await in_thread(path.open, "rb", discard=lambda opened: opened.close())
    except OSError as error:
        raise NoAccess(f"the file cannot be read: {error.strerror}", where=path.name) from error
    received = 0
    try:
        while data := await in_thread(source.read, _BLOCK):
            received += len(data)
            yield data
    except OSError as error:
        raise RetryLater(f"the disk failed: {error.strerror}", where=path.name) from error
    finally:
        source.close()
    if received != size:
        raise RetryLater(f"{received:,} bytes came of the {size:,} that the file had", where=path.name)


async def entry_chunks(loan: Loan, entry: str) -> AsyncGenerator[bytes]:
    """Yield the bytes of an entry; one at a time where the package is read best from front to back."""
    async with AsyncExitStack() as stack:
        if loan.container.in_turn:
            await stack.enter_async_context(loan.turn)
        reader, data = await in_thread(_begun, loan.container, entry, discard=lambda begun: begun[0].close())
        stack.callback(reader.close)
        while data:
            yield data
            data = await in_thread(_block, reader) if len(data) == _BLOCK else b""


def _begun(container: Container, entry: str) -> tuple[Reader, bytes]:
    """Open an entry and read its first block, which is all of most entries: a trip to a thread costs more than that."""
    reader = container.open(entry)
    try:
        return reader, _block(reader)
    except BaseException:
        reader.close()
        raise


def _block(reader: Reader) -> bytes:
    """Return the next block; one that is not full is the last, and was read to its end and its checksum."""
    pieces: list[bytes] = []
    left = _BLOCK
    while left and (data := reader.read(left)):
        pieces.append(data)
        left -= len(data)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
