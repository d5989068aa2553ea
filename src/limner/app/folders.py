"""The settings' folders."""

from __future__ import annotations

from dataclasses import replace

from limner.files import CannotWrite, Folders, ModelStore
from limner.settings import Settings


def folders_of(settings: Settings, *, fetches: bool = False) -> Folders:
    """Where everything is, by these settings; the models and packs of an adopted ComfyUI are in its own folder.

    `fetches`: whoever asks for a model may wait until it has come from the store. Raises `limner.files.FileProblem` for
    a bad extra_model_paths.yaml, and a store that cannot be opened.
    """
    folders = Folders.under(
        settings.comfyui or settings.base_directory,
        input=settings.input_directory,
        output=settings.output_directory,
        temp=settings.temp_directory,
        user=settings.user_directory,
        extra_model_paths=settings.extra_model_paths_config,
        built_in=settings.comfyui is None,  # ComfyUI cannot load it
    )
    return (
        replace(folders, store=ModelStore(settings.model_store), fetches=fetches) if settings.model_store else folders
    )


def prepared_folders(settings: Settings, *, fetches: bool = False) -> Folders:
    """The settings' folders, made where they are missing. Raises `limner.files.FileProblem`."""
    folders = folders_of(settings, fetches=fetches)
    if folders.store is not None:
        folders.store.open()
    try:
        folders.prepare(models=settings.comfyui is None)
    except OSError as error:
        problem = f"the folder {error.filename} cannot be made: {error.strerror}"
        raise CannotWrite(problem, "Choose another with --base-directory, or with the flag of that folder") from error
    return folders
