"""Check a bag: everything listed is there and unchanged, and nothing else is."""

from __future__ import annotations

import hashlib
import re

from coursekeep_daemon.package.bag import BadManifest, escapes, read_bag_info, read_manifest_line
from coursekeep_daemon.package.report import VerifyReport
from coursekeep_daemon.package.trees import Tree, Unreadable

__all__ = ["check_bag"]

_MANIFEST = re.compile(r"(tag)?manifest-([a-z0-9]+)\.txt")
_VERSION = re.compile(r"BagIt-Version: \d+\.\d+")
_ENCODING = "Tag-File-Character-Encoding: UTF-8"


def check_bag(tree: Tree, report: VerifyReport, prefix: str = "") -> None:
    """Check a bag and report what is wrong, with paths behind `prefix`."""
    _Check(tree, report, prefix).run()


class _Check:
    def __init__(self, tree: Tree, report: VerifyReport, prefix: str) -> None:
        self._tree = tree
        self._report = report
        self._prefix = prefix
        self._paths = tree.paths()
        self._payload = {path for path in self._paths if path.startswith("data/")}

    def run(self) -> None:
        self._declaration()
        manifests = {name: found for name in sorted(self._paths) if (found := _MANIFEST.fullmatch(name))}
        #: path -> algorithm -> digest, over all manifests, so that every file is read once
        wanted: dict[str, dict[str, str]] = {}
        for name, found in manifests.items():
            listed = self._listed(name)
            self._coverage(name, listed, tag=bool(found[1]))
            if found[2] not in hashlib.algorithms_available:
                self._problem(name, f"its algorithm {found[2]} cannot be computed here")
                continue
            for path, digest in listed.items():
                wanted.setdefault(path, {})[found[2]] = digest
        if not any(found[1] is None for found in manifests.values()):
            self._problem(".", "there is no payload manifest (manifest-sha512.txt)")
        for path, digests in sorted(wanted.items()):
            self._compare(path, digests)
        self._oxum()
        self._fetch()

    def _problem(self, path: str, what: str) -> None:
        self._report.problem(self._prefix + path, what)

    def _lines(self, path: str) -> list[str]:
        try:
            return list(self._tree.lines(path))
        except Unreadable as error:
            self._problem(path, str(error))
            return []

    def _declaration(self) -> None:
        if "bagit.txt" not in self._paths:
            self._problem("bagit.txt", "it is missing")
            return
        lines = self._lines("bagit.txt")
        if len(lines) != 2 or not _VERSION.fullmatch(lines[0]) or lines[1] != _ENCODING:
            self._problem("bagit.txt", "it is not the declaration of a bag with tag files in UTF-8")

    def _listed(self, manifest: str) -> dict[str, str]:
        listed: dict[str, str] = {}
        for number, line in enumerate(self._lines(manifest), 1):
            if not line.strip():
                continue
            try:
                digest, path = read_manifest_line(line)
            except BadManifest as error:
                self._problem(manifest, f"line {number}: {error}")
                continue
            if path in listed:
                self._problem(path, f"{manifest} lists it twice")
            listed[path] = digest
        return listed

    def _coverage(self, manifest: str, listed: dict[str, str], *, tag: bool) -> None:
        for path in sorted(listed.keys() - set(self._paths)):
            self._problem(path, f"{manifest} lists it, but it is missing")
        if tag:
            for path in sorted(path for path in listed if path.startswith(("data/", "tagmanifest-"))):
                self._problem(path, f"{manifest} must not list it")
            return
        for path in sorted(self._payload - listed.keys()):
            self._problem(path, f"{manifest} does not list it")
        for path in sorted(path for path in listed if not path.startswith("data/")):
            self._problem(path, f"{manifest} lists it, but it is not below data/")

    def _compare(self, path: str, digests: dict[str, str]) -> None:
        if path not in self._paths:
            return
        try:
            found = self._tree.digests(path, digests.keys())
        except Unreadable as error:
            self._problem(path, str(error))
            return
        for algorithm, digest in digests.items():
            if found[algorithm] != digest:
                self._problem(path, f"its {algorithm} is {found[algorithm]}, but {digest} was recorded")

    def _oxum(self) -> None:
        if "bag-info.txt" not in self._paths:
            return
        info = read_bag_info("\n".join(self._lines("bag-info.txt")).encode("utf-8", "replace"))
        sizes = [self._tree.size(path) for path in self._payload]
        actual = f"{sum(sizes)}.{len(sizes)}"
        for stated in info.get("payload-oxum", []):
            if stated != actual:
                self._problem("bag-info.txt", f"Payload-Oxum says {stated}, but the payload is {actual}")

    def _fetch(self) -> None:
        """Report files that are still to be fetched; their absence alone makes a bag incomplete."""
        if "fetch.txt" not in self._paths:
            return
        for line in self._lines("fetch.txt"):
            path = line.split(None, 2)[-1] if line.strip() else ""
            if path and escapes(path):
                self._problem("fetch.txt", f"the path {path!r} leads out of the bag")
            elif path and path not in self._paths:
                self._problem(path, "fetch.txt says that it is still to be fetched")
