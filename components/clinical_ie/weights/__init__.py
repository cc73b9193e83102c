"""Weights of encoders and language models: which there are, how they are fetched and checked.

Needs the extra `project`. See `assets/models.yml` for the table of models.
"""

from .choose import Choice, ChoiceError, choose, models_in_config
from .fetch import FetchError, fetch_model, fetch_models, model_problems
from .network import Network
from .progress import Reporter, RichReporter
from .table import Table, TableError, load_table

__all__ = [
    "Choice",
    "ChoiceError",
    "FetchError",
    "Network",
    "Reporter",
    "RichReporter",
    "Table",
    "TableError",
    "choose",
    "fetch_model",
    "fetch_models",
    "load_table",
    "model_problems",
    "models_in_config",
]
