"""Errors of a client of a language model."""

from atom.errors import AtomError


class RequestFailed(AtomError):
    """This one request has no answer; other requests may still succeed."""


class ServiceError(AtomError):
    """No request can succeed as things are: a wrong key, address or model, no quota left, or the service is down."""


class BudgetSpent(AtomError):
    """The next request could exceed the budget."""
