"""A host on another machine: the protocol of hosts, over calls of an agent that stands there.

`agent` stands on the other machine, in front of the host processes there; `host` is what the server has of it. Between
them are the calls of `calls.AgentCalls`, which Ray carries (`ray`), or nothing at all in tests.
"""
