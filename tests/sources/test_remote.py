"""Object storage reads as a folder does, and tells no secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from pipeline.config import Config, Reading
from pipeline.errors import RunError
from pipeline.sources import SourceFile, discover, read, scan, storage
from pipeline.sources.storage import redacted
from tests.sources.files import make_raw, read_all, said


@pytest.fixture
def bucket() -> Iterator[str]:
    """An empty place in memory."""
    memory = fsspec.filesystem("memory")
    yield "memory://bucket/raw"
    if memory.exists("/bucket"):
        memory.rm("/bucket", recursive=True)


def upload(folder: Path, url: str) -> None:
    """Copies a folder's files to an fsspec URL."""
    for path in folder.rglob("*"):
        if path.is_file():
            with fsspec.filesystem("memory").open(f"{url}/{path.relative_to(folder).as_posix()}", "wb") as target:
                target.write(path.read_bytes())


def test_a_bucket_reads_as_the_same_folder_does(tmp_path: Path, bucket: str) -> None:
    """Every format, sliced or streamed, gives the same rows from memory:// as from disk."""
    make_raw(tmp_path / "raw")
    upload(tmp_path / "raw", bucket)
    config = Config(reading=Reading(batch_bytes=1_000))
    local, remote = read_all(tmp_path / "raw", config), read_all(bucket, config)
    assert len(local) > 40
    assert [(raw.source, raw.index, raw.sha256, said(raw)) for raw in remote] == [
        (raw.source, raw.index, raw.sha256, said(raw)) for raw in local
    ]
    for here, there in zip(discover(str(tmp_path / "raw"), config), discover(bucket, config), strict=True):
        assert (here.path, here.size, scan(here, config).digests) == (
            there.path,
            there.size,
            scan(there, config).digests,
        )


def test_one_object_is_a_raw_too(bucket: str) -> None:
    """RAW may be the URL of one file."""
    fsspec.filesystem("memory").pipe(bucket + "/a b#1.txt", b"Hello.")
    (raw,) = read_all(bucket + "/a b#1.txt")
    assert (raw.source, said(raw)) == ("a b#1.txt", "Hello.")


def test_hidden_keys_are_rows(bucket: str) -> None:
    """A dot at the start of any part of a key hides it, as in a folder."""
    memory = fsspec.filesystem("memory")
    for key in ("a.txt", ".hidden", ".git/config"):
        memory.pipe(f"{bucket}/{key}", b"x")
    assert [(f.path, bool(f.refused)) for f in discover(bucket, Config())] == [
        (".git/config", True),
        (".hidden", True),
        ("a.txt", False),
    ]


def test_a_key_cannot_name_another_file_system(tmp_path: Path, bucket: str) -> None:
    """fsspec reads `a::file:///b` as a chain; here it is only a name."""
    (tmp_path / "secret").write_text("secret")
    memory = fsspec.filesystem("memory")
    key = f"x::file://{tmp_path}/secret"
    memory.store[f"/bucket/raw/{key}"] = memory.open("/bucket/raw/tmp", "wb")
    memory.store[f"/bucket/raw/{key}"].write(b"harmless")
    memory.rm("/bucket/raw/tmp")
    rows = [said(raw) for raw in read_all(bucket)]
    assert rows == ["harmless"]
    with pytest.raises(RunError, match="chained"):
        discover(f"simplecache::{bucket}", Config())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://nowhere/raw", "nothing is there"),
        ("martian://bucket/raw", "martian://"),
    ],
)
def test_a_url_that_cannot_be_read_says_what_to_do(url: str, message: str) -> None:
    """The bucket is named, and the next step."""
    with pytest.raises(RunError, match=message):
        discover(url, Config())


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without s3fs the message says which extra to install."""

    def missing(scheme: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(RunError, match=r'pip install "clean-corpus\[s3\]"'):
        discover("s3://bucket/raw", Config())
    (raw,) = read(scan(SourceFile("a", "s3://bucket/a"), Config()).slices[0], Config())
    assert "clean-corpus[s3]" in said(raw)


SECRETS = [
    ("s3://AKIA:topsecret@bucket/key: denied", "s3://bucket/key: denied"),
    ("https://host/a?X-Amz-Signature=topsecret&b=topsecret failed", "https://host/a failed"),
    ("aws_secret_access_key='topsecret' is wrong", "aws_secret_access_key=… is wrong"),
    ("Token: topsecret", "Token: …"),
    ("password=topsecret, user=ann", "password=…, user=ann"),
    ("plain message about keys and tokens", "plain message about keys and tokens"),
    ("s3://bucket/a@b/c.txt: gone", "s3://bucket/a@b/c.txt: gone"),
]


@pytest.mark.parametrize(("message", "shown"), SECRETS)
def test_secrets_do_not_reach_a_message(message: str, shown: str) -> None:
    """User names, passwords, query strings and values called secret are taken out; the rest stays."""
    assert redacted(message) == shown


def test_an_object_that_fails_is_one_row(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    """What the store says is in the reason, without credentials, and the other objects are read."""
    memory = fsspec.filesystem("memory")
    memory.pipe(f"{bucket}/a.txt", b"Hello.")
    memory.pipe(f"{bucket}/b.txt", b"World.")
    real = storage.filesystem

    def refusing(url: str) -> tuple[object, str]:
        if url.endswith("b.txt"):
            raise OSError("403 for https://u:topsecret@host/b?sig=topsecret")
        return real(url)

    monkeypatch.setattr(storage, "filesystem", refusing)
    assert [said(raw) for raw in read_all(bucket)] == [
        "Hello.",
        "failed: cannot be read: 403 for https://host/b",
    ]
