"""From raw recordings to the files a datalist names: for now, the Morlet scalogram of an EEG segment."""
