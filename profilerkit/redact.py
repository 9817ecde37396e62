"""Blank out secrets in what is about to be stored, logged or shown.

It knows names that say so (`--token X`, `PASSWORD=x`, `?sig=x`), credentials in URLs, authorization
headers, and the shapes of well-known tokens. What looks like nothing in particular (`login hunter2`,
`-psecret`) it can only find when told the secrets there are: `secret_values` of the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

MASK = "***"

KNOWN_LENGTH = 6
"""Shorter values of secret variables are not looked for elsewhere: they would be found in many words."""

NO, MAYBE, SURE = 0, 1, 2


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRET_WORDS = _words("pass pw pwd passcode token jwt bearer cred creds cookie cookies secret secrets")
_SECRET_PARTS = _words("password passwd passphrase secret credential apikey accesskey privatekey authkey")
_SECRET_ENDS = ("token", "pass")
_OTHER_WORDS = _words("secretary secretariat bypass compass multipass overpass underpass surpass")
_SECRET_KEYS = _words(
    "api access private secret signing signature encryption auth account storage shared master fernet ssh "
    "client deploy service license hmac rsa aes gpg pgp webhook"
)
_OTHER_KEYS = _words(
    "sort group primary foreign partition join cache object s3 map hot row column index dict unique order "
    "natural surrogate public routing"
)
_OTHER_TOKENS = _words("pad eos bos unk sep cls mask special stop start end num per")
_MAYBE_ENDS = _words("tokens auth authorization signature sig pin otp")
_HARMLESS_ENDS = _words(
    "file path dir name names count type length len limit size ttl age expiry expires expiration timeout "
    "policy stdin prompt env url uri endpoint algorithm rotation min max required enabled"
)
_HARMLESS_STARTS = _words("no ask prompt skip without disable")
_SWITCHES = frozenset(("", "true", "false", "yes", "no", "none", "null", "on", "off", MASK))
_USER_FLAGS = frozenset(("-u", "-U", "--user", "--proxy-user"))
_HEADERS = frozenset(("authorization", "cookie", "cookies"))
_NAMED_USER = _words("ssh sftp ftp scp rsync smb hdfs abfs abfss wasb wasbs")
"""Schemes whose URLs name an account, a container or a bare user before `@`."""

# Patterns are strings: `re` compiles them on first use, and most programs need few of them.
_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"
_PLAIN = r"[A-Za-z][A-Za-z_.-]{0,11}|[0-9][0-9._,]{0,8}"
_PLAIN_IN_TEXT = rf"(?:{_PLAIN})(?=[\s,;&)\]}}\"'`]|\Z)|[A-Za-z_.]+\("
_FLAG = r"-{1,2}([A-Za-z][\w.-]*)"
_ASSIGNED = r"(?s)(-{0,2}([A-Za-z_][\w.-]*)=)(.*)"
_USER = r"(?s)([^\s:/]+):(?![0-9]+$|//).+"
_NAMED = (
    r"(?<![\w.-])(?P<dash>-{1,2})?(?P<name>[A-Za-z_][\w.-]{0,199})(?![\w.-])"
    r"(?P<sep>\\?[\"']?\]?[ \t]{0,3}(?:=>|:=|[=!]?=|:)[ \t]{0,3}|(?(dash)[ \t]+(?!-)|(?!)))"
)
_VALUE = (
    r"(?s)\*{3}(?=[\s,;&)\]}\"'`]|\Z)"
    r"|\\([\"']).*?(?:\\\1|\Z)"  # quoted inside a quoted text
    r"|[rbfuRBFU]{0,2}(?:\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z)"
    r"|\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z))"
    r"|[^\s&;\"'`]+"
)
_HEADER_VALUE = r"(?i)[\"']?((?:bearer|basic|digest|token|apikey|negotiate)\s+)?[^\r\n\"']+"
_USERINFO = (
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*)(://)"
    r"(?:([^\s/?#@:\"'<>]*:(?![0-9]+(?:[/?#]|$))[^\s@\"'<>]{0,1000})|([^\s/?#@:\"'<>]+))@(?:[^\s/?#@\"'<>]*@)*"
)
_BLOCK = r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
_SHAPES = (
    r"(?<![A-Za-z0-9])(?:A(?:KI|SI|RO|ID)A[0-9A-Z]{12,}"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{8,}|sk-(?=[\w-]*[0-9])[\w-]{16,}"
    r"|xox[a-z]-[\w-]{8,}|AIza[\w-]{30,}|ya29\.[\w.-]{16,}|pypi-[\w-]{32,}|npm_[A-Za-z0-9]{30,}"
    r"|hf_[A-Za-z0-9]{24,}|dapi[0-9a-f]{32}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{2,}(?:\.[\w-]*)*)"
)
_HOOK = r"(://hooks\.slack\.com/services/)[\w/]+"
_BEARER = r"\b([Bb]earer\s+)(?=\S*[0-9]|\S{20})[A-Za-z0-9._~+/-]{6,}=*"


def redact_argv(argv: Sequence[str], *, known: Iterable[str] = ()) -> list[str]:
    """Return the arguments with their secrets blanked out; `known` are secrets to find anywhere."""
    redacted: list[str] = []
    known = tuple(known)
    pending, user = NO, False
    for argument in argv:
        flag = re.fullmatch(_FLAG, argument)
        assigned = re.fullmatch(_ASSIGNED, argument) if "=" in argument else None
        if not flag and pending:
            text = _hidden(argument, pending)
        elif not flag and user:
            text = re.sub(_USER, rf"\1:{MASK}", redact_text(argument))
        elif assigned and (weight := _weight(assigned[2])):
            text = assigned[1] + _hidden(assigned[3], weight)
        else:
            text = redact_text(argument)
        pending = _weight(flag[1]) if flag else NO
        user = argument in _USER_FLAGS
        redacted.append(_without(text, known))
    return redacted


def redact_mapping(labels: Mapping[str, str], *, known: Iterable[str] = ()) -> dict[str, str]:
    """Return names and values with the secret values blanked out."""
    known = tuple(known)
    return {
        _without(_without_shapes(name), known): _without(_hidden(value, _weight(name)), known)
        for name, value in labels.items()
    }


def redact_url(url: str) -> str:
    """Return a URL without credentials: those before its `@` and those in its query."""
    address, mark, query = _without_userinfo(url).partition("?")
    return _without_shapes(address) + mark + redact_text(query)


def redact_text(text: str, *, known: Iterable[str] = ()) -> str:
    """Return a text with whatever looks like a secret in it blanked out."""
    text = _without_shapes(_without_named(_without_userinfo(text)))
    if "earer" in text:
        text = re.sub(_BEARER, rf"\1{MASK}", text)
    return _without(text, known)


def secret_values(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of variables whose names say that they are secret, longest first."""
    found = {
        value
        for name, value in environment.items()
        if len(value) >= KNOWN_LENGTH and not value.startswith("/") and _weight(name) == SURE
    }
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def _weight(name: str) -> int:
    """Tell whether a name says that its value is secret."""
    words = [word.lower() for word in re.findall(_WORD, name)]
    if not words or words[-1] in _HARMLESS_ENDS or words[0] in _HARMLESS_STARTS:
        return NO
    before = ["", *words]
    for previous, word in zip(before, words, strict=False):
        if word == "token" and previous in _OTHER_TOKENS:
            return NO
        if word in _SECRET_WORDS or (word in ("key", "keys") and previous in _SECRET_KEYS):
            return SURE
        if word not in _OTHER_WORDS and (
            word.endswith(_SECRET_ENDS) or any(part in word for part in _SECRET_PARTS)
        ):
            return SURE
    if words[-1] == "key":
        return NO if before[-2] in _OTHER_KEYS else MAYBE
    return MAYBE if words[-1] in _MAYBE_ENDS else NO


