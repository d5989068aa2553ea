"""The base class of V3 nodes, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ._io_schema import HiddenHolder, Schema, as_plain


class UIOutput:
    """Something for the editor to show."""

    def as_dict(self) -> dict[str, Any]:
        raise NotImplementedError


class NodeOutput:
    """The values of a node's outputs, in order, and what the editor shows of it.

    `expand` are nodes to run in its place; `block_execution` keeps what takes its outputs from running, with this
    message.
    """

    def __init__(
        self, *args: Any, ui: Any = None, expand: dict[str, Any] | None = None, block_execution: str | None = None
    ) -> None:
        self.args, self.ui, self.expand, self.block_execution = args, ui, expand, block_execution

    @property
    def result(self) -> tuple[Any, ...] | None:
        return self.args or None

    def __getitem__(self, index: int) -> Any:
        return self.args[index]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NodeOutput:
        """From what a V1 method may return."""
        result = data.get("result", ())
        if type(result).__name__ == "ExecutionBlocker":
            return cls(ui=data.get("ui"), block_execution=result.message or "")
        return cls(*(result or ()), ui=data.get("ui"), expand=data.get("expand"))


class _OfSchema:
    """A class attribute that V1 classes have, read from the schema."""

    def __init__(self, read: Callable[[Schema], Any]) -> None:
        self._read = read

    def __get__(self, instance: object, owner: Any) -> Any:
        return self._read(owner.SCHEMA if "SCHEMA" in vars(owner) else owner.GET_SCHEMA())


def _outputs(read: Callable[[Any], Any]) -> _OfSchema:
    return _OfSchema(lambda schema: [read(output) for output in schema.outputs or ()])


def _as_output(given: Any) -> NodeOutput:
    """Whatever `execute` returned. Raises TypeError for what no node returns."""
    if given is None:
        return NodeOutput()
    if isinstance(given, NodeOutput):
        return given
    if isinstance(given, tuple):
        return NodeOutput(*given)
    if isinstance(given, Mapping):
        return NodeOutput.from_dict(given)
    if type(given).__name__ == "ExecutionBlocker":
        return NodeOutput(block_execution=given.message or "")
    raise TypeError(f"execute returned a {type(given).__name__}; it returns io.NodeOutput, a tuple, a dict or nothing")


class ComfyNode:
    """A node: `define_schema` says what it is, `execute` does it. Both are class methods; nothing is instantiated.

    `validate_inputs`, `fingerprint_inputs` and `check_lazy_status` may be defined as well.
    """

    RELATIVE_PYTHON_MODULE: ClassVar[str | None] = None
    SCHEMA: ClassVar[Schema]
    hidden: ClassVar[HiddenHolder | None] = None
    resources: ClassVar[Any] = None

    DESCRIPTION = _OfSchema(lambda schema: schema.description)
    CATEGORY = _OfSchema(lambda schema: schema.category)
    EXPERIMENTAL = _OfSchema(lambda schema: schema.is_experimental)
    DEPRECATED = _OfSchema(lambda schema: schema.is_deprecated)
    API_NODE = _OfSchema(lambda schema: schema.is_api_node)
    OUTPUT_NODE = _OfSchema(lambda schema: schema.is_output_node)
    INPUT_IS_LIST = _OfSchema(lambda schema: schema.is_input_list)
    NOT_IDEMPOTENT = _OfSchema(lambda schema: schema.not_idempotent)
    RETURN_TYPES = _outputs(lambda output: output.io_type)
    RETURN_NAMES = _outputs(lambda output: output.display_name or output.io_type)
    OUTPUT_IS_LIST = _outputs(lambda output: output.is_output_list)
    OUTPUT_TOOLTIPS = _outputs(lambda output: output.tooltip or None)
    FUNCTION = "EXECUTE_NORMALIZED"

    @classmethod
    def define_schema(cls) -> Schema:
        raise NotImplementedError(f"{cls.__name__} has no define_schema")

    @classmethod
    def execute(cls, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{cls.__name__} has no execute")

    @classmethod
    def validate_inputs(cls, **kwargs: Any) -> bool | str:
        raise NotImplementedError

    @classmethod
    def fingerprint_inputs(cls, **kwargs: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def check_lazy_status(cls, **kwargs: Any) -> list[str]:
        return [name for name, value in kwargs.items() if value is None]

    @classmethod
    def overrides(cls, name: str) -> bool:
        """Whether a node class below this one defines this method."""
        found = getattr(cls, name)
        return getattr(found, "__func__", found) is not vars(ComfyNode)[name].__func__

    @classmethod
    def VALIDATE_CLASS(cls) -> None:
        """Raises TypeError for a class without its two methods."""
        for name in ("define_schema", "execute"):
            if not cls.overrides(name):
                raise TypeError(f"node class {cls.__name__} has no method {name}")

    @classmethod
    def GET_BASE_CLASS(cls) -> type:
        return ComfyNode

    @classmethod
    def FINALIZE_SCHEMA(cls) -> Schema:
        schema = cls.define_schema()
        schema.finalize()
        return schema

    @classmethod
    def GET_SCHEMA(cls) -> Schema:
        """The schema, made anew, and checked. Raises what `define_schema` raises, TypeError, ValueError."""
        cls.VALIDATE_CLASS()
        schema = cls.FINALIZE_SCHEMA()
        schema.validate()
        cls.SCHEMA = schema
        return schema

    @classmethod
    def INPUT_TYPES(cls, include_hidden: bool = True, return_schema: bool = False) -> Any:
        schema = cls.FINALIZE_SCHEMA()
        found = schema.input_types()
        if not include_hidden:
            found.pop("hidden", None)
        return (found, schema) if return_schema else found

    @classmethod
    def GET_NODE_INFO_V1(cls) -> dict[str, Any]:
        return as_plain(cls.GET_SCHEMA().get_v1_info(cls))

    @classmethod
    def GET_NODE_INFO_V3(cls) -> dict[str, Any]:
        return as_plain(cls.GET_SCHEMA().get_v3_info(cls))

    @classmethod
    def PREPARE_CLASS_CLONE(cls, hidden_inputs: Mapping[Any, Any] | None) -> type[ComfyNode]:
        """The class of one call, with its own hidden inputs."""
        known = {"SCHEMA": vars(cls)["SCHEMA"]} if "SCHEMA" in vars(cls) else {}
        names = {"hidden": HiddenHolder.from_dict(hidden_inputs), "__module__": cls.__module__, **known}
        return type(cls.__name__, (cls,), names)

    @classmethod
    def EXECUTE_NORMALIZED(cls, *args: Any, **kwargs: Any) -> Any:
        """What `execute` gives, as NodeOutput; a coroutine of it where `execute` is one. Raises TypeError."""
        given = cls.execute(*args, **kwargs)
        return cls.EXECUTE_NORMALIZED_ASYNC(given) if hasattr(given, "__await__") else cls._checked(_as_output(given))

    @classmethod
    async def EXECUTE_NORMALIZED_ASYNC(cls, *args: Any, **kwargs: Any) -> NodeOutput:
        """The same of a coroutine that has been made, or of arguments."""
        made = args[0] if len(args) == 1 and hasattr(args[0], "__await__") else cls.execute(*args, **kwargs)
        return cls._checked(_as_output(await made if hasattr(made, "__await__") else made))

    @classmethod
    def _checked(cls, output: NodeOutput) -> NodeOutput:
        schema = vars(cls)["SCHEMA"] if "SCHEMA" in vars(cls) else cls.GET_SCHEMA()
        if output.expand is not None and not schema.enable_expand:
            raise TypeError(f"node {schema.node_id} returned `expand`, which its schema allows with enable_expand=True")
        return output
