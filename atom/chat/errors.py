"""What can go wrong between us and a language model."""

from atom.errors import AtomError


class RequestFailed(AtomError):
    """This request can't be answered; others may."""


class ServiceError(AtomError):
    """The service can't be used at all as it is: key, address, model, quota, or it is down."""


class BudgetSpent(AtomError):
    """The next request might go over the budget."""
