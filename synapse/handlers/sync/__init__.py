"""`/sync`: what is new for a user since a position.

Three layers: the room delta, which all who ask for the same interval share (`deltas`); what
concerns the user alone (`joined`, `elsewhere`, `personal`); and the waiting client (`handler`).
"""
