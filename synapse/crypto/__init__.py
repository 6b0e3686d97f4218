"""Signing keys and signatures over canonical JSON."""
