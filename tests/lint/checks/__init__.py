"""The checks of `tests/lint/run`, one module each."""
