"""The released files of i2b2-2012 (temporal relations): read into brat's model, and written back.

The data needs a signed agreement and is not part of this project.
"""

from .note import I2b2Settings, list_notes, read_note, strays
from .write import standoff_to_xml

# Folder names in the release, and the number of notes in each. The test release holds every note
# four times: `merged_xml`, `merged_i2b2` and both of them unmerged.
FOLDERS = {
    "train": ("2012-07-15.original-annotation.release", "*original-annotation*", "*train*"),
    "test": (
        "*test-data.groundtruth*/**/merged_xml",
        "ground_truth*/**/merged_xml",
        "2012-08-23.test-data.groundtruth",
        "*test-data.groundtruth*",
        "ground_truth*",
    ),
}
SIZES = {"train": 190, "test": 120}

__all__ = [
    "FOLDERS",
    "SIZES",
    "I2b2Settings",
    "list_notes",
    "read_note",
    "standoff_to_xml",
    "strays",
]
