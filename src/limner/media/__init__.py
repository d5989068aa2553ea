"""Pictures, videos and sounds <-> bytes, with the workflow that made them.

Nothing is imported here: `metadata` and `exif` need the standard library only; `opening`, `decode`, `encode` and
`preview` need Pillow and numpy; `audio` and `video` need PyAV, which carries FFmpeg. No module needs torch. Pictures
are float32 in 0..1 or uint8, always [batch,] height, width, channels; sound is float32 [channels, samples] in -1..1.
"""
