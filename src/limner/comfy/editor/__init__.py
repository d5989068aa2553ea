"""Editor-form workflows: what the editor saves, and the prompt that it would send for them.

Chapters of a conversion, each a module that knows the ones above it only:

- `document`: the JSON, read tolerantly into frozen types (both of its versions);
- `groups`: legacy group nodes become subgraph definitions;
- `identity`: nodes of subgraphs get ids that are unique in the whole document;
- `widgets`: a node's widgets from its schema, and their saved values;
- `sheet`: a definition seen with the catalog;
- `promotion`: the values that an instance of a subgraph gives to widgets inside it;
- `order`: the order that nodes run and are written in;
- `resolution`: what an input is in the end linked to, through reroutes, bypassed nodes and subgraph walls;
- `file_names`: other nodes' values in the names of saved files;
- `prompt`: the API-form prompt.
"""

from .document import Document, read_document
from .file_names import with_values
from .prompt import to_prompt

__all__ = ["Document", "read_document", "to_prompt", "with_values"]
