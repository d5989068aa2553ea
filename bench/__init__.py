"""Measurements, each beside a baseline from the same run: `make bench`, or `make bench ARGS="server"` for one subject.

A subject is a module here with a function `figures()` that yields `bench.report.Figure`s.
"""
