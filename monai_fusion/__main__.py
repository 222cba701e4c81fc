"""``python -m monai_fusion`` is ``monai-fusion``."""

from monai_fusion.cli import main

if __name__ == "__main__":
    main()
