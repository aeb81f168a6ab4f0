"""Packages that no LMS made: each harmful in its own way, and small on the disk."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from fakes.moodle_backup import MOODLE
from fakes.package_files import PLAIN_CARTRIDGE, make_mbz, make_zip

__all__ = ["HOSTILE", "many_entries_tar", "many_entries_zip"]

_ZEROS = bytes(80 * 2**20)


def _zip_with(path: Path, name: str, mode: int | None = None) -> Path:
    make_zip(path, PLAIN_CARTRIDGE)
    with zipfile.ZipFile(path, "a") as target:
        about = zipfile.ZipInfo(name)
        about.external_attr = (mode or stat.S_IFREG | 0o644) << 16
        target.writestr(about, "/etc/passwd")
    return path


def _tar_with(path: Path, **fields: object) -> Path:
    make_mbz(path, MOODLE)
    raw = io.BytesIO(gzip.decompress(path.read_bytes()))
    with tarfile.open(fileobj=raw, mode="a") as target:
        about = tarfile.TarInfo("extra")
        for key, value in fields.items():
            setattr(about, key, value)
        target.addfile(about)
    path.write_bytes(gzip.compress(raw.getvalue()))
    return path


def _twice(path: Path) -> Path:
    make_zip(path, PLAIN_CARTRIDGE)
    data = path.read_bytes()  # the writer of Python warns; the bytes of two names of one length do not
    path.write_bytes(data.replace(b"notes.txt", b"img/x.png"))
    return path


def _zip_bomb(path: Path) -> Path:
    return make_zip(path, {**PLAIN_CARTRIDGE, "bomb.bin": _ZEROS})


def _tar_bomb(path: Path) -> Path:
    return make_mbz(path, {**MOODLE, "files/00/bomb": _ZEROS})


def _lying_directory(path: Path) -> Path:
    """The end of the zip file promises a directory of 4 GB."""
    make_zip(path, PLAIN_CARTRIDGE)
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, len(data) - 22 + 12, 0xFFFFFFF0)
    path.write_bytes(bytes(data))
    return path


def _cut(path: Path) -> Path:
    make_mbz(path, MOODLE)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def _cut_zip(path: Path) -> Path:
    make_zip(path, PLAIN_CARTRIDGE)
    path.write_bytes(path.read_bytes()[:-40])
    return path


def _endless_header(path: Path) -> Path:
    """A tar file whose extended header is said to have 8 GB."""
    about = tarfile.TarInfo("././@PaxHeader")
    about.type, about.size = tarfile.XHDTYPE, 8 * 2**30 - 1
    path.write_bytes(gzip.compress(about.tobuf() + bytes(2048)))
    return path


def _entities(path: Path) -> Path:
    doctype = '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    text = str(PLAIN_CARTRIDGE["imsmanifest.xml"]).replace("<manifest", doctype + "<manifest", 1)
    return make_zip(path, {**PLAIN_CARTRIDGE, "imsmanifest.xml": text})


def _deep(path: Path) -> Path:
    text = str(PLAIN_CARTRIDGE["imsmanifest.xml"]).replace("<resources>", "<x>" * 5000 + "</x>" * 5000 + "<resources>")
    return make_zip(path, {**PLAIN_CARTRIDGE, "imsmanifest.xml": text})


def _encoding(path: Path) -> Path:
    text = str(PLAIN_CARTRIDGE["imsmanifest.xml"]).encode().replace(b"Botany", b"Bot\xff\xfeny")
    return make_zip(path, {**PLAIN_CARTRIDGE, "imsmanifest.xml": text})


#: what makes each package, and a part of the reason for which it must be refused
HOSTILE: Mapping[str, tuple[Callable[[Path], Path], str]] = {
    "absolute.imscc": (lambda path: _zip_with(path, "/etc/cron.d/x"), "absolute path"),
    "drive.imscc": (lambda path: _zip_with(path, "C:/x"), "absolute path"),
    "escape.imscc": (lambda path: _zip_with(path, "a/../../x"), "leads out of the package"),
    "backslash.imscc": (lambda path: _zip_with(path, "..\\..\\x"), "leads out of the package"),
    "link.imscc": (lambda path: _zip_with(path, "link", stat.S_IFLNK | 0o777), "a link or a device"),
    "device.imscc": (lambda path: _zip_with(path, "dev", stat.S_IFCHR | 0o777), "a link or a device"),
    "nested.imscc": (lambda path: _zip_with(path, "a/" * 100 + "x"), "deeper than"),
    "twice.imscc": (_twice, "two entries are named"),
    "ratio.imscc": (_zip_bomb, "max_ratio"),
    "directory.imscc": (_lying_directory, "directory"),
    "cut.imscc": (_cut_zip, "cut off"),
    "entities.imscc": (_entities, "document types and entities"),
    "deep.imscc": (_deep, "max_depth"),
    "encoding.imscc": (_encoding, "not well-formed"),
    "escape.mbz": (lambda path: _tar_with(path, name="../../x"), "leads out of the package"),
    "absolute.mbz": (lambda path: _tar_with(path, name="/x"), "absolute path"),
    "symlink.mbz": (lambda path: _tar_with(path, type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link"),
    "hardlink.mbz": (lambda path: _tar_with(path, type=tarfile.LNKTYPE, linkname="users.xml"), "a link"),
    "device.mbz": (lambda path: _tar_with(path, type=tarfile.CHRTYPE), "a link, a device"),
    "sparse.mbz": (lambda path: _tar_with(path, type=tarfile.GNUTYPE_SPARSE), "unknown type"),
    "twice.mbz": (lambda path: _tar_with(path, name="users.xml"), "two entries are named"),
    "ratio.mbz": (_tar_bomb, "max_ratio"),
    "cut.mbz": (_cut, "cut off"),
    "header.mbz": (_endless_header, "extended header"),
    "noise.mbz": (lambda path: path.write_bytes(gzip.compress(b"noise" * 1000)) and path, "no tar file"),
    "garbage.mbz": (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(range(256))) and path, "damaged"),
}


def many_entries_zip(path: Path, count: int) -> Path:
    """Write a zip file of empty entries fast, by hand."""
    listed = io.BytesIO()
    body = io.BytesIO()
    for number in range(count):
        name = f"{number:07d}".encode()
        place = body.tell()
        body.write(struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0) + name)
        listed.write(
            struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, place)
            + name
        )
    size, start = listed.tell(), body.tell()
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, size, start, 0)
    path.write_bytes(body.getvalue() + listed.getvalue() + end)
    return path


def many_entries_tar(path: Path, count: int) -> Path:
    """Write a gzipped tar file of empty entries fast: one header, its name and sum changed."""
    template = bytearray(tarfile.TarInfo("0000000").tobuf(tarfile.USTAR_FORMAT))
    base = sum(template[:148]) + sum(template[156:]) + 8 * 32 - 7 * ord("0")
    packer = zlib.compressobj(1, wbits=31)
    with path.open("wb") as target:
        for number in range(count):
            name = f"{number:07d}".encode()
            template[:7] = name
            template[148:156] = f"{base + sum(name):06o}\0 ".encode()
            target.write(packer.compress(bytes(template)))
        target.write(packer.compress(bytes(1024)) + packer.flush())
    return path
