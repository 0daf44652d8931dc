"""The cleaning stages: one file, one verb each, a document in and a document out. None knows of another."""
