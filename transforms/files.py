"""For transforms of your own that take a recording's bytes: `FileContent`, which says so with ``decodes_content``."""

from monai_fusion.file_formats.content import FileContent, require_file

__all__ = ["FileContent", "require_file"]
