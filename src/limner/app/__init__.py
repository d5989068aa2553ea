"""Composition roots, one a process: `server` (no torch), `host` (torch and nodes), `local` (both, for commands).

These modules alone wire the parts together; nothing below imports them.
"""
