import pytest
from tuning_models import random_generator, random_pairs


@pytest.fixture
def generator():
    return random_generator()


@pytest.fixture
def pairs():
    return random_pairs(20)
