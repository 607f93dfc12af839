"""File names for what others named: one name for each, whatever stands in it and however long it is."""

from __future__ import annotations

import hashlib
import json
import urllib.parse

__all__ = ["json_file"]

_LONGEST = 200  # of the 255 bytes that a file system takes


def json_file(*parts: str) -> str:
    """`A.B.json` for the parts A and B. Dots within a part but the last are escaped, so that no other parts make this name.

    What is too long stands there as a hash. Its `%~` begins no other name: a percent sign is followed by two digits there.
    """
    *first, last = (urllib.parse.quote(part, safe="", errors="surrogatepass") for part in parts)
    name = ".".join((*(part.replace(".", "%2E") for part in first), last))
    if len(name) > _LONGEST:
        name = "%~" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{name}.json"
