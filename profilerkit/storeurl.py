"""Name a store: the label that may be shown of its URL, and a fingerprint that tells stores apart.

Light, because the recording side uses it in the user's process.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from profilerkit.errors import UsageError
from profilerkit.redact import redact_url

_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)"


def scheme_of(url: str) -> str:
    """Return the scheme of a store's URL in lower case; a plain path has `file`.

    Raises UsageError for chains like `simplecache::s3://…`: a cache would show old listings.
    """
    if "::" in url.partition("://")[0]:
        raise UsageError(f"A store's URL has one scheme; {store_name(url)!r} chains several.")
    match = re.match(_SCHEME, url)
    return match[1].lower() if match else "file"


def local_path(url: str) -> Path:
    """Return the absolute path of a store on this machine, symbolic links resolved.

    Raises UsageError for what is no path, and for a `file://` URL that names a host.
    """
    match = re.match(_SCHEME, url)
    if match:
        host, slash, path = match[2].partition("/")
        if host not in ("", "localhost") or not slash:
            raise UsageError(f"{store_name(url)!r} names a host.", "Write file:///path, or the path alone.")
        from urllib.parse import unquote

        url = unquote(slash + path)
    if not url or "\0" in url:
        raise UsageError(f"{url!r} is no path of a store.")
    return Path(os.path.realpath(Path(url).expanduser()))


def store_label(url: str) -> str:
    """Return what may be shown of a store's URL: no credentials; a local path in full."""
    return str(local_path(url)) if scheme_of(url) == "file" else store_name(url)


def store_fingerprint(url: str) -> str:
    """Return 16 hexadecimal digits that are the same for all ways to write one store's URL."""
    from hashlib import sha256

    return sha256(store_label(url).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def store_name(url: str) -> str:
    """Return a URL without credentials, end slashes and fragment, its scheme in lower case."""
    scheme, separator, rest = redact_url(url).partition("#")[0].partition("://")
    return scheme.lower() + separator + rest.rstrip("/") if separator else scheme
