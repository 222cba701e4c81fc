"""For transforms of your own that decode a recording's bytes: the path that they get is a `FileContent`."""

from monai_fusion.file_formats.content import FileContent, require_file

__all__ = ["FileContent", "require_file"]
