"""Prepare pages that others made, so that they work in a sandbox that has no storage."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

HEAD = re.compile(rb"<head(?:\s[^>]*)?>", re.IGNORECASE)
LOOKED_AT_BYTES = 64 << 10
SHIM = b"""<script>(function () {
  function storage() {
    var kept = new Map();
    return {
      getItem: function (name) { return kept.has(String(name)) ? kept.get(String(name)) : null; },
      setItem: function (name, value) { kept.set(String(name), String(value)); },
      removeItem: function (name) { kept.delete(String(name)); },
      clear: function () { kept.clear(); },
      key: function (number) { return Array.from(kept.keys())[number] || null; },
      get length() { return kept.size; }
    };
  }
  ["localStorage", "sessionStorage"].forEach(function (name) {
    Object.defineProperty(window, name, { value: storage(), configurable: true });
  });
})();</script>"""
"""Comes before every script of the page: in an origin of its own, reading `localStorage` throws."""


def framed(source: Path, target: Path) -> None:
    """Write an HTML file compressed, the shim first in its head."""
    with source.open("rb") as plain, gzip.open(target, "wb", compresslevel=5) as packed:
        beginning = plain.read(LOOKED_AT_BYTES)
        found = HEAD.search(beginning)
        if found is not None:
            place = found.end()
        else:
            doctype = re.match(rb"\s*<!doctype[^>]*>", beginning, re.IGNORECASE)
            place = doctype.end() if doctype else 0
        packed.write(beginning[:place] + SHIM + beginning[place:])
        while block := plain.read(1 << 20):
            packed.write(block)
