"""Many workers as one executor: who runs what is decided by facts alone (`matching`, `tracks`), done by `fleet`.

A worker is anything that does what a `limner.executors.exchange.Host` does: the host process of this server, or one on
another machine (`limner.executors.ray`).
"""
