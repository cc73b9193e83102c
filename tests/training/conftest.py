"""A training run that is interrupted between its last step and its calibration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clinical_ie.training import run


@pytest.fixture
def train_until_calibration(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Path, Path, dict[str, Any]], None]:
    """Takes config, output folder and values; the same run, started again, goes on from there."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def train(config: Path, out: Path, values: dict[str, Any]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(run, "_calibrate", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run.train_pipeline(config, out, values, -1)

    return train
