"""The many setters of `ModelPatcher` that put functions into `model_options`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Options = dict[str, Any]
Function = Callable[..., Any]


def set_model_options_patch_replace(
    model_options: Options, patch: Any, name: str, block_name: str, number: int, transformer_index: int | None = None
) -> Options:
    """The options with a function that replaces what a block computes; changed dicts are new."""
    options = dict(model_options.get("transformer_options", {}))
    replaced = {kind: dict(blocks) for kind, blocks in options.get("patches_replace", {}).items()}
    block = (block_name, number) if transformer_index is None else (block_name, number, transformer_index)
    replaced.setdefault(name, {})[block] = patch
    model_options["transformer_options"] = {**options, "patches_replace": replaced}
    return model_options


def _appended(options: Options, name: str, function: Function, disable_cfg1_optimization: bool) -> Options:
    options[name] = [*options.get(name, []), function]
    if disable_cfg1_optimization:
        options["disable_cfg1_optimization"] = True
    return options


def set_model_options_post_cfg_function(
    model_options: Options, post_cfg_function: Function, disable_cfg1_optimization: bool = False
) -> Options:
    return _appended(model_options, "sampler_post_cfg_function", post_cfg_function, disable_cfg1_optimization)


def set_model_options_pre_cfg_function(
    model_options: Options, pre_cfg_function: Function, disable_cfg1_optimization: bool = False
) -> Options:
    return _appended(model_options, "sampler_pre_cfg_function", pre_cfg_function, disable_cfg1_optimization)


def create_model_options_clone(orig_model_options: Options) -> Options:
    from limner.comfy.shims.objects.wrappers import copy_nested_dicts

    return copy_nested_dicts(orig_model_options)


class PatchOptions:
    """What sets functions in `model_options`."""

    model_options: Options

    def set_model_sampler_cfg_function(
        self, sampler_cfg_function: Function, disable_cfg1_optimization: bool = False
    ) -> None:
        """`function(args) -> noise`; one of the form `(cond, uncond, scale)` is taken too."""
        import inspect

        if len(inspect.signature(sampler_cfg_function).parameters) == 3:
            self.model_options["sampler_cfg_function"] = lambda args: sampler_cfg_function(
                args["cond"], args["uncond"], args["cond_scale"]
            )
        else:
            self.model_options["sampler_cfg_function"] = sampler_cfg_function
        if disable_cfg1_optimization:
            self.model_options["disable_cfg1_optimization"] = True

    def set_model_sampler_post_cfg_function(
        self, post_cfg_function: Function, disable_cfg1_optimization: bool = False
    ) -> None:
        set_model_options_post_cfg_function(self.model_options, post_cfg_function, disable_cfg1_optimization)

    def set_model_sampler_pre_cfg_function(
        self, pre_cfg_function: Function, disable_cfg1_optimization: bool = False
    ) -> None:
        set_model_options_pre_cfg_function(self.model_options, pre_cfg_function, disable_cfg1_optimization)

    def set_model_sampler_calc_cond_batch_function(self, sampler_calc_cond_batch_function: Function) -> None:
        self.model_options["sampler_calc_cond_batch_function"] = sampler_calc_cond_batch_function

    def set_model_unet_function_wrapper(self, unet_wrapper_function: Function) -> None:
        self.model_options["model_function_wrapper"] = unet_wrapper_function

    def set_model_denoise_mask_function(self, denoise_mask_function: Function) -> None:
        self.model_options["denoise_mask_function"] = denoise_mask_function

    def set_model_patch(self, patch: Any, name: str) -> None:
        options = self.model_options.setdefault("transformer_options", {})
        options.setdefault("patches", {}).setdefault(name, []).append(patch)

    def set_model_patch_replace(
        self, patch: Any, name: str, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        set_model_options_patch_replace(self.model_options, patch, name, block_name, number, transformer_index)

    def set_model_attn1_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "attn1_patch")

    def set_model_attn2_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "attn2_patch")

    def set_model_attn1_replace(
        self, patch: Any, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        self.set_model_patch_replace(patch, "attn1", block_name, number, transformer_index)

    def set_model_attn2_replace(
        self, patch: Any, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        self.set_model_patch_replace(patch, "attn2", block_name, number, transformer_index)

    def set_model_attn1_output_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "attn1_output_patch")

    def set_model_attn2_output_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "attn2_output_patch")

    def set_model_input_block_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "input_block_patch")

    def set_model_input_block_patch_after_skip(self, patch: Any) -> None:
        self.set_model_patch(patch, "input_block_patch_after_skip")

    def set_model_output_block_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "output_block_patch")

    def set_model_emb_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "emb_patch")

    def set_model_forward_timestep_embed_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "forward_timestep_embed_patch")

    def set_model_double_block_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "double_block")

    def set_model_post_input_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "post_input")
