"""The parts of `make up`: processes that run on, a server's health, and what a Prefect server is given."""
