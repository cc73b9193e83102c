"""What a saved encoder may consist of: a pipeline's folder is data, and must not run code."""

import json
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

# By which transformers would find a class in a file beside the weights.
_CODE = "auto_map"
_TOKENIZER_CONFIG = "tokenizer_config.json"


def without_code(message: dict[str, Any]) -> bool:
    """Take out of a saved encoder what would run code when it is loaded.

    spacy-transformers writes the tokenizer's files to the places that the message names, and passes
    its settings on to transformers.
    message (dict[str, Any]): As `HFShim.to_bytes` packs it; changed in place.
    RETURNS (bool): Whether anything was taken out.
    RAISES (ValueError): A name is not that of a file of data.
    """
    files = message["tokenizer"]
    for name in files:
        plain = all(kind(name).name == name for kind in (PurePosixPath, PureWindowsPath))
        if not plain or name in {"", ".", ".."} or name.endswith(".py"):
            raise ValueError(
                f"the saved encoder has a file {name!r}, which no tokenizer has: this pipeline was "
                "changed by someone, and is not loaded"
            )
    settings = files.get("kwargs", {})
    fewer = {key: bool(value) for key, value in settings.items() if key == "use_fast"}
    found = fewer != settings
    if found:
        files["kwargs"] = fewer
    if message["config"].pop(_CODE, None):
        found = True
    if _TOKENIZER_CONFIG in files:
        own = json.loads(files[_TOKENIZER_CONFIG])
        if own.pop(_CODE, None):
            files[_TOKENIZER_CONFIG] = json.dumps(own).encode()
            found = True
    return found
