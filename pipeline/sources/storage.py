"""Opening files, local or through fsspec, and saying what went wrong without saying a password."""

from __future__ import annotations

import io
import os
import re
import stat
from typing import Any, BinaryIO, cast

from pipeline.errors import DocumentFailed, DocumentRejected, RunError
from pipeline.sources.records import SourceFile

REMOTE_BUFFER = 1 << 20  # bytes; fsspec's own readline asks for small pieces
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(r"(://(?:(?!://)[^\s?#])*)\?[^\s'\"]*[^\s'\":;,.)]")
_SECRET = re.compile(
    r"(?i)((?<![\w-])(?=[\w-]*(?:secret|passw|token|signature|credential|access_?key))[\w-]++\s*+[=:]\s*+)"
    r"(['\"]?)[^\s'\",&]+\2"
)
_EXTRAS = {"s3": "s3", "s3a": "s3"}


def is_remote(location: str) -> bool:
    """Whether a location is for fsspec: it has a scheme, and the scheme is not `file`.

    >>> is_remote("s3://bucket/raw"), is_remote("/data/raw"), is_remote("file:///data/raw")
    (True, False, False)
    """
    return "://" in location and not location.startswith("file://")


def local_path(location: str) -> str:
    """The path in a `file://` URL; other locations as they are."""
    return location.removeprefix("file://")


def redacted(message: str) -> str:
    """A message without user names, passwords, query strings of URLs, and values called secret, key or token.

    >>> redacted("https://ann:pw@host/a?Signature=abc: gone; secret_key=xyz")
    'https://host/a: gone; secret_key=…'
    """
    return _SECRET.sub(r"\1…", _QUERY.sub(r"\1", _USERINFO.sub("", message)))


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it. Raises RunError where no installed library speaks it.

    `fsspec.core.url_to_fs` is not used: it reads `a::b://c` in a name as a chain of file systems, so that a key
    called `x::file:///etc/passwd` would open a local file.
    """
    import fsspec  # 50 ms that local runs need not pay

    scheme = url.partition("://")[0]
    if "::" in scheme:
        raise RunError(f"{redacted(url)}: chained URLs are not read. Give the folder itself.")
    try:
        kind = fsspec.get_filesystem_class(scheme)
        file_system = kind(**kind._get_kwargs_from_urls(url))
        return file_system, str(kind._strip_protocol(url))
    except ImportError:
        extra = _EXTRAS.get(scheme)
        step = f'pip install "clean-corpus[{extra}]"' if extra else f"install the fsspec library for {scheme}://"
        raise RunError(f"{redacted(url)}: {scheme}:// needs a library that is not installed. Next: {step}") from None
    except ValueError as error:
        raise RunError(f"{redacted(url)}: {redacted(str(error))}. Give a folder or a URL that fsspec knows.") from None


def open_binary(file: SourceFile) -> BinaryIO:
    """A file of RAW, opened for reading bytes, seekable.

    A local file must be a regular one and no link at the moment it is opened, whatever it was when it was found.
    Raises DocumentRejected or DocumentFailed, which say what to do.
    """
    if file.refused is not None:
        raise (DocumentFailed if file.refused_status == "failed" else DocumentRejected)(file.refused)
    try:
        if is_remote(file.location):
            file_system, path = filesystem(file.location)
            return cast("BinaryIO", io.BufferedReader(file_system.open(path, "rb"), REMOTE_BUFFER))
        # Without O_NONBLOCK, opening a FIFO put there after discovery would wait for ever.
        handle = os.open(file.location, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise DocumentRejected("no longer a regular file: it changed while the run was reading")
        return os.fdopen(handle, "rb")
    except RunError as error:
        raise DocumentFailed(str(error)) from None
    except Exception as error:
        found = unreadable(error)
        raise DocumentFailed(found.reason, True) if isinstance(found, DocumentFailed) else found from None


def unreadable(error: Exception) -> DocumentFailed | DocumentRejected:
    """An error met while a file was opened or read, as the reason in its row."""
    if isinstance(error, (DocumentFailed, DocumentRejected)):
        return error
    if isinstance(error, FileNotFoundError):
        return DocumentFailed("vanished after it was found. Run again if it should be there.")
    if isinstance(error, PermissionError):
        return DocumentFailed("no permission to read it. Change its permissions and run again.")
    said_by_system = isinstance(error, OSError) and error.errno is not None  # libraries raise OSError for bad bytes
    what = (error.strerror if isinstance(error, OSError) else None) or redacted(str(error))[:300]
    return DocumentFailed(f"cannot be read: {what or type(error).__name__}", passing=said_by_system)
