from {{ package }}.auth.passwords import hash_password, is_password


def test_a_password_is_known_by_its_hash_alone() -> None:
    hashed = hash_password("correct horse battery")
    assert "correct" not in hashed
    assert is_password("correct horse battery", hashed)
    assert not is_password("wrong", hashed)


def test_the_same_password_has_another_hash_each_time() -> None:
    assert hash_password("correct horse battery") != hash_password("correct horse battery")
