"""Titles of core nodes that ComfyUI 0.3.64 sends no display name for, as the editor shows them in English."""

from __future__ import annotations

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    "AudioEncoderLoader": "Load Audio Encoder",
    "CLIPTextEncodeControlnet": "CLIP Text Encode (Controlnet)",
    "CLIPTextEncodeHiDream": "CLIP Text Encode (HiDream)",
    "CLIPTextEncodePixArtAlpha": "CLIP Text Encode (PixArt Alpha)",
    "CLIPTextEncodeSD3": "CLIP Text Encode (SD3)",
    "CLIPTextEncodeSDXL": "CLIP Text Encode (SDXL)",
    "CLIPTextEncodeSDXLRefiner": "CLIP Text Encode (SDXL Refiner)",
    "Canny": "Detect Edges (Canny)",
    "EmptyAceStepLatentAudio": "Empty Ace Step 1.0 Latent Audio",
    "EmptyCosmosLatentVideo": "Empty Cosmos Latent Video",
    "EmptyLTXVLatentVideo": "Empty LTXV Latent Video",
    "FluxKontextMultiReferenceLatentMethod": "Edit Model Reference Method",
    "ImageBlend": "Blend Images",
    "ImageBlur": "Blur Image",
    "ImageQuantize": "Quantize Image",
    "ImageRGBToYUV": "Image RGB to YUV",
    "ImageScaleToTotalPixels": "Scale Image to Total Pixels",
    "ImageSharpen": "Sharpen Image",
    "ImageYUVToRGB": "Image YUV to RGB",
    "LTXVPreprocess": "LTXV Preprocess",
    "LatentBatch": "Batch Latents (DEPRECATED)",
    "PerpNegGuider": "Perp-Neg Guider",
    "PhotoMakerEncode": "PhotoMaker Encode",
    "PhotoMakerLoader": "Load PhotoMaker Model",
    "QuadrupleCLIPLoader": "Load CLIP (Quadruple)",
    "ReferenceLatent": "Set Reference Latent",
    "SaveWEBM": "Save WEBM",
    "StableCascade_EmptyLatentImage": "Empty Stable Cascade Latent Image",
    "StableCascade_StageC_VAEEncode": "Stable Cascade Stage C VAE Encode",
    "T5TokenizerOptions": "T5 Tokenizer Options",
    "TextEncodeQwenImageEdit": "Text Encode Qwen Image Edit",
    "TextEncodeQwenImageEditPlus": "Text Encode Qwen Image Edit Plus",
    "TrimVideoLatent": "Trim Video Latent",
    "TripleCLIPLoader": "Load CLIP (Triple)",
}
"""Only those that differ from the type's own name."""
