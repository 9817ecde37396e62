"""Check that secrets are blanked out wherever they can be known, and that ordinary words are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profilerkit.redact import MASK, redact_argv, redact_mapping, redact_text, redact_url, secret_values
from profilerkit.storeurl import store_fingerprint, store_label

S = "Pl4nted-Secret"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_123"

LEAKS = [
    ["--token", S],
    ["--token=" + S],
    ["-token", S],
    ["--api-key", S],
    ["--apiKey=" + S],
    ["--aws-secret-access-key", S],
    ["--access_key=" + S],
    ["--private-key", S],
    ["--password", S],
    ["--db.password=" + S],
    ["--passwd=" + S],
    ["--passphrase", S],
    ["--client-secret", S],
    ["--credentials", S],
    ["--key", S],
    ["--auth", f"me:{S}"],
    ["-u", f"me:{S}"],
    ["--user", f"me:{S}"],
    ["--proxy-user", f"me:{S}"],
    ["PASSWORD=" + S],
    ["PASSWORD=" + S + ' with spaces, and "quotes" ;' + S],
    ["MY_DB_PASS=" + S],
    ["AWS_SECRET_ACCESS_KEY=" + S],
    ["AIRFLOW__CORE__FERNET_KEY=" + S],
    ["-DmyPassword=" + S],
    ["-e", "GITHUB_TOKEN=" + S],
    ["--env=GITHUB_TOKEN=" + S],
    ["--set", "auth.password=" + S],
    ["-H", "Authorization: Bearer " + S],
    ["--header=Authorization: Basic " + S],
    ["-H", "X-Api-Key: " + S],
    ["-H", "Cookie: session=" + S + "; other=" + S],
    ["postgresql://me:" + S + "@host/db"],
    ["postgresql://me:a/" + S + "@host/db"],
    ["redis://:" + S + "@host:6379/0"],
    ["https://" + S + "@host/x"],
    ["https://me@corp:" + S + "@host/x"],
    ["--db=mysql+pymysql://me:" + S + "@host/db"],
    ["https://b.s3.amazonaws.com/k?X-Amz-Credential=a&X-Amz-Signature=" + S],
    ["https://acct.blob.core.windows.net/c?sv=1&sig=" + S + "&se=2"],
    ["https://host/x?a=1&access_token=" + S],
    ["-c", f"connect(user='me', password='{S}', retries=3)"],
    ["-c", f'password = "{S}\\'],
    ["-c", f"password = '''{S}\n{S}'''; go()"],
    ["-c", f"os.environ['DB_PASSWORD'] = '{S}'"],
    ["-c", f"run(['x', '--token {S}'])"],
    ['{"password": "' + S + '", "a": 1}'],
    ['{\\"password\\": \\"' + S + '\\"}'],
    ["password: " + S],
    ["Server=x;Password=" + S + ";Database=y"],
    ["DefaultEndpointsProtocol=https;AccountKey=" + S + "==;EndpointSuffix=x"],
    ["Bearer " + S + "0123456789"],
    ["AKIAIOSFODNN7EXAMPLE"],
    ["x=ghp_" + "a1" * 18],
    ["github_pat_" + "a1" * 20],
    ["glpat-" + "a1" * 10],
    ["sk-proj-" + "a1" * 16],
    ["sk_live_" + "a1" * 12],
    ["xoxb-1234567890-" + "a" * 12],
    ["AIza" + "a1" * 18],
    [JWT],
    ["https://hooks.slack.com/services/T000/B000/" + "X" * 24],
    ["-----BEGIN RSA PRIVATE KEY-----\n" + S + "\n-----END RSA PRIVATE KEY-----"],
    ["-----BEGIN PRIVATE KEY-----\n" + S],
]
PLANTED = (S, "AKIAIOSFODNN7EXAMPLE", "a1a1", "xoxb-1", "eyJzdWI", "XXXX", "1234567890")

HARMLESS = [
    ["etl.py", "--rows", "100000", "-v", "--out=/tmp/out.parquet"],
    ["--tokenizer", "bert", "--tokenizer=bert-base-uncased"],
    ["--max-tokens", "512", "--max_new_tokens=128", "--num-tokens=7"],
    ["--pad-token", "[PAD]", "--eos_token=</s>"],
    ["--token-count", "12", "--token_type=bearer"],
    [
        "--key",
        "id",
        "--key=id",
        "key=id",
        "--sort-key=created_at_timestamp",
        "--primary-key",
        "customer_number_1",
    ],
    ["-c", "print(sorted(rows, key=len), max(x, key=itemgetter(1)))"],
    ["--passes", "3", "--bypass=everything-42", "--compass", "north-by-northwest-1"],
    ["--password-file", "/run/secrets/db1", "--secret-name=prod/db/1", "--key-file=/etc/key.pem"],
    ["--no-password", "input-file-1.csv", "--ask-pass", "playbook-2026.yml"],
    ["--use-token=true", "--secret=none", "--password", "--verbose"],
    [
        "--author",
        "somebody-1234567",
        "--authority=example.org1234",
        "--monkey=business-12345",
        "--keyboard=us-intl-12345",
    ],
    ["-p8080:80", "-u", "1000:1000", "-u", "script.py"],
    ["s3://bucket/path/a=1/b=2/file.parquet", "https://host:8080/path@v1?page=2&sort=name"],
    ["git+ssh://git@github.com/x/y.git", "abfss://container@account.dfs.core.windows.net/x"],
    ["2026-11-22T19:53:12Z", "a:b:c", "C:\\Users\\x", "--ratio=16:9", "12:30"],
    [
        "--run-id",
        "scheduled__2026-11-14T00:00:00+00:00",
        "task-force-one-2026",
        "risk-assessment-report-2026",
    ],
    [
        "0192f3a8-b7c4-7d2e-9f00-123456789abc",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
    ["", "-", "--", "=", "--=", "x=", "=x", "ünïcödé=ä", "a\nb"],
]


@pytest.mark.parametrize("argv", LEAKS, ids=range(len(LEAKS)))
def test_no_argument_leaks(argv: list[str]) -> None:
    """Nothing of a planted secret is left in the arguments, of which there are as many."""
    redacted = redact_argv(["prog", *argv, "last"])
    assert len(redacted) == len(argv) + 2
    assert not [secret for secret in PLANTED if secret in " ".join(redacted)]
    assert MASK in " ".join(redacted)
    assert (redacted[0], redacted[-1]) == ("prog", "last")


@pytest.mark.parametrize("argv", HARMLESS, ids=range(len(HARMLESS)))
def test_ordinary_arguments_stay(argv: list[str]) -> None:
    """What only resembles a secret is left as it is."""
    assert redact_argv(argv) == argv


@pytest.mark.parametrize("argv", LEAKS[15:], ids=range(len(LEAKS) - 15))
def test_redacting_twice_changes_nothing_more(argv: list[str]) -> None:
    """What was redacted once is harmless."""
    once = redact_argv(argv)
    assert redact_argv(once) == once


def test_what_is_kept_around_a_secret() -> None:
    """Names, schemes, hosts and other arguments stay readable."""
    assert redact_argv(["--token=" + S]) == ["--token=***"]
    assert redact_argv(["postgresql://me:x@host:5432/db"]) == ["postgresql://***@host:5432/db"]
    assert redact_argv(["-H", "Authorization: Bearer " + S]) == ["-H", "Authorization: Bearer ***"]
    assert redact_argv(["-u", "me:" + S]) == ["-u", "me:***"]
    assert redact_text(f"a=1 password='{S}' b=2") == "a=1 password=*** b=2"
    assert redact_text(f"https://h/x?a=1&token={S}&b=2") == "https://h/x?a=1&token=***&b=2"


def test_labels_are_redacted_by_name_and_by_shape() -> None:
    """A label's value goes if its name says so, or if it looks like a token."""
    labels = {
        "team": "data",
        "api_key": S,
        "note": f"token={S}",
        "who": "ghp_" + "a1" * 18,
        "Token": S,
        "sort_key": "a",
    }
    expected = {
        "team": "data",
        "api_key": MASK,
        "note": "token=***",
        "who": MASK,
        "Token": MASK,
        "sort_key": "a",
    }
    assert redact_mapping(labels) == expected
    assert redact_mapping({"ghp_" + "a1" * 18: "x"}) == {MASK: "x"}


