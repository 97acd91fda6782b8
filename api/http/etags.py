"""Parse the entity tags of If-Match and If-None-Match: one or several, also as compressing proxies rename them."""

from __future__ import annotations

import re

from werkzeug.http import parse_etags

# Apache, Jetty and others put the coding in the tag of what they compress, and pass the tag on to us like that.
CODING = re.compile(r"(?:--?|;)(?:gzip|br|zstd|deflate)$")
ANY = "*"


def named(header: str | None) -> set[str]:
    """Return the tags without quotes, weakness and coding. `*` stands for itself."""
    if not header:
        return set()
    tags = parse_etags(header)
    if tags.star_tag:
        return {ANY}
    return {CODING.sub("", tag) for tag in tags.as_set(include_weak=True) if tag}
