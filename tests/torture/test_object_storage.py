"""RAW and CLEAN in a real S3 server on this machine: incremental, atomic, and silent about secrets."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.run.corpora import tree, write_corpus
from tests.torture.harness import finished, kill, start

SECRET = "never-to-be-printed-7c1d"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 server."""
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


class Bucket:
    """A bucket of its own, and runs that see it."""

    def __init__(self, server: str, name: str, home: Path) -> None:
        import s3fs

        self.name, self.url = name, f"s3://{name}"
        self.environment = {
            "AWS_ENDPOINT_URL": server,
            "AWS_ACCESS_KEY_ID": "key-of-a-test",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "CLEAN_CORPUS_CACHE": str(home / "cache"),
        }
        self.fs = s3fs.S3FileSystem(
            key="key-of-a-test", secret=SECRET, endpoint_url=server, use_listings_cache=False, skip_instance_cache=True
        )
        self.fs.mkdir(name)

    def upload(self, folder: Path, prefix: str) -> None:
        """Every file of a folder as an object."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.fs.pipe_file(f"{self.name}/{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def published(self) -> dict[str, bytes] | None:
        """The objects that a reader sees, who reads the pointer first; None where nothing is published."""
        self.fs.invalidate_cache()
        if not self.fs.exists(f"{self.name}/clean/current.json"):
            return None
        generation = json.loads(self.fs.cat_file(f"{self.name}/clean/current.json"))["generation"]
        home = f"{self.name}/clean/.generations/{generation}"
        found = self.fs.cat(self.fs.find(home))
        return {name.removeprefix(home + "/"): data for name, data in found.items()}

    def run(self, *options: object, **more: object):
        """A run from the bucket into the bucket."""
        return finished(f"{self.url}/raw", f"{self.url}/clean", "--workers", 2, *options, **self.environment, **more)

    def check(self) -> None:
        """A reader finds every output of the manifest, with its hash."""
        import hashlib
        import io

        objects = self.published()
        if objects is None:
            return
        rows = pq.read_table(io.BytesIO(objects["manifest.parquet"])).to_pylist()
        for row in rows:
            if row["status"] == "kept":
                assert hashlib.sha256(objects[row["output"]]).hexdigest() == row["output_sha256"]


@pytest.fixture
def bucket(server: str, tmp_path: Path, request: pytest.FixtureRequest) -> Bucket:
    """A bucket named after the test, with a corpus under raw/."""
    name = "b" + "".join(character for character in request.node.name.lower() if character.isalnum())[:50]
    made = Bucket(server, name, tmp_path)
    write_corpus(tmp_path / "raw", seed=4, articles=6)
    made.upload(tmp_path / "raw", "raw")
    return made


def same(objects: dict[str, bytes] | None, clean: Path) -> None:
    """What the bucket publishes is, to the byte, what a local run publishes."""
    import hashlib

    assert objects is not None
    assert {name: hashlib.sha256(data).hexdigest() for name, data in objects.items()} == tree(clean)


def test_a_bucket_is_cleaned_as_a_folder_is(bucket: Bucket, tmp_path: Path) -> None:
    """The same bytes as from disk to disk; a second run has nothing to do; a third, elsewhere, only what is new."""
    done = bucket.run()
    finished(tmp_path / "raw", tmp_path / "clean")
    same(bucket.published(), tmp_path / "clean")
    assert f"report: {bucket.url}/clean/.generations/" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert "nothing new since the last run" in bucket.run().stdout
    before = bucket.fs.find(f"{bucket.name}/clean/.state/parts")
    shutil.rmtree(tmp_path / "cache")  # another machine
    story = "The ferry to Saltby was sold on a Monday in March, and nobody knew who had bought it.\n" * 3
    (tmp_path / "raw" / "new.txt").write_text(story)
    bucket.fs.pipe_file(f"{bucket.name}/raw/new.txt", story.encode())
    bucket.fs.rm_file(f"{bucket.name}/raw/page.html")
    (tmp_path / "raw" / "page.html").unlink()
    done = bucket.run()
    assert "1 added, 1 removed" in done.stdout
    finished(tmp_path / "raw", tmp_path / "clean")
    same(bucket.published(), tmp_path / "clean")
    after = bucket.fs.find(f"{bucket.name}/clean/.state/parts")
    assert set(before) <= set(after), "what was cleaned before was used again"


@pytest.mark.parametrize(
    "step",
    [
        "_point_to",
        *(pytest.param(s, marks=pytest.mark.torture) for s in ("_push_generation", "_remove_old", "at random")),
    ],
)
def test_killed_while_sending(bucket: Bucket, tmp_path: Path, step: str) -> None:
    """Killed before the pointer the old corpus stands, after it the new one; the next run heals."""
    bucket.run()
    (tmp_path / "raw" / "new.txt").write_text("The weir at Garrow was sold in March, and nobody knew to whom.\n" * 3)
    bucket.upload(tmp_path / "raw", "raw")
    before = bucket.published()
    orders = [] if step == "at random" else [{"wrap": f"pipeline.run.remote:RemoteClean.{step}", "always": "kill-run"}]
    process = start(
        f"{bucket.url}/raw", f"{bucket.url}/clean", "--workers", 1, orders=orders, **bucket.environment
    )  # fmt: skip
    if step == "at random":
        time.sleep(2.5)
        kill(process)
    else:
        _, err = process.communicate(timeout=200)
        assert process.returncode == -9, err
    bucket.check()
    if step in ("_push_generation", "_point_to"):
        assert bucket.published() == before
    bucket.run()
    finished(tmp_path / "raw", tmp_path / "clean2")
    changed = {"report.html", "report.json"}  # they tell what changed since the corpus before, which only one has
    mine = {name for name in bucket.published() or {} if name not in changed}
    assert mine == tree(tmp_path / "clean2").keys() - changed
    bucket.check()


def test_what_cannot_be_reached_is_one_clear_message(server: str, bucket: Bucket, tmp_path: Path) -> None:
    """A missing bucket, as RAW and as CLEAN, and missing credentials: exit 1, no secret, no trace."""
    nowhere = "s3://no-such-bucket-anywhere/x"
    without = {**bucket.environment, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)}
    for raw, clean, environment in (
        (nowhere, str(tmp_path / "clean"), bucket.environment),
        (f"{bucket.url}/raw", nowhere, bucket.environment),
        (f"{bucket.url}/raw", str(tmp_path / "clean"), without),
        (f"{bucket.url}/raw", f"{bucket.url}/clean", without),
    ):
        done = finished(raw, clean, leaves_with=None, **environment)
        assert done.returncode == 1, (raw, clean, done.stdout, done.stderr)
        assert done.stderr.startswith("Error: s3://"), done.stderr
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stderr + done.stdout


def test_urls_of_this_machine(tmp_path: Path) -> None:
    """`file://` is a folder; `memory://` lives in this process, as RAW and as CLEAN."""
    import fsspec

    from pipeline.config import make_config
    from pipeline.run import run

    raw = write_corpus(tmp_path / "raw", seed=4, articles=3)
    plain = run(str(raw), str(tmp_path / "plain"), make_config({}), workers=1)
    run(f"file://{raw}", f"file://{tmp_path}/by-url", make_config({}), workers=1)
    assert tree(tmp_path / "by-url") == tree(tmp_path / "plain")
    memory = fsspec.filesystem("memory")
    memory.put(str(raw), "/storage/raw", recursive=True)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CLEAN_CORPUS_CACHE", str(tmp_path / "cache"))
            done = run("memory://storage/raw", "memory://storage/clean", make_config({}), workers=1)
            again = run("memory://storage/raw", "memory://storage/clean", make_config({}), workers=1)
        assert (done.documents, again.published, again.new_units) == (plain.documents, False, 0)
        assert str(done.report_path).startswith("memory://storage/clean/.generations/")
        assert memory.exists("/storage/clean/current.json")
    finally:
        memory.rm("/storage", recursive=True)
