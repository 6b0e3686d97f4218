"""Where a homeserver is: server-server API, "Resolving server names".

`addresses` decides, `well_known` and `srv` ask, `discovery` puts them together.
"""
