"""The configuration of logging, which is one for a whole process: what changes it puts it back."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logging_put_back() -> Iterator[None]:
    """Give each logger the level, handlers and switches that it had before. One that is new gets those of a new one."""
    before = {logger: _settings_of(logger) for logger in _loggers()}
    try:
        yield
    finally:
        for logger in _loggers():
            level, handlers, propagates, disabled = before.get(logger, (logging.NOTSET, [], True, False))
            logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate, logger.disabled = propagates, disabled


def _loggers() -> list[logging.Logger]:
    named = logging.root.manager.loggerDict.values()
    return [logging.root, *(each for each in named if isinstance(each, logging.Logger))]


def _settings_of(logger: logging.Logger) -> tuple[int, list[logging.Handler], bool, bool]:
    return logger.level, [*logger.handlers], logger.propagate, logger.disabled
