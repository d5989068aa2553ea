"""Third-party code and everything else that runs nodes: the host, and the protocol that it is reached by.

In the process that runs nodes (torch may be imported there): `host.HostCore` with a `library.Library` and
`services.Services`; `serve.serve` makes a process of it. In the server: `client.HostClient`, which `limner.executors`
uses. Between them: `protocol`, `codec` and `transport`.
"""
