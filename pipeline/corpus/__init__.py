"""What lies on disk: part files between passes, the tables of a corpus, the CLEAN folder and its publishing."""
