"""Simplified sliding sync (MSC4186): the rooms in a client's windows, and what is new in them.

Another view on what `/sync` shows: the same deltas, timelines and followers. What is its own: which
rooms a client sees (`room_list`, `filters`), what it has seen (`connections`), and the form in
which a room is told (`rooms`, `required_state`, `extensions`).
"""
