"""The bytes of a package and of its entries, in blocks of 1 MiB."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from coursekeep_connectors.packages.client import Loan
from coursekeep_connectors.packages.container import Container, Reader
from coursekeep_connectors.packages.place import PackageFile
from coursekeep_connectors.packages.threads import in_thread

__all__ = ["entry_chunks", "file_chunks"]

_BLOCK = 2**20


async def file_chunks(file: PackageFile) -> AsyncGenerator[bytes]:
    """Yield the bytes of a file."""
    for offset in range(0, file.size, _BLOCK):
        yield await in_thread(file.pread, offset, _BLOCK)


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
