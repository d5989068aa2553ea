"""The `sampling/custom_sampling` menus: the parts of a sampler, to be put together by links."""
