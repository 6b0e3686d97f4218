"""The tests, a folder for each of the server's."""

from hypothesis import HealthCheck, settings

# How fast a machine is is no property of the code.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
