from pathlib import Path

import pytest
import spacy
from spacy.util import load_config
from thinc.api import Config

from clinical_ie.training.limits import check_limits

CONFIGS = Path(__file__).parents[2] / "configs" / "train"
MINILM = CONFIGS / "minilm.cfg"
WEIGHTS = "training.score_weights"
RATE = "training.optimizer.learn_rate"


def with_setting(setting: str, value: object) -> Config:
    """The default config with one setting changed."""
    config = load_config(MINILM, interpolate=True)
    *path, name = setting.split(".")
    section = config
    for part in path:
        section = section[part]
    section[name] = value
    return config


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.cfg")), ids=lambda path: path.stem)
def test_the_projects_configs_are_within_the_limits(config: Path):
    check_limits(load_config(config, interpolate=True))


def test_what_spacy_fills_in_is_within_the_limits():
    check_limits(spacy.blank("en").config.interpolate())


@pytest.mark.parametrize(
    ("setting", "value", "limit"),
    [
        ("nlp.batch_size", 0, "must be 1 or more"),
        ("training.accumulate_gradient", 0, "must be 1 or more"),
        ("training.eval_frequency", 0, "must be 1 or more"),
        ("training.patience", -1, "must be 0 or more"),
        ("training.max_steps", -1, "must be 0 or more"),
        ("training.max_epochs", -2, "must be -1 or more"),
        ("training.dropout", 1.0, "must be 0 or more, and less than 1"),
        ("training.dropout", -0.1, "must be 0 or more, and less than 1"),
        ("training.batcher.size", 0, "must be 1 or more"),
        ("training.batcher.tolerance", -0.1, "must be 0 or more"),
        ("training.optimizer.L2", -0.01, "must be 0 or more"),
        ("training.optimizer.grad_clip", -1.0, "must be 0 or more"),
        ("training.optimizer.beta1", 0.0, "must lie between 0 and 1, and be neither"),
        ("training.optimizer.beta2", 1.0, "must lie between 0 and 1, and be neither"),
        ("training.optimizer.eps", 0.0, "must be more than 0"),
        ("training.optimizer.learn_rate", 0.0, "must be more than 0"),
        ("training.optimizer.learn_rate", float("nan"), "must be more than 0"),
        ("training.optimizer.learn_rate.initial_rate", -0.002, "must be more than 0"),
        ("nlp.batch_size", None, "must be a number, 1 or more"),
        ("training.seed", 1.5, "must be a whole number, or null"),
        (f"{WEIGHTS}.mentions_strict_f", -0.5, "must be a number, 0 or more, or null"),
        (f"{WEIGHTS}.mentions_strict_f", "high", "must be a number, 0 or more, or null"),
        ("training.optimizer.learn_rate.warmup_steps", -1, "must be 0 or more"),
    ],
)
def test_a_number_out_of_range_is_told_with_its_limit(setting: str, value: float, limit: str):
    config = with_setting(setting, value)
    with pytest.raises(ValueError, match="must") as error:
        check_limits(config)
    assert str(error.value) == f"{setting} = {value}: {limit}"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("training.max_epochs", -1),
        ("training.dropout", 0.0),
        ("training.optimizer.L2", 0.0),
        ("training.optimizer.grad_clip", 0.0),
        (f"{WEIGHTS}.mentions_strict_f", None),
        ("training.seed", None),
    ],
)
def test_a_number_at_its_limit_is_accepted(setting: str, value: float):
    check_limits(with_setting(setting, value))


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("warmup_steps", 500, "= 500 is not less than it: the rate never reaches initial_rate"),
        ("total_steps", 499, "= 499 is less: the rate is 0 from there on"),
    ],
)
def test_a_rate_that_fits_no_training_of_this_length_is_told(setting, value, told, caplog):
    config = with_setting("training.max_steps", 500)
    rate = config["training"]["optimizer"]["learn_rate"]
    rate |= {"warmup_steps": 100, "total_steps": 500}
    check_limits(config)
    assert not caplog.records
    rate[setting] = value
    check_limits(config)
    [record] = caplog.records
    assert f"training.max_steps is 500, and {RATE}.{setting} {told}" in record.getMessage()


@pytest.mark.parametrize(
    "setting",
    [WEIGHTS, "training.optimizer", RATE, f"{RATE}.warmup_steps", f"{RATE}.total_steps", "nlp"],
)
def test_what_is_null_or_missing_is_left_to_spacy(setting: str):
    config = with_setting("training.max_steps", 500)
    *path, name = setting.split(".")
    section = config
    for part in path:
        section = section[part]
    section[name] = None
    check_limits(config)
    del section[name]
    check_limits(config)


def test_functions_of_ones_own_have_limits_of_their_own():
    @spacy.registry.schedules("test.from_below.v1")
    def from_below(exponent: float):
        raise NotImplementedError

    rate = {"@schedules": "test.from_below.v1", "exponent": -0.5}
    config = with_setting("training.optimizer.learn_rate", rate)
    check_limits(config)
    rate["@schedules"] = "constant.v1"
    with pytest.raises(ValueError, match=r"exponent = -0\.5"):
        check_limits(config)
