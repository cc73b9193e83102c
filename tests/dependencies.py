"""Finds the files of the package that each step of project.yml runs, by its imports.

`python -m tests.dependencies --write` puts them into project.yml; a test compares.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "components"
PACKAGE = "clinical_ie"

# Entry points are found by name at run time, so no import shows them.
TOKENIZERS = ("spacy_tokenizers",)
PIPELINE_GROUPS = ("spacy_factories", "spacy_architectures", "spacy_scorers", *TOKENIZERS)
ENTRY_POINTS = {
    "convert": TOKENIZERS,
    "pretrain": TOKENIZERS,
    "train": (*PIPELINE_GROUPS, "spacy_readers", "spacy_callbacks"),
    "train-augmented": (*PIPELINE_GROUPS, "spacy_readers", "spacy_callbacks"),
    "train-seeds": (*PIPELINE_GROUPS, "spacy_readers", "spacy_callbacks"),
    "evaluate": PIPELINE_GROUPS,
    "augment": (*TOKENIZERS, "thinc_llm_tasks", "thinc_llm_models", "thinc_llm_misc"),
}
DATA = {".css", ".jinja", ".js", ".yml"}
# The wheel holds the whole package.
WHOLE_PACKAGE = {"package"}


def modules_of(command: dict) -> list[str]:
    """Files of the package that a command runs or ships, relative to the project, sorted."""
    if command["name"] in WHOLE_PACKAGE:
        return sorted(_shipped())
    found: set[Path] = set()
    for line in command["script"]:
        for script in re.findall(r"scripts/\w+\.py", line):
            _follow(ROOT / script, found)
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for group in ENTRY_POINTS.get(command["name"], ()):
        for target in entry_points[group].values():
            _visit(target.split(":")[0], found)
    # Data files are beside the module that reads them, or below; none belong to the whole package.
    rooms = {path.parent for path in found} - {SOURCE / PACKAGE}
    data = {p for room in rooms for p in room.rglob("*") if p.suffix in DATA}
    return sorted(path.relative_to(ROOT).as_posix() for path in found | data)


def _shipped() -> Iterator[str]:
    for path in (SOURCE / PACKAGE).rglob("*"):
        if path.suffix in {".py", *DATA} or path.name == "py.typed":
            yield path.relative_to(ROOT).as_posix()


def _visit(module: str, found: set[Path]) -> None:
    """Add a module, the packages around it, and everything that they import."""
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        base = SOURCE.joinpath(*parts[:depth])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file() and path not in found:
                found.add(path)
                _follow(path, found)


def _follow(path: Path, found: set[Path]) -> None:
    for module in _imports(path):
        _visit(module, found)


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """The names that a file imports from the package, each as if it were a module."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = path.relative_to(SOURCE).parts[: -node.level]
                base = ".".join([*package, *([base] if base else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        modules += [name for name in names if name.split(".")[0] == PACKAGE]
    return tuple(modules)


def with_modules(project: str) -> str:
    """The text of project.yml with up-to-date modules in the deps of each command."""
    commands = {command["name"]: command for command in yaml.safe_load(project)["commands"]}
    lines, name, in_deps = [], "", False
    for line in project.splitlines():
        if match := re.match(r'  - name: "(.+)"', line):
            name = match[1]
        if in_deps and not line.startswith("      - "):
            in_deps = False
            lines += [f'      - "{module}"' for module in modules_of(commands[name])]
        if line == "    deps:":
            in_deps = True
        if not (in_deps and line.startswith(f'      - "components/{PACKAGE}')):
            lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__" and "--write" in sys.argv:
    path = ROOT / "project.yml"
    path.write_text(with_modules(path.read_text(encoding="utf8")), encoding="utf8")
