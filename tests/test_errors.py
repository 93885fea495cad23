"""Set-up errors as exceptions."""

import pickle

from kick.errors import KickError, SetupErrors


def test_an_error_survives_pickling() -> None:
    back = pickle.loads(pickle.dumps(KickError("no-routes", cause="No routes.", fix="Add one.")))  # noqa: S301  # what the test itself has pickled
    assert type(back) is KickError
    assert (back.code, back.cause, back.fix) == ("no-routes", "No routes.", "Add one.")
    assert str(back) == "[no-routes] No routes.\n  Fix: Add one."


def test_several_errors_survive_pickling_with_their_notes() -> None:
    error = SetupErrors([KickError("a", "b", "c"), KickError("d", "e", "f")])
    error.add_note("seen at the start")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # what the test itself has pickled
    assert [each.code for each in back.problems] == ["a", "d"]
    assert str(back) == str(error)
    assert back.__notes__ == ["seen at the start"]
