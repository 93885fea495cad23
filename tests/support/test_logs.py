"""A test that configures logging leaves it as it was."""

import logging
import logging.config

from tests.support.logs import logging_put_back


def test_loggers_are_as_before() -> None:
    old = logging.getLogger("tests.support.old")
    handler = logging.NullHandler()
    old.addHandler(handler)
    try:
        with logging_put_back():
            logging.config.dictConfig(
                {
                    "version": 1,
                    "handlers": {"null": {"class": "logging.NullHandler"}},
                    "loggers": {"tests.support.new": {"level": "INFO", "handlers": ["null"], "propagate": False}},
                }
            )
            new = logging.getLogger("tests.support.new")
            assert (new.level, len(new.handlers), new.propagate) == (logging.INFO, 1, False)
            assert old.disabled
        assert (new.level, new.handlers, new.propagate) == (logging.NOTSET, [], True)
        assert (old.disabled, old.handlers) == (False, [handler])
    finally:
        old.removeHandler(handler)
