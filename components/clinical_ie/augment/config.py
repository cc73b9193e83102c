"""Reads `configs/augment/*.cfg`: a spaCy pipeline with an `llm` component, and [augment]."""

import configparser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confection import Config, ConfigValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from spacy.language import Language
from spacy.util import load_config
from spacy_llm.util import assemble_from_config

from .strategy import Strategy

_SECTIONS = {"paths", "augment", "nlp", "components", "system", "initialize"}
_PATHS = {"train", "journal", "model", "encoder"}


class ConfigError(ValueError):
    """A config that cannot be used; the message is one line and names the file."""


class Settings(BaseModel):
    """The section [augment].

    tries (int): A segment is given up after this many rejected answers, or this many requests
        without an answer.
    max_words (int): Longer segments are left out.
    max_term_words (int | None): Segments with a longer term are left out.
    nested (bool): Whether segments with nested mentions are used.
    min_mentions, max_mentions (int): Segments with a number of mentions in this range come first.
    variants (int): Maximum number of rewrites of one segment; second ones start once every segment
        has been tried.
    segments_per_note (int): Maximum number of rewritten segments in one new note.
    batch_size (int): Number of segments passed to the model together.
    max_requests (int | None): The run ends after this many requests, whatever their outcome;
        answers from the journal cost nothing and are not counted.
    give_up_after (int | None): The run ends if none of so many first answers is accepted, as with a
        prompt or filter that is wrong; None: never.
    strategy (Strategy): Which segments come first: any, those with labels that are rare in
        training, or those with labels that a model got wrong on dev.
    dev_metrics (Path | None): For `weak_labels`: that model's scores, from `scripts/evaluate.py`.
    feedback (bool): Whether the model is told what was wrong with its previous answer.
    log_text (bool): Whether debug messages of libraries, which contain note text, are logged.
    prompt_price, completion_price (float): Per million tokens, for the report.
    """

    model_config = ConfigDict(extra="forbid")

    tries: int = Field(ge=1)
    max_words: int = Field(ge=1)
    max_term_words: int | None = Field(default=None, ge=1)
    nested: bool = True
    min_mentions: int = Field(default=2, ge=1)
    max_mentions: int = Field(default=8, ge=1)
    variants: int = Field(default=1, ge=1)
    segments_per_note: int = Field(default=1, ge=1)
    batch_size: int = Field(default=1, ge=1)
    max_requests: int | None = Field(default=None, ge=1)
    give_up_after: int | None = Field(default=500, ge=1)
    strategy: Strategy = "uniform"
    dev_metrics: Path | None = None
    feedback: bool = False
    log_text: bool = False
    prompt_price: float = Field(default=0.0, ge=0)
    completion_price: float = Field(default=0.0, ge=0)

    @property
    def prices(self) -> tuple[float, float]:
        """Prices per million prompt and completion tokens."""
        return self.prompt_price, self.completion_price

    @model_validator(mode="after")
    def _ordered(self) -> "Settings":
        if self.min_mentions > self.max_mentions:
            raise ValueError("min_mentions is above max_mentions")
        if self.strategy == "weak_labels" and self.dev_metrics is None:
            raise ValueError("strategy weak_labels needs dev_metrics, a model's scores on dev")
        return self


def load(path: Path, paths: dict[str, Path]) -> tuple[Settings, Language, dict[str, Any]]:
    """Read a config and build its pipeline.

    paths (dict[str, Path]): Values for [paths] that override those in the file.
    RETURNS (tuple[Settings, Language, dict[str, Any]]): Settings, the pipeline, and the config
        block of the rewriting model, without the journal that wraps it.
    RAISES (FileNotFoundError): No such file.
    RAISES (ConfigError): It does not parse, or has an unknown key or an invalid value.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such config")
    try:
        config = load_config(path, interpolate=False)
        _check_sections(config)
        if "model" in paths and "model" not in config["paths"]:
            raise ValueError("this config has no paths.model, so --model-path has no effect")
        for name, value in paths.items():
            config["paths"][name] = str(value)
        values = config.interpolate()
        settings = Settings(**values["augment"])
        nlp = assemble_from_config(config)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_listed(error.errors(), 'augment')}") from error
    except ConfigValidationError as error:
        # Syntax errors come with a description, invalid values with a list.
        message = _listed(error.errors, "components") if error.errors else _one_line(error.desc)
        raise ConfigError(f"{path}: {message}") from error
    except (ValueError, configparser.Error) as error:
        raise ConfigError(f"{path}: {_one_line(error)}") from error
    model = values["components"]["llm"]["model"]
    while isinstance(model.get("model"), dict):
        model = model["model"]
    return settings, nlp, dict(model)


def _check_sections(config: Config) -> None:
    unknown = config.keys() - _SECTIONS
    if unknown:
        raise ValueError(f"unknown section [{min(unknown)}]; known: {', '.join(sorted(_SECTIONS))}")
    for section in ("augment", "paths", "components"):
        if section not in config:
            raise ValueError(f"no section [{section}]")
    if "llm" not in config["components"]:
        raise ValueError("no section [components.llm]")
    unknown = config["paths"].keys() - _PATHS
    if unknown:
        raise ValueError(
            f"unknown key {min(unknown)} in [paths]; known: {', '.join(sorted(_PATHS))}"
        )


def _listed(errors: Iterable[Any], section: str) -> str:
    return "; ".join(
        f"{'.'.join([section, *map(str, error.get('loc', ()))])}: {_one_line(error['msg'])}"
        for error in errors
    )


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
