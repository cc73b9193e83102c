"""One training run of spaCy's, that fails in one line and leaves nothing half-done."""

import shutil
from pathlib import Path
from typing import Any

from confection import ConfigValidationError
from spacy.cli.train import train
from spacy.util import load_config, load_model_from_config


class TrainingError(ValueError):
    """A run that could not be started or went wrong; the message is one line."""


def train_pipeline(config: Path, out: Path, overrides: dict[str, Any], gpu_id: int) -> None:
    """Train by a config; `out` gets `model-best`, `model-last` and `log.jsonl`, all at once.

    Until the end they stand beside it, in a folder with `.part` at its end. A run that is
    interrupted leaves that folder, with the best so far.
    overrides (dict[str, Any]): Values for the config, by dotted name.
    gpu_id (int): -1 for the CPU.
    RAISES (TrainingError): The config does not parse or holds what cannot be; nothing is left.
    """
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        # Ahead of spaCy, which tells of a bad config on many lines and ends the process.
        load_model_from_config(load_config(config, overrides=overrides, interpolate=True))
        train(
            config, part, use_gpu=gpu_id, overrides=overrides | {"paths.log": f"{part}/log.jsonl"}
        )
    except (ConfigValidationError, OSError, ValueError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise TrainingError(f"{config}: {_one_line(error)}") from error
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)


def _one_line(error: Exception) -> str:
    if isinstance(error, ConfigValidationError) and error.errors:
        return "; ".join(
            f"[{'.'.join(map(str, found.get('loc', ())))}] {found['msg']}" for found in error.errors
        )
    text = error.desc if isinstance(error, ConfigValidationError) else str(error)
    return " ".join(str(text).split())
