"""Known-bad changes of the product, and the tests that must notice each of them."""
