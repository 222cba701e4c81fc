"""Changes of a datalist by hand: kept in a log, shown in words, made again in a newer datalist."""