def test_known_secrets_are_found_anywhere() -> None:
    """A secret of the environment is blanked out where nothing else tells of it."""
    environment = {
        "DB_PASSWORD": "correct horse",
        "HOME": "/home/me",
        "SHORT_PASS": "abc",
        "SSH_KEY": "/a/path/id_rsa",
    }
    known = secret_values(environment)
    assert known == ("correct horse",)
    assert redact_argv(["login", "me", "xcorrect horsex"], known=known) == ["login", "me", "x***x"]
    assert redact_mapping({"a": "correct horse"}, known=known) == {"a": MASK}
    assert redact_text("says correct horse", known=known) == "says ***"


@given(st.text())
def test_any_text_can_be_redacted(text: str) -> None:
    """Nothing a program may be called with breaks redaction."""
    redact_text(text)
    redact_url(text)
    redact_argv([text, "--" + text, text + "=" + text, "--token", text])
    redact_mapping({text: text})


@given(st.text(min_size=8).filter(lambda text: "\0" not in text))
def test_a_secret_option_hides_any_value(value: str) -> None:
    """Whatever is assigned to a password goes, in one argument or the next."""
    assert redact_argv(["--password=" + value]) == ["--password=***"] or value.strip("\"'").lower() in (
        "",
        "none",
    )
    if not value.startswith("-"):
        assert redact_argv(["--password", value])[1] in (MASK, value if not value.strip("\"'") else MASK)


