"""Power cuts and I/O errors: the product on a disk that remembers every write and can fail any."""
