"""Text that is almost JSON: read past its faults, and mended where no doubt is left."""
