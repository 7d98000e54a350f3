"""A Hub on this machine, and the environment of a user who pushes to it."""

import pytest
from hub_server import TOKEN, FakeHub


@pytest.fixture
def hub(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # `make test` sets it
    monkeypatch.delenv("HF_HUB_DISABLE_XET", raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with FakeHub().serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub
