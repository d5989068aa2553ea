"""Everything ComfyUI-shaped: its workflow JSON, object_info, error and frame formats. Pure: no sockets, no files."""
