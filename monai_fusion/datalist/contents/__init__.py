"""What is in the files of a datalist: opened one by one by ``monai-fusion datalist check --deep``."""
