"""Random histories against a slow model, with full checks at the end of each."""
