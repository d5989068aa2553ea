"""A ComfyUI that is there already, as a node library: its own folder, its own Python, its own modules.

In the server: `folder` (what there is at a path). In the host, which that Python runs: `__main__` starts it, `modules`
imports ComfyUI as its `main.py` would, `nodes` makes its classes ours, `surroundings` is what those find around a call,
`topics` what the server may ask. Of third-party packages the host needs msgspec, beside what ComfyUI brings.
"""
