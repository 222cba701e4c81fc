"""A new datalist, from folders of recordings, BIDS datasets and participants tables."""
