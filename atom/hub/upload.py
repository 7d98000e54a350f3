"""Uploads files to a repository on the Hugging Face Hub, in one commit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from atom.errors import AtomError
from atom.hub.contents import HubPush

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

DEFAULT_ENDPOINT = "https://huggingface.co"
TOKEN_VARIABLE = "HF_TOKEN"
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?/[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?")
_PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}
_ADVICE = {
    401: f"the token in {TOKEN_VARIABLE} is not valid; make one with write access at {{endpoint}}/settings/tokens",
    403: "the token may not write there; give it write access to {owner}, or push to a namespace of your own",
    404: "there is no such repository for this token; check the name",
    409: "someone else changes it at this moment; push again",
    413: "a file is too large; export fewer pairs, or without --motions",
    429: "too many requests; wait {wait}, then push again",
}


def get_endpoint() -> str:
    """The address of the Hub: HF_ENDPOINT, or Hugging Face's own. Raises AtomError where a token could be read on its
    way."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or DEFAULT_ENDPOINT
    parts = urlsplit(endpoint)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise AtomError(f"HF_ENDPOINT at {parts.hostname} is not https: a token could be read on its way; use https")
    return endpoint


def check_repo_name(repo: str) -> None:
    """Raises AtomError unless the name is `owner/name`, in the characters that the Hub allows."""
    if not _NAME.fullmatch(repo) or "--" in repo or ".." in repo or repo.endswith(".git"):
        raise AtomError(f"{repo!r} is no name of a repository: write owner/name, in letters, digits, '-', '_' and '.'")


def repo_url(push: HubPush, repo: str) -> str:
    """The address of the repository's page."""
    return f"{get_endpoint()}/{_PREFIX[push.repo_type]}{repo}"


def upload(push: HubPush, repo: str, *, public: bool = False, message: str = "") -> str:
    """Uploads all files in one commit, so that the repository never holds half of them.

    Args:
        push: the files.
        repo: `owner/name`. It is created where it does not exist.
        public: whether everyone may read it. An existing repository keeps its visibility.
        message: of the commit.

    Returns:
        The address of the repository.

    Raises:
        AtomError: there is no token, the repository is public and `public` is not set, or the Hub refuses.
    """
    check_repo_name(repo)
    endpoint, token = get_endpoint(), os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise AtomError(
            f"{TOKEN_VARIABLE} is empty: make a token with write access at {endpoint}/settings/tokens and put it into "
            "this environment variable"
        )
    import httpx2
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.constants import is_offline_mode
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import disable_progress_bars

    if is_offline_mode():
        raise AtomError("HF_HUB_OFFLINE=1 forbids an upload; set HF_HUB_OFFLINE=0 for this command")
    disable_progress_bars()
    api = HfApi(endpoint=endpoint, token=token, library_name="atom-motion")
    operations = [CommitOperationAdd(name, source) for name, source in push.files.items()]
    try:
        _require_repo(api, push, repo, public)
        message = message or f"Upload {push.content} with atom"
        with _plain_lfs():
            api.create_commit(repo, operations, commit_message=message, repo_type=push.repo_type)
    except HfHubHTTPError as error:
        raise _explain(error, repo, endpoint) from None
    except (httpx2.HTTPError, OSError) as error:
        raise AtomError(
            f"can't reach {endpoint} ({type(error).__name__}); check the network and HF_ENDPOINT, then push again"
        ) from None
    except (ValueError, RuntimeError) as error:  # what huggingface_hub raises at an answer that it can't use
        text = " ".join(str(error).replace(token, "***").split())[:200]
        raise AtomError(f"the Hub did not take the files of {repo}: {text}; push again") from None
    return repo_url(push, repo)


@contextmanager
def _plain_lfs() -> Iterator[None]:
    """Uploads over LFS unless HF_HUB_DISABLE_XET is set. Xet would send the files to a second host, in a format that
    only its own library reads; for a few megabytes that gains nothing. The variable is read when the package is
    imported, which may have happened before."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = before or "HF_HUB_DISABLE_XET" not in os.environ
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def _require_repo(api: HfApi, push: HubPush, repo: str, public: bool) -> None:
    """Creates the repository where it does not exist. `create_repo` alone ignores the visibility of one that does, and
    files meant to be private would be public."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.repo_info(repo, repo_type=push.repo_type)
    except RepositoryNotFoundError:
        sdk = "static" if push.repo_type == "space" else None
        api.create_repo(repo, private=not public, repo_type=push.repo_type, space_sdk=sdk)
        return
    if not info.private and not public:
        raise AtomError(f"{repo} exists and is public: add --public, or push to another name")


def _explain(error: HfHubHTTPError, repo: str, endpoint: str) -> AtomError:
    """One line for an answer of the Hub that is an error. The Hub's own text is left out: it may quote a header."""
    status = error.response.status_code
    seconds = error.response.headers.get("retry-after", "")
    wait = f"{seconds} s" if seconds.isdigit() else "a few minutes"
    advice = _ADVICE.get(status, "the Hub fails; push again later" if status >= 500 else "the Hub refuses the push")
    advice = advice.format(owner=repo.partition("/")[0], endpoint=endpoint, wait=wait)
    return AtomError(f"{repo}: HTTP {status}: {advice}")
