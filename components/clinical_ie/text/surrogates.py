"""Halves of characters, which JSON and YAML can express and UTF-8 cannot encode."""

import re

HALF_A_SIGN = re.compile("[\ud800-\udfff]")
