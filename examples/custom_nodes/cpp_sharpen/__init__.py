"""A node whose work is done in C++: put this folder into `custom_nodes/`.

The first start compiles `sharpen.cpp` (about half a minute; it needs a C++ compiler and `ninja`). Later starts take the
build from torch's cache (`~/.cache/torch_extensions`, or the folder in TORCH_EXTENSIONS_DIR) unless the source changed.
"""

from __future__ import annotations

from torch.utils.cpp_extension import load

extension = load(name="limner_example_sharpen", sources=["sharpen.cpp"], extra_cflags=["-O3"])


class CppSharpen:
    """Sharpens by the difference from the four neighbours."""

    DESCRIPTION = "Sharpens pictures, in C++."
    CATEGORY = "image/examples"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "sharpen"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "image": ("IMAGE",),
                "amount": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 4.0, "step": 0.05}),
            }
        }

    def sharpen(self, image, amount):
        return (extension.sharpen(image.float().cpu().contiguous(), amount),)


NODE_CLASS_MAPPINGS = {"CppSharpen": CppSharpen}
NODE_DISPLAY_NAME_MAPPINGS = {"CppSharpen": "Sharpen (C++)"}
