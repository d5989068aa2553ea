"""The built-in nodes, plugin zero: one file a family of nodes, named as its menu.

A node is a thin typed function; what it computes stands in `tensors`, `limner.diffusion` and `limner.media`. What
loading nodes share is in `located`, what saving ones share in `writing`. Nodes that need the world ask
`NodeContext.service` for `limner.files.Folders`, `limner.diffusion.runtime.Runtime` and, where the host has them,
`NodeOptions`.

`library.built_in()` gives all of them; importing that imports torch, importing this package does not.
"""
