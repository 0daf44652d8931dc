"""Looking at a published corpus and deciding: the local web app (`app`), and one document in the terminal (`show`)."""
