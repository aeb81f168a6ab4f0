"""What stands in deploy/Containerfile, instruction by instruction."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONTAINERFILE", "Instruction", "Stage", "stages"]

CONTAINERFILE = Path(__file__).resolve().parents[2] / "deploy" / "Containerfile"

#: the instructions that are used; another is a mistake, or a reason to look again at the tests
KNOWN = frozenset(
    "ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN STOPSIGNAL USER VOLUME WORKDIR".split()  # noqa: SIM905  # reads as they are written
)


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction with what stands behind it, joined to one line."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """What stands behind it, without options, as a shell would split it; or as the JSON list that it is."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return [word for word in shlex.split(self.text) if not word.startswith("--")]

    @property
    def options(self) -> dict[str, str]:
        """The options before it: `--from=build`."""
        found = (word.removeprefix("--").partition("=") for word in shlex.split(self.text) if word.startswith("--"))
        return {name: value for name, _, value in found}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: from which image, under which name, and its instructions."""

    base: str
    name: str
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        """Return all instructions of a name."""
        return [one for one in self.instructions if one.name == name]

    def only(self, name: str) -> Instruction:
        """Return the one instruction of a name."""
        (found,) = self.all(name)
        return found


def stages(path: Path = CONTAINERFILE) -> tuple[list[Instruction], list[Stage]]:
    """Return what stands before the first stage, and the stages."""
    found = list(_instructions(path.read_text(encoding="utf-8")))
    starts = [index for index, one in enumerate(found) if one.name == "FROM"]
    made = []
    for start, end in zip(starts, [*starts[1:], len(found)], strict=True):
        base, *more = found[start].words
        made.append(Stage(base=base, name=more[1] if more else "", instructions=tuple(found[start + 1 : end])))
    return found[: starts[0]], made


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    made = []
    for line in filter(str.strip, joined.splitlines()):
        name, _, rest = line.partition(" ")
        assert name in KNOWN, f"{name} is no instruction that the tests know"
        made.append(Instruction(name=name, text=" ".join(rest.split())))
    return made