def test_long_hostile_text_takes_no_time_worth_telling() -> None:
    """Patterns meet texts made to keep them busy; a quadratic one would not end here."""
    for piece in (
        "a://b:",
        "a=",
        "-----BEGIN PRIVATE KEY-----",
        '"',
        "\\",
        "--a ",
        "password='",
        "a.",
        "eyJ",
    ):
        redact_text(piece * (200_000 // len(piece)))


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("s3://bucket/path/", "s3://bucket/path"),
        ("S3://bucket", "s3://bucket"),
        ("s3://AKIAIOSFODNN7EXAMPLE:" + S + "@bucket/p", "s3://***@bucket/p"),
        ("sftp://me:" + S + "@host/x", "sftp://***@host/x"),
        ("sftp://me@host/x", "sftp://me@host/x"),
        ("abfs://box@account.dfs.core.windows.net/x", "abfs://box@account.dfs.core.windows.net/x"),
        ("https://host/x?sig=" + S, "https://host/x?sig=***"),
        ("s3://bucket/p#" + S, "s3://bucket/p"),
    ],
)
def test_labels_of_stores_have_no_credentials(url: str, label: str) -> None:
    """A store is named by its URL without what opens it."""
    assert store_label(url) == label
    assert store_fingerprint(url) == store_fingerprint(label)


def test_all_ways_to_write_a_local_store_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative, with `file://`, through a symbolic link or the home: one label, one fingerprint."""
    store = tmp_path / "my store"
    store.mkdir()
    (tmp_path / "link").symlink_to(store)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    ways = [
        str(store),
        "my store",
        "./my store/",
        "link",
        "~/my store",
        store.as_uri(),
        f"file://localhost{store}".replace(" ", "%20"),
    ]
    assert {store_label(way) for way in ways} == {str(store)}
    assert len({store_fingerprint(way) for way in ways}) == 1
    assert store_fingerprint("other") != store_fingerprint("link")
    assert len(store_fingerprint("link")) == 16


def test_the_recording_side_needs_no_more_than_the_standard_library() -> None:
    """Redaction, labels and ids import neither fsspec nor attrs: they run in the user's process."""
    code = (
        "import sys, profilerkit.redact, profilerkit.storeurl, profilerkit.ids\n"
        "print([name for name in ('fsspec', 'attr', 'zstandard', 'logging') if name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