def _hidden(value: str, weight: int) -> str:
    """Return what may be seen of a value; a `MAYBE` leaves short words and numbers: `key=id`."""
    if weight == NO:
        return redact_text(value)
    bare = value.strip("\"'")
    if bare.lower() in _SWITCHES or (weight == MAYBE and re.fullmatch(_PLAIN, bare)):
        return value
    return MASK


def _without_named(text: str) -> str:
    """Return a text without the values that follow a secret name."""
    if not any(mark in text for mark in "=:-"):
        return text
    named, pieces, done, position = re.compile(_NAMED), [], 0, 0
    while match := named.search(text, position):
        position = match.end()
        weight = _weight(match["name"])
        header = match["name"].lower().rpartition("-")[2] in _HEADERS
        plain = weight == MAYBE and not header and re.compile(_PLAIN_IN_TEXT).match(text, position)
        if weight == NO or plain:
            continue
        value = re.compile(_HEADER_VALUE if header else _VALUE).match(text, position)
        if value is None:
            continue
        hidden = f"{value[1] or ''}{MASK}" if header else _hidden(value[0], weight)
        pieces += [text[done:position], hidden]
        done = position = value.end()
    return "".join([*pieces, text[done:]])


def _without_userinfo(text: str) -> str:
    if "@" not in text or "://" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        scheme, separator, _, user = match.groups()
        keeps_user = user is not None and scheme.lower().rpartition("+")[2] in _NAMED_USER
        return f"{scheme}{separator}{user if keeps_user else MASK}@"

    return re.sub(_USERINFO, replace, text)


def _without_shapes(text: str) -> str:
    if len(text) < 12:
        return text
    if "PRIVATE KEY" in text:
        text = re.sub(_BLOCK, MASK, text)
    if "hooks.slack" in text:
        text = re.sub(_HOOK, rf"\1{MASK}", text)
    return re.sub(_SHAPES, MASK, text)


def _without(text: str, known: Iterable[str]) -> str:
    for secret in known:
        if len(secret) >= KNOWN_LENGTH:
            text = text.replace(secret, MASK)
    return text
