"""The vocabulary of Matrix: constants, errors, room versions, identifiers. Pure."""
