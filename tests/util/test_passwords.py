"""Which passwords match which hashes."""

from unittest import TestCase

from synapse.util.passwords import check_password, hash_password

ROUNDS = 4
E_WITH_ACUTE_COMPOSED = "caf\u00e9"
E_WITH_ACUTE_DECOMPOSED = "cafe\u0301"


class PasswordsTestCase(TestCase):
    def test_the_password_matches_its_own_hash_only(self) -> None:
        password_hash = hash_password("wonderland", ROUNDS)
        self.assertTrue(password_hash.startswith("$2b$04$"))
        self.assertTrue(check_password("wonderland", password_hash))
        self.assertFalse(check_password("Wonderland", password_hash))

    def test_two_hashes_of_one_password_differ(self) -> None:
        self.assertNotEqual(hash_password("a", ROUNDS), hash_password("a", ROUNDS))

    def test_the_pepper_is_part_of_the_password(self) -> None:
        password_hash = hash_password("wonderland", ROUNDS, pepper="salty")
        self.assertTrue(check_password("wonderland", password_hash, pepper="salty"))
        self.assertFalse(check_password("wonderland", password_hash))

    def test_two_spellings_of_one_letter_are_the_same_password(self) -> None:
        password_hash = hash_password(E_WITH_ACUTE_COMPOSED, ROUNDS)
        self.assertTrue(check_password(E_WITH_ACUTE_DECOMPOSED, password_hash))

    def test_only_the_first_72_bytes_count(self) -> None:
        password_hash = hash_password("x" * 100, ROUNDS)
        self.assertTrue(check_password("x" * 72, password_hash))
        self.assertFalse(check_password("x" * 71, password_hash))

    def test_a_character_may_be_cut_in_two(self) -> None:
        password_hash = hash_password("x" * 71 + "é", ROUNDS)
        self.assertTrue(check_password("x" * 71 + "é", password_hash))

    def test_hashes_by_older_bcrypt_versions_match(self) -> None:
        password_hash = hash_password("wonderland", ROUNDS)
        for prefix in ("$2a$", "$2y$"):
            with self.subTest(prefix=prefix):
                self.assertTrue(check_password("wonderland", prefix + password_hash[4:]))

    def test_what_is_no_hash_matches_nothing(self) -> None:
        for password_hash in ("", "x", "$2b$12$short", "$argon2id$v=19$x", "ü"):
            with self.subTest(password_hash=password_hash):
                self.assertFalse(check_password("wonderland", password_hash))

    def test_a_lone_surrogate_is_a_password_like_another(self) -> None:
        password_hash = hash_password("\ud800", ROUNDS)
        self.assertTrue(check_password("\ud800", password_hash))
        self.assertFalse(check_password("\ud801", password_hash))
